"""The blocks of a live window, its words kept in memory from one window to the next."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from lasca_core.contract.lexicon import Lexicon
from lasca_core.contract.types import Saliency, Wording
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import Blocks, Words
from lasca_core.steps.fusion import weighted_words
from lasca_core.steps.wording import write

if TYPE_CHECKING:
    from torch import Tensor

_REMEMBERED = 4096
"""Texts whose vectors (6 MB of MiniLM's) and lengths, and windows whose sentences, are kept in memory."""

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class _Memory(Generic[KeyT, ValueT]):
    """What was computed lately, and for which key."""

    def __init__(self) -> None:
        self._known: dict[KeyT, ValueT] = {}

    def recall(self, keys: Sequence[KeyT], compute: Callable[[list[KeyT]], Iterable[ValueT]]) -> list[ValueT]:
        """The value of each key; ``compute`` is asked, once, for those that are not known."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._known]
        if len(self._known) + len(missing) > _REMEMBERED:
            self._known.clear()
            missing = list(dict.fromkeys(keys))
        if missing:
            self._known.update(zip(missing, compute(missing), strict=True))
        return [self._known[key] for key in keys]


@dataclass(frozen=True)
class _Said:
    """One window's part of a ``Wording``."""

    text: str
    cues: tuple[str, ...]
    states: tuple[int, ...]
    dropped: int


class Vocabulary:
    """The words of one lexicon: the vectors of its descriptions, and the sentences said lately with theirs."""

    def __init__(self, pipeline: Pipeline, lexicon: Lexicon, names: Sequence[str]) -> None:
        self._pipeline = pipeline
        self.weighted = pipeline.config.fusion.wording == "weighted"
        self._lexicon = lexicon
        self._names = names
        self._order = lexicon.order(names)
        self._vectors: _Memory[str, Tensor] = _Memory()
        self._lengths: _Memory[str, int] = _Memory()
        self._sentences: _Memory[bytes, _Said] = _Memory()

    def prepare(self, *, encoded: bool) -> None:
        """Load what writes a sentence, and if sentences are ``encoded``, what does that."""
        self.count_tokens([self._lexicon.empty])
        if encoded and self.weighted:
            _ = self.descriptions
        elif encoded and hasattr(encoder := self._pipeline.encoder.component, "prepare"):
            encoder.prepare()

    @cached_property
    def descriptions(self) -> tuple[Tensor, Tensor]:
        """The vectors of what is said of each feature above and below its usual value, [F, D] each."""
        above, below = (1, -1) if self._pipeline.config.lexicon.direction else (0, 0)
        raised, lowered = ([self._lexicon.describe(name, side) for name in self._names] for side in (above, below))
        return self._pipeline.embed(raised).vectors, self._pipeline.embed(lowered).vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text."""
        return self._lengths.recall(texts, self._pipeline.encoder.component.count_tokens)

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """The vector of each text, [N, D]."""
        import torch

        return torch.stack(self._vectors.recall(texts, lambda new: self._pipeline.embed(new).vectors))

    def wording(self, saliency: Saliency, state: Tensor | None) -> Wording:
        """``steps.wording.write`` for a few windows, most of which were written before: one that others are compared
        with, or a face at rest."""
        import torch

        mask = saliency.mask
        spoken = saliency.score.masked_fill(~mask, -torch.inf)[:, self._order]
        rank = spoken.argsort(dim=1, descending=True, stable=True)  # equal scores stay in the lexicon's order
        sides = torch.zeros_like(rank) if state is None else state * mask
        decisive = torch.cat([mask, sides, rank], dim=1).cpu().numpy()  # all that a sentence depends on
        keys = [hashlib.sha256(row.tobytes()).digest() for row in decisive]

        def write_those(new: list[bytes]) -> list[_Said]:
            rows = [keys.index(key) for key in new]
            return self._written(Saliency(mask[rows], saliency.score[rows]), None if state is None else state[rows])

        said = self._sentences.recall(keys, write_those)
        first = {one.text: one for one in reversed(said)}
        place = {text: number for number, text in enumerate(first)}
        return Wording(
            texts=tuple(first),
            cues=tuple(one.cues for one in first.values()),
            index=torch.tensor([place[one.text] for one in said], device=mask.device),
            dropped=torch.tensor([one.dropped for one in said], device=mask.device),
            states=tuple(one.states for one in first.values()),
        )

    def _written(self, saliency: Saliency, state: Tensor | None) -> list[_Said]:
        limit = self._pipeline.encoder.component.max_tokens
        found = write(saliency, self._names, self._lexicon, self.count_tokens, limit, state)
        return [
            _Said(found.texts[text], found.cues[text], found.states[text], dropped)
            for text, dropped in zip(found.index.tolist(), found.dropped.tolist(), strict=True)
        ]


@dataclass
class LiveBlocks(Blocks):
    """``Blocks`` whose own words come from a vocabulary."""

    vocabulary: Vocabulary = field(kw_only=True)

    @cached_property
    def wording(self) -> Wording:
        """The sentence of each window."""
        direction = self.pipeline.config.lexicon.direction
        return self.vocabulary.wording(self.saliency, self.normalized.state if direction else None)

    def text(self, words: Words, repetition: int = 0) -> Tensor:
        """The words of each window as a vector."""
        if words != "own":
            return super().text(words, repetition)
        if self.vocabulary.weighted:
            return weighted_words(self.saliency, *self.vocabulary.descriptions, self.normalized.state)
        return self.vocabulary.vectors(self.wording.texts)[self.wording.index]
