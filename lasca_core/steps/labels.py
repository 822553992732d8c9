"""From raw annotation columns to one trace, and from a trace to one label a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lasca_core.contract.errors import DatasetError
from lasca_core.contract.types import Trace

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from lasca_core.contract.types import Windows

RaterFusion = Literal["mean", "median"]


def build_trace(
    times: np.ndarray,
    raters: np.ndarray,
    *,
    scale: tuple[float, float] = (-1.0, 1.0),
    sentinels: tuple[float, ...] = (-5.0,),
    lag: float = 0.0,
    fusion: RaterFusion = "mean",
    where: str = "annotation",
) -> Trace:
    """One clean trace from what annotators left in a file.

    ``times`` [T] seconds and ``raters`` [T] or [T, R]. Rows are sorted by time; of rows with one time the last counts,
    and rows without a time do not. A value that is NaN, equal to a sentinel, or outside ``scale`` by more than rounding
    is not annotated; a moment is valid if at least one rater annotated it. ``lag`` (seconds) is how late annotators
    react: it is subtracted from the times.

    Raises ``DatasetError`` naming ``where`` if no valid value is left.
    """
    import numpy as np
    import torch

    times = np.asarray(times, dtype=np.float64)
    values = np.asarray(raters, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if len(times) != len(values):
        raise DatasetError(f"{where}: {len(times)} times but {len(values)} values")

    order = np.argsort(times, kind="stable")
    order = order[np.isfinite(times[order])]
    times, values = times[order], values[order]
    last = np.append(times[1:] > times[:-1], True) if len(times) else np.zeros(0, dtype=bool)
    times, values = times[last], values[last]

    low, high = scale
    slack = 1e-3 * (high - low)
    known = np.isfinite(values) & (values >= low - slack) & (values <= high + slack)
    for sentinel in sentinels:
        known &= values != sentinel
    valid = known.any(axis=1)
    if not valid.any():
        raise DatasetError(
            f"{where}: no valid value in {len(times)} rows (scale {low:g}..{high:g}, sentinels {sentinels})"
        )

    annotated = np.where(known, values, np.nan)[valid]
    fused = np.zeros(len(times), dtype=np.float32)
    fused[valid] = np.nanmedian(annotated, axis=1) if fusion == "median" else np.nanmean(annotated, axis=1)
    return Trace(
        times=torch.from_numpy(times - lag),
        values=torch.from_numpy(fused),
        valid=torch.from_numpy(valid),
        scale=scale,
    )


def window_labels(trace: Trace, windows: Windows, min_valid: float) -> tuple[Tensor, Tensor]:
    """Mean of the trace over each window of one session: values float32 [W] and valid bool [W].

    A window is valid if it holds an annotated moment and the annotated time in it is at least ``min_valid`` of its
    length, each moment standing for the time until the next one; see ``windows.coverage``.
    """
    from lasca_core.steps.windows import enough, summarise

    mean, _, covered = summarise(trace.values[:, None], trace.times, trace.valid, windows.starts, windows.ends)
    return mean[:, 0], enough(covered, min_valid)
