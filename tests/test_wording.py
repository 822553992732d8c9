"""Sentences of windows: a function of the mask, each once, none longer than the encoder reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lasca_core.api import Combination, Lexicon, LexiconError, Saliency, Wording
from lasca_core.steps.wording import _number, shuffled, write

NAMES = ("smile", "frown", "blink", "jaw", "pitch")
ENTRIES = {
    "blink": "the eyes blink",
    "smile": "the mouth smiles broadly",
    "pitch": "the head nods",
    "frown": "the brows frown",
    "jaw": "the jaw hangs open wide",
}
"""In the lexicon's order, which is not the features'."""

Count = Callable[[Sequence[str]], list[int]]


def lexicon(**changes: object) -> Lexicon:
    content: dict[str, object] = {"entries": ENTRIES, "template": "We see that {cues} now."} | changes
    return Lexicon(id="test", version="1", language="en", license="Apache-2.0", **content)  # type: ignore[arg-type]


def words(texts: Sequence[str]) -> list[int]:
    """As many tokens as words, and two special ones."""
    return [len(text.split()) + 2 for text in texts]


def merging(texts: Sequence[str]) -> list[int]:
    """Not additive: half of a text's characters, rounded up, and less for each word that came before in it."""
    return [2 + (len(text) + 1) // 2 - 2 * (len(text.split()) - len(set(text.split()))) for text in texts]


def growing(texts: Sequence[str]) -> list[int]:
    """Not additive the other way: every word costs one token more than the word before it."""
    return [2 + sum(range(1, len(text.split()) + 1)) // 4 for text in texts]


def saliency(mask: Tensor, score: Tensor | None = None) -> Saliency:
    return Saliency(mask, mask.float() if score is None else score)


def every_mask() -> Tensor:
    """bool [32, 5]: all masks over five features."""
    return torch.tensor([[bool(number >> bit & 1) for bit in range(5)] for number in range(32)])


def spoken(found: Wording) -> list[str]:
    return [found.texts[number] for number in found.index.tolist()]


def plainly(mask: Sequence[bool]) -> str:
    chosen = [text for name, text in ENTRIES.items() if mask[NAMES.index(name)]]
    return f"We see that {'; '.join(chosen)} now." if chosen else "Nothing stands out."


def test_each_window_names_its_salient_cues_in_the_lexicons_order() -> None:
    masks = every_mask()
    found = write(saliency(masks), NAMES, lexicon(), words, 100)
    assert spoken(found) == [plainly(mask) for mask in masks.tolist()]
    for number, mask in zip(found.index.tolist(), masks.tolist(), strict=True):
        assert found.cues[number] == tuple(name for name in ENTRIES if mask[NAMES.index(name)])
    assert found.dropped.tolist() == [0] * 32


def test_the_text_is_a_function_of_the_mask_and_not_of_the_scores_or_the_order_of_features() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = every_mask().repeat(3, 1)
    found = write(saliency(masks, torch.rand(96, 5, generator=generator)), NAMES, lexicon(), words, 100)
    assert spoken(found)[:32] == spoken(found)[32:64] == spoken(found)[64:]
    order = [3, 1, 4, 0, 2]
    moved = write(saliency(masks[:, order]), [NAMES[column] for column in order], lexicon(), words, 100)
    assert spoken(moved) == spoken(found)


def test_each_distinct_text_stands_once_in_order_of_first_use() -> None:
    masks = every_mask()[[5, 9, 5, 0, 9, 5]]
    found = write(saliency(masks), NAMES, lexicon(), words, 100)
    assert found.index.tolist() == [0, 1, 0, 2, 1, 0]
    assert len(found.texts) == len(found.cues) == 3


def test_masks_whose_descriptions_are_the_same_share_one_text() -> None:
    same = lexicon(entries=dict.fromkeys(NAMES, "something moves"))
    found = write(saliency(torch.eye(5, dtype=torch.bool)), NAMES, same, words, 100)
    assert found.texts == ("We see that something moves now.",)
    assert found.index.tolist() == [0] * 5


def test_a_window_without_salient_cues_gets_the_sentence_for_that() -> None:
    found = write(saliency(torch.zeros(2, 5, dtype=torch.bool)), NAMES, lexicon(empty="All calm."), words, 100)
    assert (found.texts, found.cues, found.index.tolist()) == (("All calm.",), ((),), [0, 0])


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_no_windows_or_no_features_are_no_trouble(shape: tuple[int, int]) -> None:
    found = write(saliency(torch.zeros(shape, dtype=torch.bool)), NAMES[: shape[1]], lexicon(), words, 100)
    assert found.index.tolist() == found.dropped.tolist() == [0] * shape[0]
    assert found.texts == ("Nothing stands out.",)[: shape[0]]


def test_a_feature_without_an_entry_is_an_error_that_names_it() -> None:
    with pytest.raises(LexiconError, match="sneer"):
        write(saliency(torch.zeros(1, 1, dtype=torch.bool)), ["sneer"], lexicon(), words, 100)


# --- the limit --------------------------------------------------------------------------------------------------------


def most_that_fit(mask: Sequence[bool], score: Sequence[float], count: Count, limit: int) -> tuple[str, ...]:
    """The most salient cues, one less at a time until the sentence fits; of equal scores the first in the lexicon."""
    rank = list(ENTRIES)
    salient = [name for name in rank if mask[NAMES.index(name)]]
    salient.sort(key=lambda name: -score[NAMES.index(name)])
    while count([lexicon().sentence(sorted(salient, key=rank.index))])[0] > limit:
        salient.pop()
    return tuple(sorted(salient, key=rank.index))


@pytest.mark.parametrize(
    ("count", "limit"),
    [(words, limit) for limit in (11, 14, 17, 20, 23)]
    + [(merging, limit) for limit in (24, 29, 34, 39, 44)]
    + [(growing, limit) for limit in (13, 20, 30, 40, 60)],
)
@pytest.mark.parametrize("levels", [2, 1000], ids=["tied scores", "distinct scores"])
def test_over_the_limit_the_least_salient_cues_are_left_out_no_more_than_needed_and_counted(
    count: Count, limit: int, levels: int
) -> None:
    masks = every_mask()
    scores = torch.randint(0, levels, masks.shape, generator=torch.Generator().manual_seed(limit)).float()
    found = write(saliency(masks, scores), NAMES, lexicon(), count, limit)
    assert max(count(found.texts)) <= limit
    for number, dropped, mask, score in zip(
        found.index.tolist(), found.dropped.tolist(), masks.tolist(), scores.tolist(), strict=True
    ):
        expected = most_that_fit(mask, score, count, limit)
        assert found.cues[number] == expected
        assert dropped == sum(mask) - len(expected)
    assert found.dropped.sum() > 0


def test_a_text_of_exactly_the_limit_loses_nothing_and_one_token_less_costs_a_cue() -> None:
    everything = torch.ones(1, 5, dtype=torch.bool)
    score = torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0]])
    limit = words([plainly([True] * 5)])[0]
    assert write(saliency(everything, score), NAMES, lexicon(), words, limit).dropped.tolist() == [0]
    shorter = write(saliency(everything, score), NAMES, lexicon(), words, limit - 1)
    assert shorter.dropped.tolist() == [1]
    assert "pitch" not in shorter.cues[0]


