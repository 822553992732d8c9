"""The k largest values of each window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lasca_core.api import Component, Saliency

if TYPE_CHECKING:
    from torch import Tensor


class TopK(Component):
    """Salient are the ``k`` largest values of a row; of equal values the first ones count."""

    def select(self, values: Tensor) -> Saliency:
        """``values`` float32 [W, F] -> mask [W, F] with at most ``k`` True a row, and the values as score."""
        import torch

        order = values.argsort(dim=1, descending=True, stable=True)[:, : self.options.k]
        mask = torch.zeros_like(values, dtype=torch.bool).scatter_(1, order, True)
        constant = (values == values[:, :1]).all(dim=1, keepdim=True)
        return Saliency(mask=mask & ~constant, score=values)
