"""How many tokens texts have, counted word by word where the tokenizer allows it: a lexicon's words come back often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_REMEMBERED = 100_000
"""Words whose tokens are kept in memory, about 10 MB; a lexicon has some thousand."""


class TokenCounter:
    """Counts the tokens of texts, special ones included, before any truncation.

    BERT's tokenizers look at nothing beyond a space, so that a text has the tokens of its words, each of which is split
    once: a text of 254 tokens took 25 microseconds instead of 500. Other tokenizers split whole texts.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._special: int = tokenizer.num_special_tokens_to_add(is_pair=False)
        self._by_word = _ends_words_at_spaces(tokenizer)
        self._known: dict[str, int] = {}

    def __call__(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text."""
        if not self._by_word:
            return [count + self._special for count in self._split(texts)]
        words_of = [text.split(" ") for text in texts]
        known = self._tokens(set().union(*words_of))
        return [self._special + sum(map(known.__getitem__, words)) for words in words_of]

    def _tokens(self, words: set[str]) -> dict[str, int]:
        """The tokens of ``words``, and of others."""
        known = self._known
        missing = [word for word in words if word not in known]
        if not missing:
            return known
        if len(known) + len(missing) > _REMEMBERED:
            known = self._known = {}  # a new one: another thread may be reading the old one
            missing = list(words)
        known.update(zip(missing, self._split(missing), strict=True))
        return known

    def _split(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text, without special ones."""
        split = getattr(self._tokenizer, "encode_batch_fast", self._tokenizer.encode_batch)  # without offsets
        return [len(encoding.ids) for encoding in split(list(texts), add_special_tokens=False)]


def _ends_words_at_spaces(tokenizer: Tokenizer) -> bool:
    """Whether no token, and nothing that decides about tokens, lies on both sides of a space."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    return (
        isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)
        and (tokenizer.normalizer is None or isinstance(tokenizer.normalizer, BertNormalizer))
        and not any(" " in token.content for token in tokenizer.get_added_tokens_decoder().values())
    )
