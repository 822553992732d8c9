"""Differences between windows, of each representation, on the learner's scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lasca_core.contract.types import Block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from lasca_core.contract.types import Pairs


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


def column_scale(delta: Tensor, layout: Sequence[Block] = (), floor: float = 0.0) -> Tensor:
    """Root mean square of each column of the training differences, float32 [D]; 1 for a column that never changes.

    This is the z-score's standard deviation for a training set that contains every pair in both directions, whose mean
    is 0. Columns of the block ``features``, which are normalised to [0, 1], are divided by at least ``floor``:
    otherwise the z-score would blow jitter below the features' resolution up to the size of a smile.
    """
    import torch

    wide = delta.double() if delta.device.type != "mps" else delta
    scale = wide.square().mean(dim=0).sqrt().float()
    scale = torch.where(scale > 1e-8, scale, 1.0)
    for block in layout:
        if block.name == "features":
            scale[block.start : block.stop].clamp_(min=floor)
    return scale
