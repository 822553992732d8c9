"""A run of seconds that needs no pretrained file, whose folder the reference describes, and its encoder."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from lasca_core.api import Component, EncoderSpec, hookimpl
from lasca_core.experiment.config import resolve
from lasca_core.experiment.run import run
from lasca_core.testing import make_registry, make_runtime

_OPTIONS = (
    "facs.people=10",
    "facs.segments=8",
    "evaluate.folds=2",
    "evaluate.bootstrap=100",
    "normalize.strategy=global",
    "fusion.wording=sentence",
)
"""Few people, and the choices under which every file, key and tensor occurs."""


class HashedWords(Component):
    """A text's vector is the mean of pseudo-random vectors of its words."""

    dim = 32
    max_tokens = 256

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The words of each text."""
        return [len(text.split()) for text in texts]

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """float32 [N, 32]."""
        rows = [torch.stack([self._vector(word) for word in text.split()]).mean(dim=0) for text in texts]
        return torch.stack(rows) if rows else torch.zeros(0, self.dim)

    def _vector(self, word: str) -> torch.Tensor:
        digest = hashlib.sha256(word.encode()).digest()
        return torch.tensor([byte / 127.5 - 1 for byte in digest])


@hookimpl
def lasca_register_encoders() -> Iterator[EncoderSpec]:
    """Offer ``hashed-words``."""
    yield EncoderSpec(
        name="hashed-words", target=f"{__name__}:HashedWords", summary="Hashed words, for this page alone"
    )


def tiny_run(folder: Path) -> Path:
    """Run it below ``folder`` and return the run's folder."""
    chosen = {"dataset": "facs", "encoder": "hashed-words"}
    config = resolve(preset="best", chosen=chosen, assignments=_OPTIONS)
    registry = make_registry(sys.modules[__name__])
    finished = run(config, registry, make_runtime(folder / "cache"), folder / "runs", ["lasca", "run", "..."])
    return finished.folder
