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


def write(
    saliency: Saliency, names: Sequence[str], lexicon: Lexicon, count_tokens: CountTokens, max_tokens: int
) -> Wording:
    """The sentence of every window.

    The salient cues stand in the lexicon's order, so the text is a function of the mask alone, as long as it fits into
    ``max_tokens``. Where it does not, the least salient cues are left out until it fits, and ``Wording.dropped`` counts
    them.
    """
    import torch

    lexicon.require(names)
    order = lexicon.order(names)
    spoken = [names[column] for column in order]
    mask = saliency.mask[:, order].cpu()
    masks, index = torch.unique(mask, dim=0, return_inverse=True) if mask.numel() else _all_equal(mask)
    cues = [_cues(row, spoken) for row in masks.tolist()]
    tokens = count_tokens([lexicon.sentence(row) for row in cues])
    too_long = [row for row, count in enumerate(tokens) if count > max_tokens]
    dropped = torch.zeros(len(mask), dtype=torch.int64)
    if too_long:
        windows = torch.isin(index, torch.tensor(too_long)).nonzero()[:, 0]
        ranked = _ranked(saliency.score[:, order].cpu()[windows], mask[windows], spoken)
        shortened = _shorten(ranked, spoken, lexicon, count_tokens, max_tokens)
        for window, before, after in zip(windows.tolist(), ranked, shortened, strict=True):
            dropped[window] = len(before) - len(after)
            index[window] = len(cues)
            cues.append(after)
    return _distinct(cues, index, dropped, lexicon, saliency.mask.device)


def _all_equal(mask: Tensor) -> tuple[Tensor, Tensor]:
    """``torch.unique`` for a mask without rows or without columns, which it refuses."""
    return mask[:1], mask.new_zeros(len(mask)).long()


def _cues(row: Sequence[bool], spoken: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name, salient in zip(spoken, row, strict=True) if salient)


def _ranked(score: Tensor, mask: Tensor, spoken: Sequence[str]) -> list[list[str]]:
    """The salient cues of each row, most salient first."""
    order = score.masked_fill(~mask, float("-inf")).argsort(dim=1, descending=True, stable=True).tolist()
    sizes = mask.sum(dim=1).tolist()
    return [[spoken[column] for column in row[:size]] for row, size in zip(order, sizes, strict=True)]


def _shorten(
    ranked: list[list[str]], spoken: Sequence[str], lexicon: Lexicon, count_tokens: CountTokens, max_tokens: int
) -> list[tuple[str, ...]]:
    """As many of each row's first cues as fit, in the lexicon's order; all of them are known not to fit.

    The tokens of the parts add up to about those of the sentence. That gives a first guess, and from there each row
    gains or loses one cue after the other until one more would be too many.
    """
    place = {name: position for position, name in enumerate(spoken)}

    def first(row: int, size: int) -> tuple[str, ...]:
        return tuple(sorted(ranked[row][:size], key=place.__getitem__))

    fits = [0] * len(ranked)
    exceeds = [len(row) for row in ranked]
    guess = _guess(ranked, lexicon, count_tokens, max_tokens)
    open_rows = [row for row in range(len(ranked)) if exceeds[row] > 1]
    while open_rows:
        texts = [lexicon.sentence(first(row, guess[row])) for row in open_rows]
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
    for names, size in zip(ranked, fits, strict=True):
        if size == 0:
            alone = f"the entry of {names[0]!r}" if names else "the sentence for windows where nothing is salient"
            raise LexiconError(
                f"lexicon {lexicon.id!r}: {alone} alone is longer than the {max_tokens} tokens the encoder reads; "
                f"shorten it or choose another encoder"
            )
    return [first(row, size) for row, size in enumerate(fits)]


def _guess(ranked: list[list[str]], lexicon: Lexicon, count_tokens: CountTokens, max_tokens: int) -> list[int]:
    """About how many of each row's first cues fit: at least one, and not all."""
    used = sorted({name for names in ranked for name in names})
    special, frame = count_tokens(["", lexicon.template.format(cues="")])
    parts = count_tokens([lexicon.entries[name] + lexicon.separator for name in used])
    cost = {name: count - special for name, count in zip(used, parts, strict=True)}
    guesses = []
    for names in ranked:
        total = list(accumulate((cost[name] for name in names), initial=frame))
        guesses.append(max(1, min(bisect_right(total, max_tokens) - 1, len(names) - 1)))
    return guesses


def _distinct(
    cues: list[tuple[str, ...]], index: Tensor, dropped: Tensor, lexicon: Lexicon, device: torch.device
) -> Wording:
    """Number the sentences that are really used, in order of first use."""
    import torch

    texts: dict[str, int] = {}
    spoken_of: list[tuple[str, ...]] = []
    sentences = [lexicon.sentence(row) for row in cues]
    renumbered = []
    for row in index.tolist():
        text = sentences[row]
        if text not in texts:
            texts[text] = len(texts)
            spoken_of.append(cues[row])
        renumbered.append(texts[text])
    return Wording(
        texts=tuple(texts),
        cues=tuple(spoken_of),
        index=torch.tensor(renumbered, dtype=torch.int64, device=device),
        dropped=dropped.to(device),
    )


def shuffled(lexicon: Lexicon, generator: torch.Generator) -> Lexicon:
    """The control: the same descriptions, permuted among the features."""
    import dataclasses

    import torch

    names, descriptions = list(lexicon.entries), list(lexicon.entries.values())
    order = torch.randperm(len(names), generator=generator).tolist()
    entries = {name: descriptions[place] for name, place in zip(names, order, strict=True)}
    return dataclasses.replace(lexicon, id=f"{lexicon.id}-shuffled", entries=entries)
