"""Differences between windows, of each representation, on the learner's scale."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lasca_core.contract.types import Block

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import torch
    from torch import Tensor

    from lasca_core.contract.types import Pairs, Saliency

TEXT = "text"
"""The block of embedded words."""
_ROWS = {"cpu": 4_096}
"""Rows of which there are intermediate results at a time: on a CPU as many as its cache holds, elsewhere as many as its
memory surely does."""
_MANY_ROWS = 2**18


def _rows_at_once(rows: Tensor) -> int:
    return _ROWS.get(rows.device.type, _MANY_ROWS)


def differences(
    blocks: Mapping[str, Tensor], columns: Mapping[str, Sequence[str]], pairs: Pairs
) -> tuple[Tensor, tuple[Block, ...]]:
    """The concatenated blocks' later minus earlier rows: delta float32 [P, D], and which columns are which.

    ``blocks`` maps a block's name to one row a window [W, d]; ``columns`` names the columns of those that have names.
    """
    import torch

    layout: list[Block] = []
    for name, rows in blocks.items():
        start = layout[-1].stop if layout else 0
        layout.append(Block(name, start, start + rows.shape[1], tuple(columns.get(name, ()))))
    like = next(iter(blocks.values()))
    delta = like.new_empty(len(pairs), layout[-1].stop)
    for block in layout:
        rows, own = blocks[block.name], delta[:, block.start : block.stop]
        stretches = (torch.split(tensor, _rows_at_once(like)) for tensor in (own, pairs.later, pairs.earlier))
        for part, later, earlier in zip(*stretches, strict=True):
            torch.sub(rows[later], rows[earlier], out=part)
    return delta, tuple(layout)


def weighted_words(saliency: Saliency, raised: Tensor, lowered: Tensor, state: Tensor) -> Tensor:
    """The mean of the salient cues' own embeddings, weighted by their scores: float32 [W, D].

    ``raised`` and ``lowered`` [F, D] embed what is said of a feature on either side of its usual value, ``state`` int8
    [W, F] says on which it is. A window without a salient cue gets 0.
    """
    import torch

    tiny = torch.finfo(torch.float32).tiny
    found = raised.new_empty(len(state), raised.shape[1])
    whole = (found, saliency.mask, saliency.score, state)
    for part, mask, score, side in zip(*(torch.split(tensor, _rows_at_once(found)) for tensor in whole), strict=True):
        weight = torch.where(mask, score.clamp(min=tiny), 0.0)
        below = side < 0
        torch.mm(weight * ~below, raised, out=part).addmm_(weight * below, lowered)
        part /= weight.sum(dim=1, keepdim=True).clamp(min=tiny)
    return found


@dataclass(frozen=True)
class Columns:
    """How differences become the learner's columns: fitted on training pairs, applied to any.

    ``scale`` float32 [D'] divides the columns; ``rotation`` float32 [d, k], where there is one, first turns the text
    block's d columns into its k principal components.
    """

    scale: Tensor
    rotation: Tensor | None = None

    def apply(
        self, delta: Tensor, layout: Sequence[Block], rows: Tensor | None = None
    ) -> tuple[Tensor, tuple[Block, ...]]:
        """Differences [P, D] in the given layout, of the chosen ``rows`` int64 [N] or of all -> columns [N, D'] and
        their layout."""
        import torch

        scale = self.scale.to(delta)
        rotation = None if self.rotation is None else self.rotation.to(delta)
        columns = delta.new_empty(len(delta) if rows is None else len(rows), len(scale))
        for own, part in zip(torch.split(columns, _rows_at_once(delta)), _parts(delta, rows), strict=True):
            torch.div(_turn(part, layout, rotation), scale, out=own)
        return columns, _turned(layout, rotation)

    def to(self, device: torch.device | str) -> Columns:
        """The same on another device."""
        return Columns(self.scale.to(device), None if self.rotation is None else self.rotation.to(device))


def fit_columns(
    delta: Tensor,
    layout: Sequence[Block],
    *,
    components: int = 0,
    text_scale: Literal["column", "block"] = "column",
    floor: float = 0.0,
    rows: Tensor | None = None,
) -> Columns:
    """Fit ``Columns`` on the training differences: the chosen ``rows`` int64 [N] of ``delta`` [P, D], or all.

    Principal components are those of the second moment about 0, because a training set with every pair in both
    directions has mean 0. A column's scale is the root mean square: the z-score's standard deviation for such a set; 1
    for a column that never changes. Columns of the block ``features``, which are normalised to [0, 1], are divided by
    at least ``floor``: otherwise jitter below the features' resolution would become as large as a smile.
    """
    import torch

    rotation = _principal(delta, layout, components, rows)
    found = _turned(layout, rotation)
    squares = delta.new_zeros(found[-1].stop, dtype=_exact(delta))
    for part in _parts(delta, rows):
        squares += torch.linalg.vector_norm(_turn(part, layout, rotation), dim=0, dtype=squares.dtype).square()
    mean_square = squares / (len(delta) if rows is None else len(rows))
    for block in found:
        if block.name == TEXT and text_scale == "block":
            mean_square[block.start : block.stop] = mean_square[block.start : block.stop].mean()
    scale = mean_square.sqrt().float()
    scale = torch.where(scale > 1e-8, scale, 1.0)
    for block in found:
        if block.name == "features":
            scale[block.start : block.stop].clamp_(min=floor)
    return Columns(scale, rotation)


def _principal(delta: Tensor, layout: Sequence[Block], components: int, rows: Tensor | None) -> Tensor | None:
    """The text block's first principal directions [d, k]; none if they are not wanted or no fewer than its columns."""
    import torch

    block = next((block for block in layout if block.name == TEXT), None)
    count = len(delta) if rows is None else len(rows)
    if block is None or not 0 < components < block.stop - block.start or not count:
        return None
    parts = _parts(delta[:, block.start : block.stop], rows)
    if count < block.stop - block.start:
        directions = torch.linalg.svd(_factored(torch.cat(list(parts))), full_matrices=False)[2]
    else:  # eigenvectors of the small second moment, which come in ascending order
        directions = torch.linalg.eigh(_factored(_moment(parts)))[1].flip(dims=[1]).T
    rotation: Tensor = directions[:components].T.float().contiguous().to(delta.device)
    return rotation


def _parts(delta: Tensor, rows: Tensor | None) -> Iterator[Tensor]:
    """The chosen ``rows`` of ``delta``, or all, some at a time, without a copy of them all."""
    import torch

    if rows is None:
        yield from torch.split(delta, _rows_at_once(delta))
    else:
        yield from (delta[some] for some in torch.split(rows, _rows_at_once(delta)))


def _moment(parts: Iterable[Tensor]) -> Tensor:
    """The sum of the rows' outer products [d, d]."""
    exact = (part.to(_exact(part)) for part in parts)
    return functools.reduce(operator.add, (part.T @ part for part in exact))


def _factored(matrix: Tensor) -> Tensor:
    """The matrix in float64, where torch can factor it: not on Metal."""
    return (matrix.cpu() if matrix.device.type == "mps" else matrix).double()


def _exact(values: Tensor) -> torch.dtype:
    """What sums are computed in: float64, which Metal does not have."""
    import torch

    return torch.float32 if values.device.type == "mps" else torch.float64


def _turn(delta: Tensor, layout: Sequence[Block], rotation: Tensor | None) -> Tensor:
    """Differences in the given layout, the text block turned."""
    import torch

    if rotation is None:
        return delta
    parts = [delta[:, block.start : block.stop] for block in layout]
    turned = [part @ rotation if block.name == TEXT else part for part, block in zip(parts, layout, strict=True)]
    return torch.cat(turned, dim=1)


def _turned(layout: Sequence[Block], rotation: Tensor | None) -> tuple[Block, ...]:
    """The layout once the text block is turned."""
    found: list[Block] = []
    for block in layout:
        start = found[-1].stop if found else 0
        turned = None if block.name != TEXT else rotation
        width = block.stop - block.start if turned is None else turned.shape[1]
        found.append(Block(block.name, start, start + width, block.columns))
    return tuple(found)
