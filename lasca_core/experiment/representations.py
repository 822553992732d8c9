"""What a learner may read of each window, block by block, each computed once and only if it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from lasca_core.contract.lexicon import Lexicon
from lasca_core.contract.types import Knowledge, Saliency, Windows, Wording
from lasca_core.experiment.material import Material
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.steps.fusion import weighted_words
from lasca_core.steps.normalize import Normalized, Statistics, statistics
from lasca_core.steps.wording import shuffled

if TYPE_CHECKING:
    from torch import Tensor

Words = Literal["own", "names", "shuffled"]
"""Whose words: the lexicon's, the control lexicon's (feature names), or the lexicon's with descriptions permuted."""


@dataclass(frozen=True)
class Recipe:
    """What a variant is made of: the ``blocks`` of its representation; whose ``words`` they and the learner's knowledge
    come from; and whether it is ``trained`` at all."""

    blocks: tuple[str, ...]
    words: Words | None = None
    trained: bool = True


RECIPES: dict[str, Recipe] = {
    "majority": Recipe((), trained=False),
    "zero-shot": Recipe(("features",), "own", trained=False),
    "features": Recipe(("features",)),
    "mask": Recipe(("mask",)),
    "text": Recipe(("text",), "own"),
    "fused": Recipe(("features", "text"), "own"),
    "names": Recipe(("features", "text"), "names"),
    "shuffled": Recipe(("features", "text"), "shuffled"),
    "zero-shot-names": Recipe(("features",), "names", trained=False),
    "zero-shot-shuffled": Recipe(("features",), "shuffled", trained=False),
}
"""All variants. ``majority`` has no representation: it says what was more frequent in training."""


@dataclass
class Blocks:
    """The blocks of all windows under one normalisation: ``features`` [W, F], ``mask`` [W, F] and ``text`` [W, D].

    ``lexicons`` holds the lexicon of each session.
    """

    pipeline: Pipeline
    windows: Windows
    lexicons: Sequence[Lexicon]
    normalized: Normalized
    _texts: dict[tuple[str, int], Tensor] = field(default_factory=dict)

    @cached_property
    def saliency(self) -> Saliency:
        """The salient features of each window."""
        return self.pipeline.salient(self.windows, self.normalized)

    @cached_property
    def wording(self) -> Wording:
        """The sentence of each window."""
        return self._write(self.lexicons)

    def text(self, words: Words, repetition: int = 0) -> Tensor:
        """The words of each window as a vector: another permutation for each repetition, if they are shuffled."""
        key = (words, repetition if words == "shuffled" else 0)
        if key not in self._texts:
            lexicons = worded(self.pipeline, self.lexicons, words, repetition)
            if self.pipeline.config.fusion.wording == "weighted":
                self._texts[key] = self._weighted(lexicons)
            else:
                self._texts[key] = self.pipeline.text(self.wording if words == "own" else self._write(lexicons))
        return self._texts[key]

    def get(self, recipe: Recipe, repetition: int = 0) -> dict[str, Tensor]:
        """The blocks of a variant."""
        found: dict[str, Tensor] = {}
        for name in recipe.blocks:
            if name == "features":
                found[name] = self.normalized.features
            elif name == "mask":
                found[name] = self.saliency.mask.float()
            else:
                found[name] = self.text(recipe.words or "own", repetition)
        return found

    def _write(self, lexicons: Sequence[Lexicon]) -> Wording:
        """One wording over all windows, each session in the words of its own lexicon."""
        import torch

        groups = _sessions_by_lexicon(lexicons)
        names, state = self.windows.names, self.normalized.state
        if len(groups) == 1:
            return self.pipeline.words(names, self.saliency, lexicons[0], state)
        parts, rows = [], []
        for lexicon, sessions in groups:
            chosen = torch.isin(self.windows.session, torch.tensor(sessions, device=state.device)).nonzero()[:, 0]
            salient = Saliency(self.saliency.mask[chosen], self.saliency.score[chosen])
            parts.append(self.pipeline.words(names, salient, lexicon, state[chosen]))
            rows.append(chosen)
        return _joined(parts, torch.cat(rows))

    def _weighted(self, lexicons: Sequence[Lexicon]) -> Tensor:
        import torch

        result: Tensor | None = None
        for lexicon, sessions in _sessions_by_lexicon(lexicons):
            raised, lowered = (
                self.pipeline.embed([lexicon.describe(name, side) for name in self.windows.names]).vectors
                for side in ((1, -1) if self.pipeline.config.lexicon.direction else (0, 0))
            )
            if len(sessions) == len(lexicons):  # the usual case: no copy
                return weighted_words(self.saliency, raised, lowered, self.normalized.state)
            rows = torch.isin(self.windows.session, torch.tensor(sessions, device=raised.device)).nonzero()[:, 0]
            salient = Saliency(self.saliency.mask[rows], self.saliency.score[rows])
            if result is None:
                result = raised.new_zeros(len(self.windows), raised.shape[1])
            result[rows] = weighted_words(salient, raised, lowered, self.normalized.state[rows])
        assert result is not None
        return result


