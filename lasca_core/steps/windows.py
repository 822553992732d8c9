"""Frames to windows: where windows lie, and the mean and spread of each feature over the valid frames in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lasca_core.contract.types import Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lasca_core.contract.types import Track

Statistic = Literal["mean", "mean+std"]
_GAP = 4.0
"""A frame stands for the time until the next frame, but for at most this many median steps: longer is a gap."""


def grid(duration: float, length: float, hop: float) -> tuple[Tensor, Tensor]:
    """Starts and ends, float64 [W], of all whole windows of ``length`` seconds every ``hop`` seconds in ``duration``.

    A last window that misses no more than 2 % of its length still counts: containers round their durations.
    """
    import torch

    count = max(0, int((duration - length * 0.98) // hop) + 1) if duration >= length * 0.98 else 0
    starts = torch.arange(count, dtype=torch.float64) * hop
    return starts, starts + length


def coverage(times: Tensor) -> Tensor:
    """Seconds each frame stands for, float64 [T]: until the next frame, but at most ``_GAP`` median steps."""
    import torch

    if len(times) < 2:
        return torch.zeros_like(times)
    steps = times.diff()
    median = steps.median()
    return torch.cat([steps.clamp(max=_GAP * median), median[None]])


def summarise(
    values: Tensor, times: Tensor, valid: Tensor, starts: Tensor, ends: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and population standard deviation over the valid frames of each window, without a loop over windows.

    ``values`` float32 [T, F], ``times`` float64 [T] ascending, ``valid`` bool [T]; windows ``[starts, ends)`` float64
    [W]. Returns mean float32 [W, F], std float32 [W, F], and the valid share of each window's time, float64 [W].
    Windows without a valid frame get 0. Sums are prefix sums in float64 (float32 on a device without float64), so overlapping windows cost nothing more.
    """
    import torch

    first = torch.searchsorted(times, starts)
    last = torch.searchsorted(times, ends)
    wide = values.double() if values.device.type != "mps" else values
    weight = valid.to(wide.dtype)
    center = (wide * weight[:, None]).sum(0) / weight.sum().clamp(min=1)
    shifted = (wide - center) * weight[:, None]

    def window_sum(rows: Tensor) -> Tensor:
        prefix = (
            torch.cat([torch.zeros_like(rows[:1]), rows.cumsum(0)])
            if len(rows)
            else rows.new_zeros((1, *rows.shape[1:]))
        )
        return prefix[last] - prefix[first]

    count = window_sum(weight)
    divisor = count.clamp(min=1)[:, None]
    offset = window_sum(shifted) / divisor
    variance = (window_sum(shifted.square()) / divisor - offset.square()).clamp(min=0)
    filled = (count > 0)[:, None]
    mean = torch.where(filled, offset + center, 0).float()
    std = torch.where(filled, variance.sqrt(), 0).float()
    share = window_sum(coverage(times).to(times.device) * valid) / (ends - starts)
    return mean, std, share


def cut(
    tracks: Sequence[Track],
    session: str,
    *,
    length: float,
    hop: float,
    statistic: Statistic = "mean",
    min_valid: float = 0.5,
    duration: float | None = None,
) -> Windows:
    """Windows of one session over the joint features of ``tracks``.

    The windows reach as far as the shortest track (or ``duration``). A window is valid if in every track the valid
    frames stand for at least ``min_valid`` of its length. With ``mean+std`` each feature ``f`` is followed by columns
    ``f_std`` after all means.
    """
    import torch

    reach = min((_end(track) for track in tracks), default=0.0) if duration is None else duration
    starts, ends = grid(reach, length, hop)
    device = tracks[0].values.device
    names: list[str] = []
    signed: set[str] = set()
    columns: list[Tensor] = []
    valid = torch.ones(len(starts), dtype=torch.bool, device=device)
    for track in tracks:
        mean, std, share = summarise(track.values, track.times, track.valid, starts.to(device), ends.to(device))
        names += track.names
        signed |= track.signed
        columns.append(mean)
        if statistic == "mean+std":
            names += [f"{name}_std" for name in track.names]
            columns.append(std)
        valid &= share >= min_valid
    values = torch.cat(columns, dim=1) * valid[:, None]
    return Windows(
        names=tuple(names),
        values=values,
        valid=valid,
        starts=starts.to(device),
        ends=ends.to(device),
        session=torch.zeros(len(starts), dtype=torch.int64, device=device),
        sessions=(session,),
        signed=frozenset(signed),
    )


def _end(track: Track) -> float:
    return float(track.times[-1] + coverage(track.times)[-1]) if len(track) else 0.0


def concatenate(parts: Sequence[Windows]) -> Windows:
    """One batch from the windows of several sessions, whose names must agree."""
    import torch

    first = parts[0]
    offsets, total = [], 0
    for part in parts:
        offsets.append(total)
        total += len(part.sessions)
    return Windows(
        names=first.names,
        values=torch.cat([part.values for part in parts]),
        valid=torch.cat([part.valid for part in parts]),
        starts=torch.cat([part.starts for part in parts]),
        ends=torch.cat([part.ends for part in parts]),
        session=torch.cat([part.session + offset for part, offset in zip(parts, offsets, strict=True)]),
        sessions=tuple(name for part in parts for name in part.sessions),
        signed=first.signed,
    )
