"""Normalised windows: features on one scale, and how far each is from the person's usual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lasca_core.contract.types import Windows

_ROUNDING = 1e-6
"""Values of a column that differ by less than this share of their size are equal: float32 holds seven digits."""

_STRONG = 0.75
"""Share of the person's own range from which a cue is spoken of as strong, where the lexicon has words for it."""

Strategy = Literal["session", "subject", "global", "none"]


@dataclass(frozen=True)
class Normalized:
    """``features`` float32 [W, F]: what the learner reads, in [0, 1]; ``salience`` float32 [W, F]: what saliency reads,
    which for signed features is the distance from the group's median, also in [0, 1]; ``state`` int8 [W, F]: the side
    of the median on which a signed feature lies (-1 or 1; other features are 1), doubled in the upper quarter of
    ``salience``. Rows of invalid windows are 0."""

    features: Tensor
    salience: Tensor
    state: Tensor


@dataclass(frozen=True)
class Statistics:
    """What normalisation takes from the data, float32 [G, F] for G groups of windows: smallest and largest value, lower
    median, and the largest distance from that median."""

    low: Tensor
    high: Tensor
    median: Tensor
    reach: Tensor

    def to(self, device: torch.device | str) -> Statistics:
        """The same on another device."""
        return Statistics(*(value.to(device) for value in (self.low, self.high, self.median, self.reach)))


def statistics(windows: Windows, group: Tensor, fit: Tensor | None = None) -> Statistics:
    """Statistics over the valid windows of each group.

    ``group`` int64 [W] numbers the session or subject of each window (all 0 for one global group); ``fit`` bool [W]
    limits the windows that count, for instance to the training data. A group without any gets 0 throughout.
    """
    rows = windows.valid if fit is None else windows.valid & fit
    count = int(group.max()) + 1 if len(group) else 0
    median = _group_median(windows.values, group, rows, count)
    return Statistics(
        low=_group_extreme(windows.values, group, rows, count, "amin"),
        high=_group_extreme(windows.values, group, rows, count, "amax"),
        median=median,
        reach=_group_extreme((windows.values - median[group]).abs(), group, rows, count, "amax"),
    )


def normalize(
    windows: Windows, found: Statistics, group: Tensor, *, scale: bool = True, resolution: Tensor | None = None
) -> Normalized:
    """Min-max normalisation of each window by its group's statistics; values beyond them are clipped to [0, 1].

    ``resolution`` float32 [F], in the features' units: a column whose range within its group is smaller is divided by
    the resolution instead of its range, so that what hardly changes stays small and is not blown up to [0, 1]. A column
    that is constant within its group, up to rounding, becomes 0. With ``scale=False`` (strategy ``none``)
    values stay as they are, and only the distance of signed features from the median is taken.
    """
    import torch

    values = windows.values
    signed = torch.tensor([name in windows.signed for name in windows.names], dtype=torch.bool, device=values.device)
    distance = (values - found.median[group]).abs()
    features = values
    if scale:
        span, reach = (found.high - found.low)[group], found.reach[group]
        least = _ROUNDING * torch.maximum(found.low.abs(), found.high.abs())[group]
        finest = torch.zeros_like(values[:1]) if resolution is None else resolution.to(values)
        distance = _share(distance, reach, least, finest / 2)
        features = _share(values - found.low[group], span, least, finest)
    salience = torch.where(signed, distance, features)
    side = torch.where(signed & (values < found.median[group]), -1, 1)
    state = side * torch.where(salience >= _STRONG, 2, 1)
    valid = windows.valid[:, None]
    return Normalized(features * valid, salience * valid, (state * valid).to(torch.int8))


def growth(windows: Windows, found: Statistics, group: Tensor, resolution: Tensor, before: Tensor) -> Tensor:
    """How much more each feature stands out than in the window ``before`` it: [W, F], in units of its resolution.

    ``before`` int64 [W] is the row each window is compared with, or -1: then with the group's minimum (signed features:
    its median). A feature without a resolution (0) is measured in its range within the group.
    """
    import torch

    signed = torch.tensor([name in windows.signed for name in windows.names], device=windows.values.device)
    level = torch.where(signed, (windows.values - found.median[group]).abs(), windows.values - found.low[group])
    unit = torch.where(resolution > 0, resolution, (found.high - found.low)[group])
    reference = torch.where(before[:, None] >= 0, level[before.clamp(min=0)], 0)
    return (level - reference) / unit.clamp(min=torch.finfo(level.dtype).tiny)


def _share(values: Tensor, whole: Tensor, least: Tensor, finest: Tensor) -> Tensor:
    """values / whole in [0, 1], the whole being at least ``finest``; 0 where it is no more than ``least``."""
    import torch

    divisor = torch.maximum(whole, finest).clamp(min=torch.finfo(values.dtype).tiny)
    return torch.where(whole > least, values / divisor, 0).clamp(0, 1)


def _group_extreme(values: Tensor, group: Tensor, rows: Tensor, count: int, how: str) -> Tensor:
    """Smallest or largest value of each column over the chosen rows of each group: [count, F]; 0 for an empty group."""
    import torch

    start = torch.inf if how == "amin" else -torch.inf
    result = torch.full((count, values.shape[1]), start, dtype=values.dtype, device=values.device)
    index = group[rows][:, None].expand(-1, values.shape[1])
    result = result.scatter_reduce(0, index, values[rows], reduce=how)
    return torch.where(result.isfinite(), result, 0)


def _group_median(values: Tensor, group: Tensor, rows: Tensor, count: int) -> Tensor:
    """Lower median of each column over the chosen rows of each group: [count, F]; 0 for an empty group."""
    import torch

    chosen, owner = values[rows], group[rows]
    if not len(chosen):
        return values.new_zeros((count, values.shape[1]))
    ordered, order = chosen.sort(dim=0, stable=True)
    by_group = owner[order].sort(dim=0, stable=True).indices
    ordered = ordered.gather(0, by_group)  # each column: the values of group 0 ascending, then of group 1, ...
    sizes = torch.bincount(owner, minlength=count)
    first = sizes.cumsum(0) - sizes
    middle = (first + (sizes - 1).clamp(min=0) // 2).clamp(max=len(chosen) - 1)
    return torch.where((sizes > 0)[:, None], ordered[middle], 0)
