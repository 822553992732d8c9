"""Words for windows: salient cues to sentences, each distinct sentence once, none longer than the encoder reads."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lasca_core.contract.errors import LexiconError
from lasca_core.contract.lexicon import FORMS, Lexicon
from lasca_core.contract.types import Wording

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lasca_core.contract.types import Saliency

CountTokens = Callable[[Sequence[str]], list[int]]


Cue = tuple[str, int]
"""A feature and its state; see ``lexicon.FORMS``."""


def write(
    saliency: Saliency,
    names: Sequence[str],
    lexicon: Lexicon,
    count_tokens: CountTokens,
    max_tokens: int,
    state: Tensor | None = None,
) -> Wording:
    """The sentence of every window.

    The salient cues stand in the lexicon's order, so the text is a function of the mask alone (and of ``state``, int8
    [W, F], where it is given and the lexicon has forms for it), as long as it fits into ``max_tokens``. Where it does
    not, the least salient cues are left out until it fits, and ``Wording.dropped`` counts them.
    """
    import torch

    lexicon.require(names)
    order = lexicon.order(names)
    spoken = [names[column] for column in order]
    codes = _codes(saliency.mask[:, order], None if state is None else state[:, order], spoken, lexicon)
    index, first = _number(codes, len(FORMS) + 1)
    cues = [_cues(row, spoken) for row in codes[first].tolist()]
    sentences = [_sentence(lexicon, row) for row in cues]
    too_long = [count > max_tokens for count in count_tokens(sentences)]
    used, lost = first, [0] * len(cues)
    if any(too_long):
        windows = first.new_tensor(too_long, dtype=torch.bool)[index].nonzero()[:, 0]
        ranks = _ranks(saliency.score[:, order][windows], codes[windows])
        # Windows that say the same, with cues of the same rank, are shortened in the same way: each such case once.
        case, example = _number(ranks, max(1, len(spoken)), index[windows])
        example_codes = codes[windows[example]]
        ranked = _ranked(ranks[example], example_codes, spoken)
        shortened = _shorten(ranked, spoken, lexicon, count_tokens, max_tokens)
        index[windows] = len(cues) + case
        used = torch.cat([first, windows[example]])
        lost += [len(before) - len(after) for before, after in zip(ranked, shortened, strict=True)]
        cues += shortened
        sentences += [_sentence(lexicon, row) for row in shortened]
        too_long += [False] * len(shortened)
    return _joined(cues, sentences, too_long, used, index, index.new_tensor(lost)[index])


_SILENT = 0
"""Code of a feature that is not salient; any other code is its state plus ``_SHIFT``."""
_SHIFT = max(FORMS) + 1


_ROWS = 65_536
"""Rows whose states are turned to indices, of eight bytes each, at a time."""


def _codes(mask: Tensor, state: Tensor | None, spoken: Sequence[str], lexicon: Lexicon) -> Tensor:
    """uint8 [W, F]: the state of each cue, reduced to one for which the lexicon has words of their own."""
    import torch

    if state is None:
        return torch.where(mask, _SHIFT, _SILENT).to(torch.uint8)
    states = range(-max(FORMS), max(FORMS) + 1)
    code_of = [[lexicon.plainest(name, value) + _SHIFT for name in spoken] for value in states]
    table = torch.tensor(code_of, dtype=torch.uint8, device=mask.device)
    parts = [table.gather(0, part.long() - states[0]) for part in torch.split(state, _ROWS)]
    return torch.cat(parts).masked_fill(~mask, _SILENT)


def _number(digits: Tensor, base: int, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Number the distinct rows of ``digits`` [W, C], each in [0, ``base``), in the order in which they first occur.

    Returns the number of each row, int64 [W], and the row where each number occurs first, int64 [N]. Rows that differ
    in ``start`` int64 [W], which numbers them already, are different. As many columns at a time as fit are joined with
    the numbers found so far into one integer; ``torch.unique`` of whole rows compares them column by column.
    """
    import torch

    count = len(digits)
    if count <= _FEW:
        return _number_few(digits, start)
    number = torch.zeros(count, dtype=torch.int64, device=digits.device) if start is None else start
    width = max(1, int((63 - math.log2(count + 1)) / math.log2(base + 1)))
    places = base ** torch.arange(width, dtype=torch.int64, device=digits.device)
    if start is not None:  # numbers that occur in other rows alone would take up room
        number = torch.unique(number, return_inverse=True)[1]
    for part in torch.split(digits, width, dim=1) if digits.shape[1] else ():
        joined = (part * places[: part.shape[1]]).sum(dim=1) + number * base ** part.shape[1]
        number = torch.unique(joined, return_inverse=True)[1]
    found = int(number.max()) + 1 if count else 0
    rows = torch.arange(count, device=digits.device)
    first = rows.new_full((found,), count).scatter_reduce(0, number, rows, "amin")
    first, by_first = first.sort()
    return by_first.argsort()[number], first


