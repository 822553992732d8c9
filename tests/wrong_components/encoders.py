"""Wrong encoders, each beside the right one it is derived from."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import torch
from wrong_components.faults import caught_by, specs_of

from lasca_core.api import Component, EncoderSpec, NoOptions, hookimpl


class Words(Component):
    """Counts each word in one of 32 places: the right encoder."""

    options_model = NoOptions
    dim = 32
    max_tokens = 100

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        vectors = torch.zeros(len(texts), self.dim)
        for row, text in zip(vectors, texts, strict=True):
            for word in text.split()[: self.max_tokens]:
                row[zlib.crc32(word.encode()) % self.dim] += 1
        return vectors


@caught_by("check_dimensions_are_announced")
class ReadsWithoutEnd(Words):
    """Announces no whole number of tokens."""

    max_tokens = float("inf")  # type: ignore[assignment]

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        return Words(self.options, self.runtime).encode(texts)


@caught_by("check_vectors_are_as_announced")
class WideVectors(Words):
    """Gives float64."""

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        return super().encode(texts).double()


@caught_by("check_no_text_and_odd_texts")
class DividesByNothing(Words):
    """Divides by the number of words, also where there are none."""

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        counts = torch.tensor([len(text.split()) for text in texts])
        return super().encode(texts) / counts[:, None]


@caught_by("check_order_of_texts_does_not_matter", "check_number_of_texts_does_not_matter")
class LeavesThemSorted(Words):
    """Sorts by length to pad less, and does not sort back."""

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        return super().encode(sorted(texts, key=len))


@caught_by("check_number_of_texts_does_not_matter")
class Centres(Words):
    """Takes the mean of all texts of the call away."""

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        distinct = super().encode(sorted(set(texts)))
        vectors = super().encode(texts)
        return vectors - distinct.mean(dim=0) if len(texts) else vectors


@caught_by("check_different_texts_have_different_vectors")
class ReadsNothing(Words):
    """Has one vector for everything."""

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.ones(len(texts), self.dim)


@caught_by("check_tokens_are_counted_before_truncation")
class CountsWhatItReads(Words):
    """Counts no more tokens than it reads, so that nobody notices what is cut off."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [min(count, self.max_tokens) for count in super().count_tokens(texts)]


@hookimpl
def lasca_register_encoders() -> Iterator[EncoderSpec]:
    """Offer all of them."""
    yield from specs_of(EncoderSpec, globals())
