"""Otsu's method on the values of one window, for all windows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lasca_core.api import Component, Saliency

if TYPE_CHECKING:
    from torch import Tensor

_BINS = 256
_ROWS = {"cpu": 1024}
"""Rows computed at a time: on a CPU as many as its cache holds, elsewhere as many as its memory surely does."""
_MANY_ROWS = 262_144


class Otsu(Component):
    """Salient are the values above the threshold that maximises the between-class variance of the row (Otsu 1979)."""

    def select(self, values: Tensor) -> Saliency:
        """``values`` float32 [W, F] -> mask [W, F], and as score how far each value lies above its row's threshold."""
        import torch

        wide = values.cpu() if values.device.type == "mps" else values  # Metal has no float64
        find = threshold_exact if self.options.variant == "exact" else threshold_histogram
        score = torch.empty_like(wide)
        mask = torch.empty_like(wide, dtype=torch.bool)
        size = _ROWS.get(wide.device.type, _MANY_ROWS)
        parts = (torch.split(each, size) for each in (wide, mask, score))
        for rows, masks, scores in zip(*parts, strict=True):
            above = rows.double() - find(rows)[:, None]
            masks.copy_(above > 0)
            scores.copy_(above.nan_to_num_(neginf=0.0))
        return Saliency(mask.to(values.device), score.to(values.device))


def threshold_exact(values: Tensor) -> Tensor:
    """Otsu's threshold of each row, float64 [W]; infinite for a row whose values are all equal.

    Sorting a row leaves F - 1 places to cut it. With the k smallest values in the lower class, the between-class
    variance is proportional to (k * total - F * prefix_k)^2 / (k * (F - k)); the threshold lies midway in the gap of
    the best cut (the lowest, where several are equally good), so it separates the two classes whatever the rounding.
    O(F log F) a row, no histogram.
    """
    import torch

    if values.shape[1] < 2:
        return torch.full((len(values),), torch.inf, dtype=torch.float64, device=values.device)
    ordered = _sorted(values).double()
    size = ordered.shape[1]
    prefix = ordered.cumsum(dim=1)
    below = torch.arange(1, size, dtype=ordered.dtype, device=ordered.device)
    variance = (prefix[:, -1:] * below - size * prefix[:, :-1]).square() / (below * (size - below))
    variance = torch.where(ordered[:, 1:] > ordered[:, :-1], variance, -1.0)  # a cut between equal values is no cut
    best = variance.argmax(dim=1, keepdim=True)
    middle = (ordered.gather(1, best) + ordered.gather(1, best + 1)) / 2
    return torch.where(variance.gather(1, best) >= 0, middle, torch.inf)[:, 0]


def _sorted(values: Tensor) -> Tensor:
    """Each row in ascending order."""
    import numpy as np
    import torch

    if values.device.type != "cpu":
        return values.sort(dim=1).values
    # Ten times as fast on short rows as torch, which also keeps where each value came from.
    return torch.from_numpy(np.sort(values.numpy(), axis=1))


def threshold_histogram(values: Tensor, bins: int = _BINS) -> Tensor:
    """``skimage.filters.threshold_otsu(row, nbins=bins)`` of each row, float64 [W]; infinite for a constant row.

    The histogram is never built: with the values sorted, only cuts where the bin changes count, and every value stands
    for the centre of its bin. Bin edges follow ``numpy.histogram``, corrections at the edges included, and sums add up
    in scikit-image's order (a bin's values at once, the upper class from above), so that even a tie between two cuts
    is decided by the same rounding.
    """
    import torch
    from torch.nn import functional

    if values.shape[1] < 2:
        return torch.full((len(values),), torch.inf, dtype=torch.float64, device=values.device)
    wide = values.double()
    size = wide.shape[1]
    low, high = wide.amin(dim=1, keepdim=True), wide.amax(dim=1, keepdim=True)
    step = (high - low) / bins

    def edge(index: Tensor) -> Tensor:
        return torch.where(index == bins, high, low + index * step)

    place = ((wide - low) * (bins / (high - low))).nan_to_num(0.0).floor().clamp(0, bins - 1)
    place = place - (wide < edge(place)).double()
    place = place + ((wide >= edge(place + 1)) & (place != bins - 1)).double()
    place = _sorted(place)
    center = (edge(place) + edge(place + 1)) / 2
    rank = torch.arange(1, size + 1, dtype=wide.dtype, device=wide.device)
    below = rank[:-1]
    cut = place[:, 1:] > place[:, :-1]  # the next value lies in another bin
    earlier = functional.pad(torch.where(cut, below, 0.0).cummax(dim=1).values, (1, 0))  # values in the bins before
    sums = torch.where(functional.pad(cut, (0, 1), value=True), (rank - earlier) * center, 0.0)  # at a bin's last value
    lower = sums.cumsum(dim=1)[:, :-1] / below
    upper = sums.flip(1).cumsum(dim=1).flip(1)[:, 1:] / (size - below)
    variance = torch.where(cut, below * (size - below) * (lower - upper).square(), -1.0)
    best = variance.argmax(dim=1, keepdim=True)
    return torch.where(high > low, center.gather(1, best), torch.inf)[:, 0]