_FEW = 8
"""Rows up to which comparing them in Python takes less time than the calls of torch: a live window is one or two."""


def _number_few(digits: Tensor, start: Tensor | None) -> tuple[Tensor, Tensor]:
    """What ``_number`` gives."""
    import torch

    rows = digits.tolist() if start is None else torch.cat([start[:, None], digits], dim=1).tolist()
    numbers: dict[tuple[int, ...], int] = {}
    number = [numbers.setdefault(tuple(row), len(numbers)) for row in rows]
    first = [number.index(found) for found in range(len(numbers))]
    nothing = digits.new_zeros(0, dtype=torch.int64)
    return nothing.new_tensor(number), nothing.new_tensor(first)


def _sentence(lexicon: Lexicon, cues: Sequence[Cue]) -> str:
    return lexicon.sentence([name for name, _ in cues], [state for _, state in cues])


def _cues(row: Sequence[int], spoken: Sequence[str]) -> tuple[Cue, ...]:
    return tuple((name, code - _SHIFT) for name, code in zip(spoken, row, strict=True) if code != _SILENT)


def _ranks(score: Tensor, codes: Tensor) -> Tensor:
    """The columns of each row's salient cues, most salient first, int64 [W, C]; what follows depends on them alone."""
    salient = codes != _SILENT
    order = score.masked_fill(~salient, float("-inf")).argsort(dim=1, descending=True, stable=True)
    return order[:, : int(salient.sum(dim=1).max())]


def _ranked(ranks: Tensor, codes: Tensor, spoken: Sequence[str]) -> list[list[Cue]]:
    """The salient cues of each row, most salient first."""
    return [
        [(spoken[column], code - _SHIFT) for column, code in zip(columns, row, strict=True) if code != _SILENT]
        for columns, row in zip(ranks.tolist(), codes.gather(1, ranks).tolist(), strict=True)
    ]


def _shorten(
    ranked: list[list[Cue]], spoken: Sequence[str], lexicon: Lexicon, count_tokens: CountTokens, max_tokens: int
) -> list[tuple[Cue, ...]]:
    """As many of each row's first cues as fit, in the lexicon's order; all of them are known not to fit.

    The tokens of the phrases add up to about those of the sentence. That says how many cues should fit, and from there
    each row gains or loses one after the other until one more would be too many. Combinations, with which more cues can
    have fewer tokens, are in the sum.
    """
    place = {name: position for position, name in enumerate(spoken)}
    cost = _Cost(ranked, lexicon, count_tokens)

    def first(row: int, size: int) -> tuple[Cue, ...]:
        return tuple(sorted(ranked[row][:size], key=lambda cue: place[cue[0]]))

    def guessed(row: int) -> int:
        """How many cues should fit: at least one, and not all."""
        sizes = range(1, len(ranked[row]))
        return max(1, bisect.bisect_right(sizes, max_tokens, key=lambda size: cost.of(first(row, size))))

    fits = [0] * len(ranked)
    exceeds = [len(row) for row in ranked]
    guess = [guessed(row) for row in range(len(ranked))]
    open_rows = [row for row in range(len(ranked)) if exceeds[row] > 1]
    while open_rows:
        texts = [_sentence(lexicon, first(row, guess[row])) for row in open_rows]
        distinct = list(dict.fromkeys(texts))
        tokens = dict(zip(distinct, count_tokens(distinct), strict=True))
        for row, text in zip(open_rows, texts, strict=True):
            if tokens[text] > max_tokens:
                exceeds[row] = guess[row]
                guess[row] -= 1
            else:
                fits[row] = guess[row]
                guess[row] += 1
        open_rows = [row for row in open_rows if exceeds[row] - fits[row] > 1]
    for cues, size in zip(ranked, fits, strict=True):
        if size == 0:
            alone = f"the entry of {cues[0][0]!r}" if cues else "the sentence for windows where nothing is salient"
            raise LexiconError(
                f"lexicon {lexicon.id!r}: {alone} alone is longer than the {max_tokens} tokens the encoder reads; "
                f"shorten it or choose another encoder"
            )
    return [first(row, size) for row, size in enumerate(fits)]


