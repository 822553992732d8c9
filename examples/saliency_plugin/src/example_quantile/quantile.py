"""The saliency method `quantile`: the values above an upper quantile of their window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lasca_core.api import Component, Saliency

if TYPE_CHECKING:
    from torch import Tensor

    from example_quantile.options import QuantileOptions


class Quantile(Component):
    """Salient are at most the upper ``share`` of the values, or one; equal values are all salient or none is."""

    options: QuantileOptions

    def select(self, values: Tensor) -> Saliency:
        """``values`` float32 [W, F] -> mask bool [W, F], and as score the distance above the threshold."""
        if not values.numel():
            return Saliency(torch.zeros_like(values, dtype=torch.bool), torch.zeros_like(values))
        features = values.shape[1]
        allowed = min(max(1, int(self.options.share * features)), features - 1)
        threshold = values.sort(dim=1, descending=True).values[:, allowed : allowed + 1]
        score = values - threshold
        return Saliency(score > 0, score)
