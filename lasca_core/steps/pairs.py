"""Pairs of consecutive windows whose label changed enough to say in which direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lasca_core.contract.types import Pairs

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.contract.types import Windows

_OVERLAP = 0.2
"""Share of the shorter one by which two windows may overlap and still be a pair: annotators cut roughly."""

Threshold = Literal["range", "self", "scale", "absolute"]


def make_pairs(
    windows: Windows,
    labels: Tensor,
    labelled: Tensor,
    *,
    tau: float,
    strategy: Threshold,
    ranges: Tensor,
    scale: tuple[float, float],
    floor: float = 0.05,
    stride: int = 1,
) -> Pairs:
    """Pairs (t, t + stride) within a session, both windows valid and labelled, whose label changes by more than a
    threshold. ``stride`` rows later lies the next window that does not overlap (1 unless windows overlap).

    ``labels`` float32 [W], ``labelled`` bool [W]; ``ranges`` float32 [S]: highest minus lowest value of each session's
    trace. The threshold is, by ``strategy``: ``range`` tau x the session's range; ``self`` tau x |label of t|, which is
    taken to be at least ``floor`` of the scale; ``scale`` tau x the width of the annotation ``scale``; ``absolute`` tau
    itself. Exact ties are dropped too, and so are pairs of windows that overlap, as segments of a recording may.
    """
    import torch

    if len(windows) <= stride:
        nothing = windows.session[:0]
        return Pairs(
            nothing, nothing, labels[:0], labels[:0], {"invalid window": 0, "not annotated": 0, "change too small": 0}
        )
    earlier = (windows.session[stride:] == windows.session[:-stride]).nonzero()[:, 0]
    later = earlier + stride
    measured = windows.valid[earlier] & windows.valid[later]
    annotated = labelled[earlier] & labelled[later]
    change = labels[later] - labels[earlier]
    width = scale[1] - scale[0]
    threshold = {
        "range": lambda: tau * ranges[windows.session[earlier]],
        "self": lambda: tau * labels[earlier].abs().clamp(min=floor * width),
        "scale": lambda: torch.full_like(change, tau * width),
        "absolute": lambda: torch.full_like(change, tau),
    }[strategy]()
    enough = change.abs() > threshold
    apart = _apart(windows, earlier, later)
    left = measured & annotated & enough
    keep = (left & apart).nonzero()[:, 0]
    counted = [~measured, measured & ~annotated, measured & annotated & ~enough, left & ~apart]
    unmeasured, bare, small, overlaps = torch.stack(counted).sum(dim=1).tolist()  # the device is asked once
    return Pairs(
        earlier=earlier[keep],
        later=later[keep],
        label=(change[keep] > 0).float(),
        change=change[keep],
        dropped={
            "invalid window": unmeasured,
            "not annotated": bare,
            "change too small": small,
            **({"overlap": overlaps} if overlaps else {}),
        },
    )


def unlabelled_pairs(windows: Windows, stride: int = 1) -> Pairs:
    """All pairs (t, t + stride) within a session whose windows are valid, without labels (0 throughout)."""
    rows = windows.session.new_zeros(len(windows)).bool()
    if len(windows) > stride:
        same = windows.session[stride:] == windows.session[:-stride]
        rows[:-stride] = same & windows.valid[stride:] & windows.valid[:-stride]
    earlier = rows.nonzero()[:, 0]
    earlier = earlier[_apart(windows, earlier, earlier + stride)]
    nothing = windows.values.new_zeros(len(earlier))
    return Pairs(earlier, earlier + stride, label=nothing, change=nothing, dropped={})


def _apart(windows: Windows, earlier: Tensor, later: Tensor) -> Tensor:
    """Whether two windows lie one after the other, bool [P], but for a small overlap."""
    lengths = windows.ends - windows.starts
    overlap = windows.ends[earlier] - windows.starts[later]
    return overlap <= _OVERLAP * lengths[earlier].minimum(lengths[later])
