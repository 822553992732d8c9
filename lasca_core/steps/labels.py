"""From raw annotation columns to one trace, and from a trace to one label a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from lasca_core.contract.errors import DatasetError
from lasca_core.contract.types import Recording, Trace

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from lasca_core.contract.types import Windows

RaterFusion = Literal["mean", "median", "ewe"]
Standardization = Literal["none", "session", "subject"]

STANDARD_SCALE = (-3.0, 3.0)
"""The scale of every standardised trace, in standard deviations: one for all, as thresholds are relative to it."""
_GAP_STEPS = 4.0
"""Rows no further apart than this many median steps belong together, however slow the annotation is."""
_FINEST = 1e-3
"""Seconds between two moments of a new axis, at least."""
_SAME_TIME = 1e-6
"""Seconds by which two stamps of one moment may differ: files round, and so does k / rate."""


def build_trace(
    times: np.ndarray | Sequence[np.ndarray],
    raters: np.ndarray | Sequence[np.ndarray],
    *,
    scale: tuple[float, float] = (-1.0, 1.0),
    sentinels: tuple[float, ...] = (-5.0,),
    lag: float = 0.0,
    fusion: RaterFusion = "mean",
    rate: float | None = None,
    max_gap: float = 1.0,
    where: str = "annotation",
) -> Trace:
    """One clean trace from what annotators left in a file, or in a file each.

    ``times`` [T] seconds and ``raters`` [T] or [T, R]; or a list of each, where raters have time axes of their own,
    which are then brought onto one axis as fine as the finest of them. Rows are sorted by time; of rows with one time
    the last counts, and rows without a time do not. A value that is NaN, equal to a sentinel, or outside ``scale`` by
    more than rounding is not annotated; a moment is valid if at least one rater annotated it. ``lag`` (seconds) is how
    late annotators react: it is subtracted from the times.

    ``rate`` (Hz) asks for a regular axis. On a new axis a rating is interpolated linearly between two consecutive rows
    that are annotated, if they are no further apart than ``max_gap`` seconds or 4 median steps. A tool that writes a
    row only when the rater moves needs a ``rate``, because a window's label is the mean of its moments and would be
    that of the moments of change alone, and a ``max_gap`` as long as raters keep still.

    ``fusion`` is, over the raters who annotated a moment, their mean, their median, or the evaluator weighted estimator
    ``ewe``: the mean weighted by each rater's correlation, over the whole trace, with the mean of all raters including
    that one (Grimm and Kroschel, "Evaluation of natural emotions using self assessment manikins", ASRU 2005). A
    negative correlation counts as 0, and so does that of a rater who never moves; a moment that only such raters
    annotated is not valid. If no rater has a weight above 0, all count alike.

    Raises ``DatasetError`` naming ``where`` if no valid value is left.
    """
    import numpy as np
    import torch

    several = isinstance(times, list | tuple) and any(np.ndim(axis) > 0 for axis in times)
    axes, columns = (list(times), list(raters)) if several else ([times], [raters])
    if len(axes) != len(columns):
        raise DatasetError(f"{where}: {len(axes)} time axes but {len(columns)} raters")
    rows = [_rows(axis, column, where) for axis, column in zip(axes, columns, strict=True)]
    parts = [(axis, _annotated(values, scale, sentinels)) for axis, values in rows]
    if all(np.array_equal(axis, parts[0][0]) for axis, _ in parts[1:]) and rate is None:
        moments, ratings = parts[0][0], np.concatenate([values for _, values in parts], axis=1)
    else:
        moments, ratings = _on_one_axis(parts, rate, max_gap)
    fused = _fuse(ratings, fusion)
    valid = np.isfinite(fused)
    if not valid.any():
        count = sum(len(axis) for axis, _ in parts)
        low, high = scale
        raise DatasetError(f"{where}: no valid value in {count} rows (scale {low:g}..{high:g}, sentinels {sentinels})")
    return Trace(
        times=torch.from_numpy(moments - lag),
        values=torch.from_numpy(np.where(valid, fused, 0.0).astype(np.float32)),
        valid=torch.from_numpy(valid),
        scale=scale,
    )


def _rows(times: np.ndarray, raters: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Ascending distinct times [T] and values [T, R], both float64."""
    import numpy as np

    times = np.asarray(times, dtype=np.float64)
    values = np.asarray(raters, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if len(times) != len(values):
        raise DatasetError(f"{where}: {len(times)} times but {len(values)} values")
    order = np.argsort(times, kind="stable")
    order = order[np.isfinite(times[order])]
    times, values = times[order], values[order]
    last = np.append(times[1:] > times[:-1], True) if len(times) else np.zeros(0, dtype=bool)
    return times[last], values[last]


def _annotated(values: np.ndarray, scale: tuple[float, float], sentinels: tuple[float, ...]) -> np.ndarray:
    """``values`` with NaN wherever nothing was annotated."""
    import numpy as np

    low, high = scale
    slack = 1e-3 * (high - low)
    known = np.isfinite(values) & (values >= low - slack) & (values <= high + slack)
    for sentinel in sentinels:
        known &= values != sentinel
    return np.where(known, values, np.nan)


def _on_one_axis(
    parts: Sequence[tuple[np.ndarray, np.ndarray]], rate: float | None, max_gap: float
) -> tuple[np.ndarray, np.ndarray]:
    """A regular axis [T] from the first to the last moment of all ``parts``, and their ratings on it, [T, R]."""
    import numpy as np

    ends = [axis[place] for axis, _ in parts if len(axis) for place in (0, -1)]
    steps = [float(np.median(np.diff(axis))) for axis, _ in parts if len(axis) > 1]
    step = max(_FINEST, 1 / rate if rate is not None else min(steps, default=1.0))
    count = int((max(ends) - min(ends) + _SAME_TIME) / step) + 1 if ends else 0
    moments = min(ends, default=0.0) + np.arange(count) * step
    return moments, np.concatenate([_interpolated(moments, axis, values, max_gap) for axis, values in parts], axis=1)


def _interpolated(moments: np.ndarray, times: np.ndarray, values: np.ndarray, max_gap: float) -> np.ndarray:
    """Ratings [T, R] at ``moments``; NaN outside the annotation, in its holes, and beside what was not annotated."""
    import numpy as np

    if not len(times):
        return np.full((len(moments), values.shape[1]), np.nan)
    place = np.searchsorted(times, moments + _SAME_TIME, side="right") - 1
    before, after = np.clip(place, 0, None), np.clip(place + 1, None, len(times) - 1)
    steps, offset = times[after] - times[before], moments - times[before]
    hit = (place >= 0) & (np.abs(offset) <= _SAME_TIME)
    longest = max(_GAP_STEPS * float(np.median(np.diff(times))), max_gap) if len(times) > 1 else max_gap
    between = (place >= 0) & (steps > 0) & (steps <= longest)
    share = np.where(between, offset / np.where(steps > 0, steps, 1.0), 0.0)[:, None]
    mixed = (1 - share) * values[before] + share * values[after]
    return np.where(hit[:, None], values[before], np.where(between[:, None], mixed, np.nan))


def _fuse(ratings: np.ndarray, fusion: RaterFusion) -> np.ndarray:
    """One value a moment, float64 [T], from [T, R]; NaN where there is none."""
    import numpy as np

    known = np.isfinite(ratings)
    if fusion == "median":
        fused = np.full(len(ratings), np.nan)
        some = known.any(axis=1)
        fused[some] = np.nanmedian(ratings[some], axis=1)
        return fused
    weights = _agreement(ratings) if fusion == "ewe" else np.ones(ratings.shape[1])
    return _weighted(ratings, weights)


def _weighted(ratings: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the raters who annotated a moment, weighted by ``weights`` [R]; NaN where these add up to 0."""
    import numpy as np

    known = np.isfinite(ratings)
    total = (known * weights).sum(axis=1)
    summed = (np.where(known, ratings, 0.0) * weights).sum(axis=1)
    return np.where(total > 0, summed / np.where(total > 0, total, 1.0), np.nan)


def _agreement(ratings: np.ndarray) -> np.ndarray:
    """Each rater's correlation with the mean of all raters, at least 0, over that rater's moments; [R]."""
    import numpy as np

    mean = _weighted(ratings, np.ones(ratings.shape[1]))
    weights = np.zeros(ratings.shape[1])
    for rater, column in enumerate(ratings.T):
        known = np.isfinite(column)
        if known.sum() < 2:
            continue
        own, all_raters = column[known] - column[known].mean(), mean[known] - mean[known].mean()
        spread = float(np.sqrt((own**2).sum() * (all_raters**2).sum()))
        if spread > np.finfo(np.float64).eps * known.sum():
            weights[rater] = max(0.0, float((own * all_raters).sum()) / spread)
    return weights if weights.any() else np.ones(ratings.shape[1])


def standardize(recordings: Sequence[Recording], by: Standardization) -> list[Recording]:
    """The recordings with every trace in standard deviations from the mean of its session or of its subject.

    Mean and (population) standard deviation are those of a target's valid moments in all sessions of the group; the
    traces get the scale ``STANDARD_SCALE``. A trace that never changes becomes 0. Nothing is learnt from one group for
    another, so nothing leaks from training to test people.

    ``none`` is right where pairs are compared: the direction of change within a session, and a threshold relative to
    the session's range, do not depend on where a trace's zero lies or how wide it is. Thresholds relative to the
    scale, or absolute ones, do: they keep few pairs of a person whom raters saw as placid. ``subject`` makes them mean
    the same share of each person's own variation and keeps the differences between a person's sessions; ``session``
    takes these away too, for corpora where each session was rated by other people.
    """
    if by == "none":
        return list(recordings)
    keys = [recording.session if by == "session" else recording.subject for recording in recordings]
    moments: dict[tuple[str, str], tuple[float, float]] = {}
    for key in dict.fromkeys(keys):
        group = [recording for recording, own in zip(recordings, keys, strict=True) if own == key]
        for target in dict.fromkeys(target for recording in group for target in recording.annotations):
            traces = [recording.annotations[target] for recording in group if target in recording.annotations]
            moments[key, target] = _mean_and_spread(traces)
    return [
        replace(
            recording,
            annotations={
                target: _standardized(trace, *moments[key, target]) for target, trace in recording.annotations.items()
            },
        )
        for recording, key in zip(recordings, keys, strict=True)
    ]


def _mean_and_spread(traces: Sequence[Trace]) -> tuple[float, float]:
    import torch

    values = torch.cat([trace.values[trace.valid] for trace in traces]).double()
    return (float(values.mean()), float(values.std(correction=0))) if len(values) else (0.0, 0.0)


def _standardized(trace: Trace, mean: float, spread: float) -> Trace:
    import torch

    rounding = torch.finfo(torch.float32).eps * max(abs(mean), 1e-30)
    values = (trace.values.double() - mean) / spread if spread > rounding else torch.zeros_like(trace.values)
    return replace(trace, values=torch.where(trace.valid, values.float(), 0.0), scale=STANDARD_SCALE)


def window_labels(trace: Trace, windows: Windows, min_valid: float) -> tuple[Tensor, Tensor]:
    """Mean of the trace over each window of one session: values float32 [W] and valid bool [W].

    A window is valid if it holds an annotated moment and the annotated time in it is at least ``min_valid`` of its
    length, each moment standing for the time until the next one; see ``windows.coverage``.

    A trace with exactly one moment for each window, at its start, labels segments (``Recording.segments``): each window
    has its own value, also where the next one begins before it ends.
    """
    import torch

    from lasca_core.steps.windows import enough, summarise

    if torch.equal(trace.times, windows.starts):
        return trace.values, trace.valid
    mean, _, covered = summarise(trace.values[:, None], trace.times, trace.valid, windows.starts, windows.ends)
    return mean[:, 0], enough(covered, min_valid)
