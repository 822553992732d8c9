"""The encoder `words`: scikit-learn's hashed words behind the protocol of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from lasca_core.api import Component

if TYPE_CHECKING:
    from torch import Tensor

    from example_words.options import WordsOptions


class Words(Component):
    """Each word, and each pair of neighbours, adds 1 or -1 to one place of the vector, which then gets length 1."""

    # Nothing is ever cut off, and a text of a million words does not occur.
    max_tokens = 1_000_000
    options: WordsOptions

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self.options.dim

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many words each text has."""
        split = self._vectorizer.build_tokenizer()
        return [len(split(text)) for text in texts]

    def encode(self, texts: Sequence[str]) -> Tensor:
        """float32 [N, dim] on the runtime's device; zeros for a text without words."""
        if not texts:  # which the library refuses
            return torch.zeros(0, self.dim, device=self.runtime.device)
        rows = self._vectorizer.transform(texts).toarray()
        return torch.from_numpy(rows).float().to(self.runtime.device)

    @cached_property
    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer  # takes a second, which listing plugins must not

        return HashingVectorizer(n_features=self.dim, ngram_range=(1, 2 if self.options.pairs else 1), norm="l2")
