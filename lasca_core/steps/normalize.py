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
    low, median, high = _group_order(windows.values, group, rows, count)
    # Rounding keeps order, so that no value is farther from the median than the smallest or the largest.
    return Statistics(low=low, high=high, median=median, reach=(high - median).maximum(median - low))


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
    signed = torch.tensor(
        [column for column, name in enumerate(windows.names) if name in windows.signed],
        dtype=torch.int64,
        device=values.device,
    )
    center, distances = found.median[:, signed][group], values[:, signed]
    side = 1 - 2 * (distances < center).to(torch.int8)
    distances = (distances - center).abs_()
    features = values
    if scale:
        least = _ROUNDING * torch.maximum(found.low.abs(), found.high.abs())
        finest = found.low.new_zeros(1, len(windows.names)) if resolution is None else resolution.to(values)[None]
        features = _share(values - found.low[group], found.high - found.low, least, finest, group)
        distances = _share(distances, found.reach[:, signed], least[:, signed], finest[:, signed] / 2, group)
    salience = features.index_copy(1, signed, distances)
    state = 1 + (salience >= _STRONG).to(torch.int8)
    state[:, signed] *= side
    valid = windows.valid[:, None]
    return Normalized(features * valid, salience * valid, state * valid)


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


def _share(values: Tensor, whole: Tensor, least: Tensor, finest: Tensor, group: Tensor) -> Tensor:
    """Values [W, F] of each ``group`` as a share of its ``whole`` [G, F], which is at least ``finest``, in [0, 1]; 0
    where the whole is no more than ``least``. Computed in place."""
    import torch

    divisor = torch.maximum(whole, finest).clamp(min=torch.finfo(values.dtype).tiny)
    return values.div_(torch.where(whole > least, divisor, torch.inf)[group]).clamp_(0, 1)


def _group_order(values: Tensor, group: Tensor, rows: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Smallest value, lower median and largest value of each column over the chosen rows of each group: [count, F]
    each; 0 for an empty group.

    Each value becomes an integer of the same order, with the number of its group before it, and one sort of each column
    finds them all.
    """
    import torch

    places = rows.nonzero()[:, 0]  # once for both: a device is waited for, to learn how many there are
    owner, chosen = group[places], values[places]
    if not len(chosen):
        nothing = values.new_zeros((count, values.shape[1]))
        return nothing, nothing, nothing
    keys = _reordered(chosen.float().T.contiguous().view(torch.int32)).long().sub_(_LEAST_INT)
    ordered = _sorted(keys.add_(owner << 32))
    sizes = owner.new_zeros(count).index_add_(0, owner, torch.ones_like(owner))
    start = sizes.cumsum(0) - sizes
    middle = (sizes - 1).clamp(min=0) // 2
    low, median, high = (
        torch.where((sizes > 0)[:, None], _value_at(ordered, (start + place).clamp(max=len(chosen) - 1)), 0)
        for place in (torch.zeros_like(middle), middle, (sizes - 1).clamp(min=0))
    )
    return low, median, high


_LEAST_INT = -(2**31)


def _reordered(bits: Tensor) -> Tensor:
    """The bits of float32 values as integers in the order of the values, and back again."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _value_at(ordered: Tensor, place: Tensor) -> Tensor:
    """The float32 values [G, F] behind the sorted keys [F, W] at ``place`` int64 [G]."""
    import torch

    bits = (ordered[:, place] & 0xFFFFFFFF) + _LEAST_INT
    return _reordered(bits.to(torch.int32)).view(torch.float32).T.contiguous()


def _sorted(keys: Tensor) -> Tensor:
    """Each row in ascending order; ``keys`` may be overwritten."""
    if keys.device.type != "cpu":
        return keys.sort(dim=1).values
    keys.numpy().sort(axis=1)  # several times as fast as torch, which keeps where each value came from
    return keys