def test_windows_that_say_the_same_after_shortening_share_one_text() -> None:
    masks = torch.tensor([[True, True, False, False, False], [True, False, False, False, False]])
    score = torch.tensor([[2.0, 1.0, 0.0, 0.0, 0.0]]).repeat(2, 1)
    found = write(saliency(masks, score), NAMES, lexicon(), words, words([plainly(masks[1].tolist())])[0])
    assert found.texts == (plainly(masks[1].tolist()),)
    assert found.index.tolist() == [0, 0]
    assert found.dropped.tolist() == [1, 0]


def test_an_entry_that_alone_is_too_long_is_an_error_that_names_it() -> None:
    everything = torch.ones(1, 5, dtype=torch.bool)
    with pytest.raises(LexiconError, match="'smile' alone is longer than the 8 tokens"):
        write(saliency(everything, torch.tensor([[9.0, 0.0, 0.0, 0.0, 0.0]])), NAMES, lexicon(), words, 8)


def test_a_sentence_for_nothing_that_is_too_long_is_an_error_that_says_so() -> None:
    calm = lexicon(empty="nothing at all to be seen in this face at this time")
    with pytest.raises(LexiconError, match="where nothing is salient"):
        write(saliency(torch.zeros(1, 5, dtype=torch.bool)), NAMES, calm, words, 8)


# --- the control ------------------------------------------------------------------------------------------------------


def test_the_shuffled_lexicon_gives_the_same_descriptions_to_other_features() -> None:
    many = lexicon(entries={f"f{index}": f"description {index}" for index in range(58)})
    control = shuffled(many, torch.Generator().manual_seed(0))
    assert list(control.entries) == list(many.entries)
    assert sorted(control.entries.values()) == sorted(many.entries.values())
    assert sum(control.entries[name] == many.entries[name] for name in many.entries) < 6
    assert control.checksum != many.checksum
    assert control.id != many.id


def test_shuffling_depends_on_the_generator_alone() -> None:
    one, again, other = (shuffled(lexicon(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_where_a_combination_makes_more_cues_fit_than_fewer_they_are_kept() -> None:
    long = " ".join(["very"] * 12)
    entries = {"smile": f"a smile {long}", "jaw": f"an open jaw {long}", "blink": "a blink", "pitch": f"a nod {long}"}
    laugh = Combination(frozenset({"smile", "jaw"}), "a laugh")
    spoken = dataclasses.replace(lexicon(), entries=entries, forms={}, combinations=(laugh,))
    names, score, everything = list(entries), torch.tensor([[4.0, 3.0, 2.0, 1.0]]), torch.ones(1, 4, dtype=torch.bool)
    limit = words([spoken.sentence(["smile", "jaw", "blink"])])[0]
    assert words([spoken.sentence(["smile"])])[0] > limit, "one cue alone does not fit, three do"
    found = write(saliency(everything, score), names, spoken, words, limit)
    assert found.cues == (("smile", "jaw", "blink"),)
    assert found.dropped.tolist() == [1]
    with pytest.raises(LexiconError, match="'smile' alone is longer"):
        write(saliency(everything, score), names, dataclasses.replace(spoken, combinations=()), words, limit)


@given(st.integers(0, 40), st.integers(0, 30), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_distinct_rows_are_numbered_in_order_of_first_occurrence(
    count: int, width: int, numbered: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    digits = torch.randint(0, 6, (count, width), generator=generator, dtype=torch.uint8)
    digits = digits[torch.randint(0, max(1, count // 2), (count,), generator=generator)]  # so that rows repeat
    start = torch.randint(0, 3, (count,), generator=generator) if numbered else None
    rows = [(0 if start is None else int(start[row]), *digits[row].tolist()) for row in range(count)]
    distinct = list(dict.fromkeys(rows))
    number, first = _number(digits, 6, start)
    assert number.tolist() == [distinct.index(row) for row in rows]
    assert first.tolist() == [rows.index(row) for row in distinct]
