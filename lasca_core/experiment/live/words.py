"""The blocks of a live window, its words kept in memory from one window to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from lasca_core.contract.lexicon import Lexicon
from lasca_core.contract.types import Saliency, Wording
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import Blocks, Words
from lasca_core.steps.fusion import weighted_words
from lasca_core.steps.wording import _reduced as reduced
from lasca_core.steps.wording import write

if TYPE_CHECKING:
    from torch import Tensor

_REMEMBERED = 4096
"""Texts whose vectors, 6 MB of MiniLM's, and lengths are kept in memory; the store has all vectors."""

ValueT = TypeVar("ValueT")


class _Memory(Generic[ValueT]):
    """A function of texts that is asked only for those it was not asked for lately."""

    def __init__(self, function: Callable[[Sequence[str]], Iterable[ValueT]]) -> None:
        self._function = function
        self._known: dict[str, ValueT] = {}

    def __call__(self, texts: Sequence[str]) -> list[ValueT]:
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if len(self._known) + len(missing) > _REMEMBERED:
            self._known.clear()
            missing = list(dict.fromkeys(texts))
        if missing:
            self._known.update(zip(missing, self._function(missing), strict=True))
        return [self._known[text] for text in texts]


class Vocabulary:
    """The words of one lexicon: the vectors of its descriptions, and those of the sentences that were said lately."""

    def __init__(self, pipeline: Pipeline, lexicon: Lexicon, names: Sequence[str]) -> None:
        self._pipeline = pipeline
        self.weighted = pipeline.config.fusion.wording == "weighted"
        self.count_tokens: _Memory[int] = _Memory(pipeline.encoder.component.count_tokens)
        self.vectors: _Memory[Tensor] = _Memory(lambda texts: pipeline.embed(texts).vectors)
        self._lexicon = lexicon
        self._names = names
        self._order = lexicon.order(names)
        self._reduced = cache(lambda name, state: reduced(lexicon, name, state))

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

    def wording(self, saliency: Saliency, state: Tensor | None) -> Wording:
        """``steps.wording.write`` for a few windows, whose way of numbering many takes longer than writing these.

        Sentences that are too long are left to it, which knows what to leave out.
        """
        import torch

        masks = saliency.mask.tolist()
        states = [[0] * len(self._names)] * len(masks) if state is None else state.tolist()
        said: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {}
        index = []
        for mask, sides in zip(masks, states, strict=True):
            columns = [column for column in self._order if mask[column]]
            cues = tuple(self._names[column] for column in columns)
            sides_said = tuple(self._reduced(self._names[column], sides[column]) for column in columns)
            text = self._lexicon.sentence(cues, sides_said)
            said.setdefault(text, (cues, sides_said))
            index.append(list(said).index(text))
        limit: int = self._pipeline.encoder.component.max_tokens
        if max(self.count_tokens(list(said))) > limit:
            return write(saliency, self._names, self._lexicon, self.count_tokens, limit, state)
        rows = torch.tensor(index, device=saliency.mask.device)
        cues_of, states_of = zip(*said.values(), strict=True)
        return Wording(tuple(said), cues_of, rows, torch.zeros_like(rows), states_of)


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
        import torch

        if words != "own":
            return super().text(words, repetition)
        if self.vocabulary.weighted:
            return weighted_words(self.saliency, *self.vocabulary.descriptions, self.normalized.state)
        return torch.stack(self.vocabulary.vectors(self.wording.texts))[self.wording.index]
