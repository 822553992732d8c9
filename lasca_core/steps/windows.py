"""Tracks to windows: where windows lie, and what each feature is in them.

That is the mean, and the spread, over the valid frames, or the row that describes the window as a whole.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Literal, overload

from lasca_core.contract.errors import ContractError, OptionError
from lasca_core.contract.types import Windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from torch import Tensor

    from lasca_core.contract.types import Track

Statistic = Literal["mean", "mean+std"]
_GAP = 4.0
"""A frame stands for the time until the next frame, but for at most this many median steps: longer is a gap."""
_SLACK = 1e-3
"""Share of a window that may be missing unnoticed: containers round time stamps to milliseconds."""
_SAME_TIME = 1e-6
"""Seconds by which two stamps of one moment may differ: files round, and so does k * hop."""
_VALUES = {"cpu": 2**17}
"""Values of a track summed at a time, as whole features: on a CPU as many as its cache holds, elsewhere as many as its
memory surely does."""
_MANY_VALUES = 2**27


def grid(duration: float, length: float, hop: float) -> tuple[Tensor, Tensor]:
    """Starts and ends, float64 [W], of all whole windows of ``length`` seconds every ``hop`` seconds in ``duration``.

    A last window that misses no more than 2 % of its length still counts: containers round their durations.
    """
    import torch

    count = max(0, int((duration - length * 0.98) // hop) + 1) if duration >= length * 0.98 else 0
    starts = torch.arange(count, dtype=torch.float64) * hop
    return starts, starts + length


def every(length: float, hop: float) -> Iterator[tuple[float, float]]:
    """Start and end of the windows of ``grid`` in a recording without end."""
    return ((number * hop, number * hop + length) for number in itertools.count())


def stride(length: float, hop: float) -> int:
    """How many rows later the next window lies that does not overlap a given one."""
    return max(1, math.ceil(length / hop - 1e-6))


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
    A frame no more than a microsecond before a bound counts as lying on it. Windows without a valid frame get 0. Sums
    are differences of prefix sums in float64, so overlapping windows cost nothing more; a spread too small to tell from
    their rounding is 0. Metal, which has no float64, leaves this to the CPU.
    """
    import torch

    device = values.device
    if device.type == "mps":
        exact = (moments.cpu().double() for moments in (starts, ends))
        found = summarise(values.cpu(), times.cpu().double(), valid.cpu(), *exact)
        return found[0].to(device), found[1].to(device), found[2].float().to(device)

    first = torch.searchsorted(times, starts - _SAME_TIME)
    last = torch.searchsorted(times, ends - _SAME_TIME)
    weight = valid.double()
    counts = _over_windows(weight, first, last)[0]
    at_once = max(1, _VALUES.get(device.type, _MANY_VALUES) // max(1, len(times)))
    parts = [_mean_and_std(part, weight, counts, first, last) for part in torch.split(values, at_once, dim=1)]
    mean, std = (torch.cat(found).T.contiguous() for found in zip(*parts, strict=True))
    seconds = _over_windows(coverage(times).mul_(weight), first, last)[0]
    return mean, std, seconds / (ends - starts)


def _mean_and_std(values: Tensor, weight: Tensor, counts: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation float32 [F, W] of ``values`` [T, F] in windows of the frames from ``first`` to before
    ``last``, of which ``counts`` are valid."""
    import torch

    # A row for each feature, so that sums run along memory.
    shifted = values.T.contiguous().double()
    center = (shifted @ weight / weight.sum().clamp(min=1))[:, None]
    shifted = shifted.sub_(center).mul_(weight)
    divisor = counts.clamp(min=1)
    offset = _over_windows(shifted, first, last)[0].div_(divisor)
    squares, before_end = _over_windows(shifted.square_(), first, last)
    variance = squares.div_(divisor) - offset.square()
    rounding = 4 * torch.finfo(torch.float64).eps * len(weight) ** 0.5 * before_end / divisor
    mean = torch.where(counts > 0, offset + center, 0)
    std = torch.where((counts > 0) & (variance > rounding), variance.clamp(min=0).sqrt(), 0)
    return mean.float(), std.float()


def _over_windows(rows: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Sums [..., W] of ``rows`` [..., T] over the frames from ``first`` to before ``last``, and over all before
    ``last``."""
    from torch.nn import functional

    prefix = functional.pad(rows.cumsum(dim=-1), (1, 0))
    end = prefix[..., last]
    return end - prefix[..., first], end


@overload
def enough(share: Tensor, least: float) -> Tensor: ...
@overload
def enough(share: float, least: float) -> bool: ...
def enough(share: Tensor | float, least: float) -> Tensor | bool:
    """Whether a window is valid, or bool [W] for several: its valid ``share`` (of ``summarise``) is at least ``least``,
    and not 0."""
    return (share >= least - _SLACK) & (share > 0)


def _nearest(axis: Tensor, moments: Tensor) -> Tensor:
    """Which entry of the ascending ``axis`` [T], which is not empty, is nearest to each of ``moments``, int64 [W]."""
    import torch

    after = torch.searchsorted(axis, moments).clamp(max=len(axis) - 1)
    before = (after - 1).clamp(min=0)
    return torch.where(moments - axis[before] <= axis[after] - moments, before, after)


def _rows(times: Tensor, spans: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Which of the rows at ``times``, ``spans`` long, begins and ends with each window, int64 [W]; -1: none does."""
    import torch

    if not len(times):
        return torch.full_like(starts, -1, dtype=torch.int64)
    row = _nearest(times, starts)
    slack = _SLACK * (ends - starts)
    fits = ((times[row] - starts).abs() <= slack) & ((spans[row] - (ends - starts)).abs() <= slack)
    return torch.where(fits, row, -1)


def require_suited(track: Track, windows: Windows, extractor: str) -> None:
    """Raise ``OptionError`` if the ``track`` of ``extractor`` has spans and none is as long as one of ``windows``, so
    that no window could be valid."""
    if track.spans is None or not len(track) or not len(windows):
        return
    lengths = (windows.ends - windows.starts).sort().values
    nearest = lengths[_nearest(lengths, track.spans)]
    if not bool(((nearest - track.spans).abs() <= _SLACK * nearest).any()):
        raise OptionError(
            f"session {windows.sessions[0]}: each row of {extractor} describes {_in_words(track.spans)}, and windows "
            f"are of {_in_words(lengths)}; choose windows as long as the rows, or leave out the option that sets the "
            f"rows' length"
        )


def _in_words(lengths: Tensor) -> str:
    """``3 s``, or ``1.2 to 4 s``."""
    least, most = f"{float(lengths.min()):g}", f"{float(lengths.max()):g}"
    return f"{least} s" if least == most else f"{least} to {most} s"


def cut(
    tracks: Sequence[Track],
    session: str,
    *,
    length: float,
    hop: float,
    statistic: Statistic = "mean",
    min_valid: float = 0.5,
    duration: float | None = None,
    segments: Tensor | None = None,
) -> Windows:
    """Windows of one session over the joint features of ``tracks``.

    The windows reach as far as the shortest track (or ``duration``); ``segments`` float64 [W, 2] are their starts and
    ends instead, where a recording has windows of its own. A window is valid if in every track the valid
    frames stand for at least ``min_valid`` of its length, and there is one at all; in a track with spans, if a valid
    row begins and ends with it. With ``mean+std`` the means of a track's features are followed by as many columns
    ``<feature>_std``, unless it has spans: such a row says itself how its features vary.
    """
    import torch

    if segments is not None:
        starts, ends = segments.double().T.contiguous()
    else:
        reach = min(_end(track) for track in tracks) if duration is None else duration
        starts, ends = grid(reach, length, hop)
    starts, ends = (_moments_on(tracks[0].values.device, moments) for moments in (starts, ends))
    names: list[str] = []
    signed: set[str] = set()
    columns: list[Tensor] = []
    valid = torch.ones_like(starts, dtype=torch.bool)
    for track in tracks:
        spread = None
        if track.spans is not None:
            row = _rows(track.times, track.spans, starts, ends)
            nothing = track.values.new_zeros(1, len(track.names))  # comes last, which is where -1 points
            center = torch.cat([track.values, nothing])[row]
            share = torch.cat([track.valid, track.valid.new_zeros(1)])[row].to(starts)
        elif segments is not None and _one_each(track, starts):
            center, share = track.values, track.valid.to(starts)
        else:
            center, spread, share = summarise(track.values, track.times, track.valid, starts, ends)
        names += track.names
        signed |= track.signed
        columns.append(center)
        if statistic == "mean+std" and spread is not None:
            names += [f"{name}_std" for name in track.names]
            columns.append(spread)
        valid &= enough(share, min_valid)
    values = torch.cat(columns, dim=1) * valid[:, None]
    return Windows(
        names=tuple(names),
        values=values,
        valid=valid,
        starts=starts,
        ends=ends,
        session=torch.zeros_like(starts, dtype=torch.int64),
        sessions=(session,),
        signed=frozenset(signed),
    )


def _moments_on(device: torch.device, moments: Tensor) -> Tensor:
    """Points in time on ``device``: in float64, which Metal does not have."""
    import torch

    return moments.to(torch.float32 if device.type == "mps" else torch.float64).to(device)


def _one_each(track: Track, starts: Tensor) -> bool:
    """Whether ready features have one row a segment, at its start, so that a row describes all of it."""
    return len(track) == len(starts) and bool(((track.times - starts).abs() <= _SAME_TIME).all())


def _end(track: Track) -> float:
    if not len(track):
        return 0.0
    if track.spans is not None:
        return float((track.times + track.spans).max())
    return float(track.times[-1] + coverage(track.times)[-1])


def concatenate(parts: Sequence[Windows]) -> Windows:
    """One batch from the windows of several sessions; ``ContractError`` if their feature names differ."""
    import torch

    first = parts[0]
    for part in parts:
        if part.names != first.names or part.signed != first.signed:
            raise ContractError(
                f"Windows: session {part.sessions[0]!r} has other features than session {first.sessions[0]!r}"
            )
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
