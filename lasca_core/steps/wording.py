"""Words for windows: salient cues to sentences, each distinct sentence once, none longer than the encoder reads."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from lasca_core.contract.errors import LexiconError
from lasca_core.contract.lexicon import Lexicon
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
    mask = saliency.mask[:, order].cpu()
    codes = _codes(mask, None if state is None else state[:, order].cpu(), spoken, lexicon)
    rows, index = torch.unique(codes, dim=0, return_inverse=True) if codes.numel() else _all_equal(codes)
    cues = [_cues(row, spoken) for row in rows.tolist()]
    tokens = count_tokens([_sentence(lexicon, row) for row in cues])
    too_long = [row for row, count in enumerate(tokens) if count > max_tokens]
    dropped = torch.zeros(len(mask), dtype=torch.int64)
    if too_long:
        windows = torch.isin(index, torch.tensor(too_long)).nonzero()[:, 0]
        ranked = _ranked(saliency.score[:, order].cpu()[windows], codes[windows], spoken)
        shortened = _shorten(ranked, spoken, lexicon, count_tokens, max_tokens)
        for window, before, after in zip(windows.tolist(), ranked, shortened, strict=True):
            dropped[window] = len(before) - len(after)
            index[window] = len(cues)
            cues.append(after)
    return _distinct(cues, index, dropped, lexicon, saliency.mask.device)


_SILENT = -128
"""Code of a feature that is not salient; any other code is its state."""


def _codes(mask: Tensor, state: Tensor | None, spoken: Sequence[str], lexicon: Lexicon) -> Tensor:
    """int8 [W, F]: the state of each cue, reduced to one for which the lexicon has words of their own."""
    import torch

    codes = torch.zeros_like(mask, dtype=torch.int8)
    if state is not None:
        places = torch.arange(len(spoken))
        table = torch.tensor([[_reduced(lexicon, name, value) for value in range(-2, 3)] for name in spoken])
        codes = table[places, state.long() + 2].to(torch.int8) if len(spoken) else codes
    return codes.masked_fill(~mask, _SILENT)


def _reduced(lexicon: Lexicon, name: str, state: int) -> int:
    """The state nearest 0, on the same side, in which the same is said."""
    same = (0, 1, 2) if state >= 0 else (-1, -2)
    return next(other for other in same if lexicon.describe(name, other) == lexicon.describe(name, state))


def _sentence(lexicon: Lexicon, cues: Sequence[Cue]) -> str:
    return lexicon.sentence([name for name, _ in cues], [state for _, state in cues])


def _all_equal(codes: Tensor) -> tuple[Tensor, Tensor]:
    """``torch.unique`` for codes without rows or without columns, which it refuses."""
    return codes[:1], codes.new_zeros(len(codes)).long()


def _cues(row: Sequence[int], spoken: Sequence[str]) -> tuple[Cue, ...]:
    return tuple((name, code) for name, code in zip(spoken, row, strict=True) if code != _SILENT)


def _ranked(score: Tensor, codes: Tensor, spoken: Sequence[str]) -> list[list[Cue]]:
    """The salient cues of each row, most salient first."""
    salient = codes != _SILENT
    order = score.masked_fill(~salient, float("-inf")).argsort(dim=1, descending=True, stable=True)
    states = codes.gather(1, order).tolist()
    sizes = salient.sum(dim=1).tolist()
    return [
        [(spoken[column], state) for column, state in zip(row[:size], states_of[:size], strict=True)]
        for row, states_of, size in zip(order.tolist(), states, sizes, strict=True)
    ]


def _shorten(
    ranked: list[list[Cue]], spoken: Sequence[str], lexicon: Lexicon, count_tokens: CountTokens, max_tokens: int
) -> list[tuple[Cue, ...]]:
    """As many of each row's first cues as fit, in the lexicon's order; all of them are known not to fit.

    The tokens of the parts add up to about those of the sentence. That gives a first guess, and from there each row
    gains or loses one cue after the other until one more would be too many.
    """
    place = {name: position for position, name in enumerate(spoken)}

    def first(row: int, size: int) -> tuple[Cue, ...]:
        return tuple(sorted(ranked[row][:size], key=lambda cue: place[cue[0]]))

    fits = [0] * len(ranked)
    exceeds = [len(row) for row in ranked]
    guess = _guess(ranked, lexicon, count_tokens, max_tokens)
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


def _guess(ranked: list[list[Cue]], lexicon: Lexicon, count_tokens: CountTokens, max_tokens: int) -> list[int]:
    """About how many of each row's first cues fit: at least one, and not all."""
    used = sorted({cue for cues in ranked for cue in cues})
    special, frame = count_tokens(["", lexicon.template.format(cues="")])
    parts = count_tokens([lexicon.describe(*cue) + lexicon.separator for cue in used])
    cost = {cue: count - special for cue, count in zip(used, parts, strict=True)}
    guesses = []
    for cues in ranked:
        total = list(accumulate((cost[cue] for cue in cues), initial=frame))
        guesses.append(max(1, min(bisect_right(total, max_tokens) - 1, len(cues) - 1)))
    return guesses


def _distinct(
    cues: list[tuple[Cue, ...]], index: Tensor, dropped: Tensor, lexicon: Lexicon, device: torch.device
) -> Wording:
    """Number the sentences that are really used, in order of first use."""
    import torch

    texts: dict[str, int] = {}
    spoken_of: list[tuple[Cue, ...]] = []
    sentences = [_sentence(lexicon, row) for row in cues]
    renumbered = []
    for row in index.tolist():
        text = sentences[row]
        if text not in texts:
            texts[text] = len(texts)
            spoken_of.append(cues[row])
        renumbered.append(texts[text])
    return Wording(
        texts=tuple(texts),
        cues=tuple(tuple(name for name, _ in row) for row in spoken_of),
        states=tuple(tuple(state for _, state in row) for row in spoken_of),
        index=torch.tensor(renumbered, dtype=torch.int64, device=device),
        dropped=dropped.to(device),
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
