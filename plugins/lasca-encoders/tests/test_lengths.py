"""Counting tokens word by word gives what the tokenizer gives for whole texts, or is not done."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lasca_encoders import lengths
from lasca_encoders.lengths import TokenCounter
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

WARTS = [
    "a",
    "smile",
    " ",
    "  ",
    "; ",
    "don't",
    "\t",
    "\n",
    "\x1c",
    "\u00a0",
    "\u0301",
    "é",
    "顔",
    "İ",
    "ß",
    "[MASK]",
    "🙂",
]
"""Pieces of texts; among them two kinds of space and characters that normalisation moves, drops or splits."""
PIECE = st.one_of(st.sampled_from([*WARTS, "x" * 101]), st.text(max_size=8))


@pytest.fixture
def tokenizer(minilm_folder) -> Tokenizer:
    """MiniLM's tokenizer, made to read whole texts."""
    read = Tokenizer.from_file(str(minilm_folder / "tokenizer.json"))
    read.no_truncation()
    read.no_padding()
    return read


def whole(tokenizer: Tokenizer, texts: list[str]) -> list[int]:
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]


def test_the_words_counts_add_up_to_that_of_any_text(tokenizer):
    counter = TokenCounter(tokenizer)
    assert counter._by_word

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.lists(PIECE).map("".join), max_size=4))
    def same(texts: list[str]) -> None:
        assert counter(texts) == whole(tokenizer, texts)

    same()


def test_each_word_is_split_once(tokenizer, monkeypatch):
    counter = TokenCounter(tokenizer)
    asked: list[str] = []
    split = counter._split
    monkeypatch.setattr(counter, "_split", lambda texts: asked.extend(texts) or split(texts))
    assert counter(["a smile", "a frown", "a smile and a frown"]) == counter(
        ["a smile", "a frown", "a smile and a frown"]
    )
    assert sorted(asked) == ["a", "and", "frown", "smile"]


def test_memory_is_bounded_and_counts_stay_right(tokenizer, monkeypatch):
    monkeypatch.setattr(lengths, "_REMEMBERED", 10)
    counter = TokenCounter(tokenizer)
    for start in range(0, 60, 6):
        texts = [" ".join(f"word{number}" for number in range(start, start + 6)), f"word{start} word0"]
        assert counter(texts) == whole(tokenizer, texts)
        assert len(counter._known) <= 10


def test_a_tokenizer_whose_tokens_reach_across_spaces_is_given_whole_texts():
    vocabulary = {"[UNK]": 0, "▁a": 1, "▁smile": 2, "▁a▁smile": 3}
    unigram = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    unigram.normalizer = normalizers.Prepend("▁")
    unigram.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\n")
    assert TokenCounter(unigram)(["a smile\na smile"]) == whole(unigram, ["a smile\na smile"]) == [2]


def test_an_added_token_with_a_space_in_it_is_one(tokenizer):
    tokenizer.add_tokens([AddedToken("big smile")])
    assert TokenCounter(tokenizer)(["a big smile"]) == whole(tokenizer, ["a big smile"]) == [4]
