"""Differences between windows, of each representation, on the learner's scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lasca_core.contract.types import Block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import Tensor

    from lasca_core.contract.types import Pairs, Saliency

TEXT = "text"
"""The block of embedded words."""
_ROWS = 65_536
"""Rows that are turned to float64 at a time."""


def differences(
    blocks: Mapping[str, Tensor], columns: Mapping[str, Sequence[str]], pairs: Pairs
) -> tuple[Tensor, tuple[Block, ...]]:
    """The concatenated blocks' later minus earlier rows: delta float32 [P, D], and which columns are which.

    ``blocks`` maps a block's name to one row a window [W, d]; ``columns`` names the columns of those that have names.
    """
    import torch

    parts, layout, start = [], [], 0
    for name, rows in blocks.items():
        parts.append(rows[pairs.later] - rows[pairs.earlier])
        layout.append(Block(name, start, start + rows.shape[1], tuple(columns.get(name, ()))))
        start += rows.shape[1]
    return torch.cat(parts, dim=1), tuple(layout)


def weighted_words(saliency: Saliency, raised: Tensor, lowered: Tensor, state: Tensor) -> Tensor:
    """The mean of the salient cues' own embeddings, weighted by their scores: float32 [W, D].

    ``raised`` and ``lowered`` [F, D] embed what is said of a feature on either side of its usual value, ``state`` int8
    [W, F] says on which it is. A window without a salient cue gets 0.
    """
    import torch

    weight = torch.where(saliency.mask, saliency.score.clamp(min=torch.finfo(torch.float32).tiny), 0.0)
    below = state < 0
    total = weight.sum(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    return (weight * ~below @ raised + weight * below @ lowered) / total


@dataclass(frozen=True)
class Columns:
    """How differences become the learner's columns: fitted on training pairs, applied to any.

    ``scale`` float32 [D'] divides the columns; ``rotation`` float32 [d, k], where there is one, first turns the text
    block's d columns into its k principal components.
    """

    scale: Tensor
    rotation: Tensor | None = None

    def apply(self, delta: Tensor, layout: Sequence[Block]) -> tuple[Tensor, tuple[Block, ...]]:
        """Differences [P, D] in the given layout -> columns [P, D'] and their layout."""
        turned, found = (
            (delta, tuple(layout)) if self.rotation is None else _turn(delta, layout, self.rotation.to(delta))
        )
        return turned / self.scale.to(delta), found

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
) -> Columns:
    """Fit ``Columns`` on the training differences ``delta`` [P, D].

    Principal components are those of the second moment about 0, because a training set with every pair in both
    directions has mean 0. A column's scale is the root mean square: the z-score's standard deviation for such a set; 1
    for a column that never changes. Columns of the block ``features``, which are normalised to [0, 1], are divided by
    at least ``floor``: otherwise jitter below the features' resolution would become as large as a smile.
    """
    import torch

    rotation = _principal(delta, layout, components)
    if rotation is not None:
        delta, layout = _turn(delta, layout, rotation)
    mean_square = torch.linalg.vector_norm(delta, dim=0, dtype=_exact(delta)).square() / len(delta)
    for block in layout:
        if block.name == TEXT and text_scale == "block":
            mean_square[block.start : block.stop] = mean_square[block.start : block.stop].mean()
    scale = mean_square.sqrt().float()
    scale = torch.where(scale > 1e-8, scale, 1.0)
    for block in layout:
        if block.name == "features":
            scale[block.start : block.stop].clamp_(min=floor)
    return Columns(scale, rotation)


def _principal(delta: Tensor, layout: Sequence[Block], components: int) -> Tensor | None:
    """The text block's first principal directions [d, k]; none if they are not wanted or no fewer than its columns."""
    import torch

    block = next((block for block in layout if block.name == TEXT), None)
    if block is None or not 0 < components < block.stop - block.start or not len(delta):
        return None
    part = delta[:, block.start : block.stop]
    if len(part) < part.shape[1]:
        directions = torch.linalg.svd(_factored(part), full_matrices=False)[2]
    else:  # eigenvectors of the small second moment, which come in ascending order
        directions = torch.linalg.eigh(_factored(_moment(part)))[1].flip(dims=[1]).T
    rotation: Tensor = directions[:components].T.float().contiguous().to(delta.device)
    return rotation


def _moment(part: Tensor) -> Tensor:
    """The sum of the rows' outer products [d, d], without a copy of all rows in float64."""
    import torch

    total = part.new_zeros(part.shape[1], part.shape[1], dtype=_exact(part))
    for rows in torch.split(part, _ROWS):
        exact = rows.to(total.dtype)
        total.addmm_(exact.T, exact)
    return total


def _factored(matrix: Tensor) -> Tensor:
    """The matrix in float64, where torch can factor it: not on Metal."""
    return (matrix.cpu() if matrix.device.type == "mps" else matrix).double()


def _exact(values: Tensor) -> torch.dtype:
    """What sums are computed in: float64, which Metal does not have."""
    import torch

    return torch.float32 if values.device.type == "mps" else torch.float64


def _turn(delta: Tensor, layout: Sequence[Block], rotation: Tensor) -> tuple[Tensor, tuple[Block, ...]]:
    import torch

    parts, found, start = [], [], 0
    for block in layout:
        part = delta[:, block.start : block.stop]
        part = part @ rotation if block.name == TEXT else part
        parts.append(part)
        found.append(Block(block.name, start, start + part.shape[1], block.columns))
        start += part.shape[1]
    return torch.cat(parts, dim=1), tuple(found)
