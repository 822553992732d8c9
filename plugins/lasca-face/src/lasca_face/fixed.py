"""A network in batches of fixed sizes, whatever the number of rows it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Graph = Callable[[Tensor], tuple[Tensor, ...]]


class FixedBatches(nn.Module):
    """Runs ``graph``, which treats each row of a tensor [N, ...] by itself, with batches of these ``sizes`` alone.

    Rows are done in pieces of the largest size, and the rest is filled up to the smallest size that holds it. Libraries
    choose another order of summation for another size; with a single size a row's result does not depend on how many
    other rows there are, not even by a rounding.
    """

    def __init__(self, graph: Graph, sizes: Sequence[int]) -> None:
        super().__init__()
        self.graph = graph
        self._sizes = sorted(sizes)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """The graph's outputs, each [N, ...]."""
        pieces = [self._piece(piece) for piece in torch.split(inputs, self._sizes[-1])]
        return tuple(torch.cat(outputs) for outputs in zip(*pieces, strict=True))

    def _piece(self, inputs: Tensor) -> tuple[Tensor, ...]:
        size = next(size for size in self._sizes if size >= len(inputs))
        filled = F.pad(inputs, (0, 0) * (inputs.ndim - 1) + (0, size - len(inputs)))
        return tuple(output[: len(inputs)] for output in self.graph(filled))