def worded(pipeline: Pipeline, lexicons: Sequence[Lexicon], words: Words, repetition: int = 0) -> Sequence[Lexicon]:
    """The lexicon of each session, or its control."""
    if words == "own":
        return lexicons
    if words == "names":
        control = pipeline.control_lexicon(tuple(lexicons[0].entries))
        return [replace(control, anchors=control.anchors or lexicon.anchors) for lexicon in lexicons]
    known: dict[str, Lexicon] = {}
    for lexicon in lexicons:
        if lexicon.checksum not in known:
            generator = pipeline.runtime.generator("shuffled lexicon", repetition)
            known[lexicon.checksum] = shuffled(lexicon, generator)
    return [known[lexicon.checksum] for lexicon in lexicons]


def _sessions_by_lexicon(lexicons: Sequence[Lexicon]) -> list[tuple[Lexicon, list[int]]]:
    """Each distinct lexicon with the numbers of the sessions it is for."""
    found: dict[str, tuple[Lexicon, list[int]]] = {}
    for session, lexicon in enumerate(lexicons):
        found.setdefault(lexicon.checksum, (lexicon, []))[1].append(session)
    return list(found.values())


def _joined(parts: Sequence[Wording], rows: Tensor) -> Wording:
    """One wording from those of disjoint sets of windows, ``rows`` being the windows' numbers in the parts' order."""
    import torch

    place: dict[str, int] = {}
    cues: list[tuple[str, ...]] = []
    states: list[tuple[int, ...]] = []
    index = []
    for part in parts:
        numbers = []
        for text, names, state in zip(part.texts, part.cues, part.states, strict=True):
            if text not in place:
                place[text] = len(place)
                cues.append(names)
                states.append(state)
            numbers.append(place[text])
        index.append(torch.tensor(numbers, dtype=torch.int64, device=part.index.device)[part.index])
    back = rows.argsort()
    return Wording(
        texts=tuple(place),
        cues=tuple(cues),
        states=tuple(states),
        index=torch.cat(index)[back],
        dropped=torch.cat([part.dropped for part in parts])[back],
    )


@dataclass
class Representations:
    """The blocks of a dataset's windows, normalised as the strategy says.

    Only the strategy ``global`` takes its statistics from the training windows alone; under the others every session or
    subject brings its own, which training and test data do not share. ``base`` is the lexicon for a session of which
    nothing is known: its words are the learner's knowledge.
    """

    pipeline: Pipeline
    material: Material
    base: Lexicon
    lexicons: Sequence[Lexicon]
    _knowledge: dict[tuple[str, str, int], Knowledge] = field(default_factory=dict)

    @classmethod
    def of(cls, pipeline: Pipeline, material: Material) -> Representations:
        """With the lexicon of each session, as the provider gives it for what is known of the session."""
        names = material.windows.names
        return cls(
            pipeline,
            material,
            pipeline.lexicon_for(names),
            [pipeline.lexicon_for(names, about) for about in material.about],
        )

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

    def knowledge(self, words: Words, target: str, repetition: int = 0) -> Knowledge:
        """What the words say of how the features speak for ``target``."""
        key = (words, target, repetition if words == "shuffled" else 0)
        if key not in self._knowledge:
            (lexicon,) = worded(self.pipeline, [self.base], words, repetition)
            self._knowledge[key] = self.pipeline.knowledge(lexicon, self.material.windows.names, target)
        return self._knowledge[key]

    def _normalized(self, fit: Tensor | None) -> Blocks:
        windows = self.material.windows
        normalized = self.pipeline.normalized(windows, self.material.group(self._strategy), fit=fit)
        return Blocks(self.pipeline, windows, self.lexicons, normalized)

    @property
    def _strategy(self) -> str:
        strategy: str = self.pipeline.config.normalize.strategy
        return strategy

    def global_statistics(self) -> Statistics | None:
        """What a model must keep to normalise new recordings: only under the strategy ``global``."""
        return statistics(self.material.windows, self.material.group("global")) if self.fitted else None