class _Cost:
    """About how many tokens a sentence has: the sum of its parts'."""

    def __init__(self, ranked: list[list[Cue]], lexicon: Lexicon, count_tokens: CountTokens) -> None:
        self._lexicon = lexicon
        used = {cue for cues in ranked for cue in cues}
        phrases = sorted({lexicon.describe(*cue) for cue in used} | {item.text for item in lexicon.combinations})
        frame, separator = lexicon.template.format(cues=""), lexicon.separator
        special, framed, last, *counts = count_tokens(["", frame, separator, *(text + separator for text in phrases)])
        self._frame = framed - (last - special)  # no separator follows the last phrase
        self._tokens = {phrase: count - special for phrase, count in zip(phrases, counts, strict=True)}

    def of(self, cues: Sequence[Cue]) -> int:
        """The tokens of the sentence for ``cues``, in the lexicon's order."""
        names, states = zip(*cues, strict=True)
        return self._frame + sum(self._tokens[phrase] for phrase in self._lexicon.phrases(names, states))


def _joined(
    cues: list[tuple[Cue, ...]],
    sentences: list[str],
    too_long: list[bool],
    first: Tensor,
    index: Tensor,
    dropped: Tensor,
) -> Wording:
    """Number the sentences that are not ``too_long`` in order of first use, where ``index`` numbers them otherwise and
    ``first`` says in which window each is used first; equal ones are one."""
    texts: dict[str, int] = {}
    spoken_of: list[tuple[Cue, ...]] = []
    renumbered = [0] * len(sentences)
    for row in first.argsort().tolist():
        if not too_long[row]:
            text = sentences[row]
            if text not in texts:
                texts[text] = len(texts)
                spoken_of.append(cues[row])
            renumbered[row] = texts[text]
    return Wording(
        texts=tuple(texts),
        cues=tuple(tuple(name for name, _ in row) for row in spoken_of),
        states=tuple(tuple(state for _, state in row) for row in spoken_of),
        index=index.new_tensor(renumbered)[index],
        dropped=dropped,
    )


def shuffled(lexicon: Lexicon, generator: torch.Generator) -> Lexicon:
    """The control: the same descriptions, with their forms and what they are evidence of, permuted among the features;
    without combinations, whose words would no longer be those of their parts."""
    import dataclasses

    import torch

    names = list(lexicon.entries)
    order = torch.randperm(len(names), generator=generator).tolist()
    source = {name: names[place] for name, place in zip(names, order, strict=True)}
    return dataclasses.replace(
        lexicon,
        id=f"{lexicon.id}-shuffled",
        entries={name: lexicon.entries[other] for name, other in source.items()},
        forms={name: lexicon.forms[other] for name, other in source.items() if other in lexicon.forms},
        speaks={
            target: frozenset(name for name, other in source.items() if other in known)
            for target, known in lexicon.speaks.items()
        },
        combinations=(),
    )
