"""What a learner may read of each window, block by block, each computed once and only if it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from lasca_core.contract.lexicon import Lexicon
from lasca_core.contract.types import Saliency, Windows, Wording
from lasca_core.experiment.material import Material
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.steps.normalize import Normalized, Statistics, statistics
from lasca_core.steps.wording import shuffled

if TYPE_CHECKING:
    from torch import Tensor

BLOCKS: dict[str, tuple[str, ...]] = {
    "majority": (),
    "features": ("features",),
    "mask": ("mask",),
    "text": ("text",),
    "fused": ("features", "text"),
    "shuffled": ("features", "shuffled text"),
}
"""Variant -> the blocks of its representation. ``majority`` has none: it says what was more frequent in training."""


@dataclass
class Blocks:
    """The blocks of all windows under one normalisation: ``features`` [W, F], ``mask`` [W, F], ``text`` [W, D] and
    ``shuffled text`` [W, D]."""

    pipeline: Pipeline
    windows: Windows
    lexicon: Lexicon
    normalized: Normalized
    _controls: dict[int, Tensor] = field(default_factory=dict)

    @cached_property
    def saliency(self) -> Saliency:
        """The salient features of each window."""
        return self.pipeline.salient(self.windows, self.normalized)

    @cached_property
    def wording(self) -> Wording:
        """The sentence of each window."""
        return self.pipeline.words(self.windows, self.saliency, self.lexicon)

    @cached_property
    def text(self) -> Tensor:
        """The embedded sentence of each window."""
        return self.pipeline.text(self.wording)

    def control(self, repetition: int) -> Tensor:
        """The embedded sentence of each window under the lexicon with its descriptions permuted among the features:
        another permutation for each repetition."""
        if repetition not in self._controls:
            generator = self.pipeline.runtime.generator("shuffled lexicon", repetition)
            words = self.pipeline.words(self.windows, self.saliency, shuffled(self.lexicon, generator))
            self._controls[repetition] = self.pipeline.text(words)
        return self._controls[repetition]

    def get(self, names: Sequence[str], repetition: int = 0) -> dict[str, Tensor]:
        """The named blocks."""
        make = {
            "features": lambda: self.normalized.features,
            "mask": lambda: self.saliency.mask.float(),
            "text": lambda: self.text,
            "shuffled text": lambda: self.control(repetition),
        }
        return {name: make[name]() for name in names}


@dataclass
class Representations:
    """The blocks of a dataset's windows, normalised as the strategy says.

    Only the strategy ``global`` takes its statistics from the training windows alone; under the others every session or
    subject brings its own, which training and test data do not share.
    """

    pipeline: Pipeline
    material: Material
    lexicon: Lexicon

    @property
    def fitted(self) -> bool:
        """Whether normalisation depends on which windows are for training."""
        return self.pipeline.config.normalize.strategy == "global"

    @cached_property
    def whole(self) -> Blocks:
        """The blocks when all windows are for training."""
        return self._normalized(None)

    def given(self, train_windows: Tensor) -> Blocks:
        """The blocks when the windows ``train_windows`` bool [W] are for training."""
        return self._normalized(train_windows) if self.fitted else self.whole

    def _normalized(self, fit: Tensor | None) -> Blocks:
        windows = self.material.windows
        normalized = self.pipeline.normalized(windows, self.material.group(self._strategy), fit=fit)
        return Blocks(self.pipeline, windows, self.lexicon, normalized)

    @property
    def _strategy(self) -> str:
        strategy: str = self.pipeline.config.normalize.strategy
        return strategy

    def global_statistics(self) -> Statistics | None:
        """What a model must keep to normalise new recordings: only under the strategy ``global``."""
        return statistics(self.material.windows, self.material.group("global")) if self.fitted else None
