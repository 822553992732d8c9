"""Newton's method for many logistic regressions at once, each under a Gaussian prior of its own.

N sets of rows, T regressions on each of them, P rows, K columns; all float64. Sets that are smaller are padded: with
rows whose sign is 0, and with columns of zeros, whose weights stay where the prior has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import softplus

_STEPS = 200
_PRECISION = 1e-11
"""A regression has arrived when a step promises a smaller gain of log probability than this: a few millionths of
its weights' posterior standard deviation are left, however many rows there are. That step is still taken."""
_CERTAIN = 1e-8
"""A step that promises a smaller gain than this, relative to the loss, is taken without asking whether the loss falls:
rounding would answer."""
_CONTRACTION = 0.1
"""What a step must leave of the gain promised before it, or the curvature is taken anew. A step with the curvature of
an earlier place costs K / 2 times less than a curvature."""
_POOR = 0.5
"""The same for a step with the curvature of some rows: if it leaves more, the next curvature is that of all rows."""
_ROWS_A_COLUMN = 128
"""Rows for each column of which a curvature is made that need not be exact: it is wrong by about 1 / 11 then. More rows
make the steps more expensive, and hardly fewer."""
_AT_ONCE = {"cpu": 2**20}
"""Bytes of rows that are looked at at a time: on a CPU what its cache holds, elsewhere little beside its memory."""
_MUCH_AT_ONCE = 2**28


def device_with_float64(device: torch.device) -> torch.device:
    """``device``, or the CPU in place of Metal, which has no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def find_modes(
    x: Tensor,
    sign: Tensor,
    mean: Tensor,
    precision: Tensor,
    start: Tensor | None = None,
    curvature: Tensor | None = None,
) -> Tensor:
    """The weights w [N, T, K] with the smallest loss, the sum of log losses of the rows + (w - mean)' precision
    (w - mean) / 2.

    ``x`` [N, P, K]; ``sign`` [N, T, P], of any type: 1 for a rise, -1 for a fall, 0 for a row that the regression does
    not see; ``mean`` [N, K] and ``precision`` [N, T, K, K] of the prior; ``start`` [N, T, K] where the search begins,
    otherwise at ``mean``; ``curvature`` [N, T, K, K] of the log losses near there, if it is known (``curvature_near``).
    The loss is strictly convex, so there is one minimum, and what is searched for beside a regression does not matter
    to it beyond rounding. The slope is that of all rows; the curvature, which only decides how many steps it takes, is
    that of some of them where they are many.
    """
    center = mean[:, None]
    w = center.expand(*sign.shape[:2], -1) if start is None else start
    unseen = (sign == 0).sum(dim=-1) * math.log(2)

    def look(w: Tensor) -> tuple[Tensor, Tensor]:
        """Loss [N, T] and its slope [N, T, K]."""
        away = w - center
        slope = (precision @ away[..., None])[..., 0]
        loss = (away * slope).sum(dim=-1) / 2 - unseen
        for part in stretches(x):
            rows, direction = x[:, part], sign[..., part]
            miss = torch.bmm(w, rows.mT).mul_(direction).neg_()
            loss += softplus(miss).sum(dim=-1)
            slope.baddbmm_(miss.sigmoid_().mul_(direction), rows, alpha=-1)
        return loss, slope

    stride = _stride(sign, x.shape[2])
    if curvature is None:
        curvature = curvature_near(x, sign, w, stride=stride)
    root = _root(curvature + precision)
    rough = torch.ones_like(root[..., 0, 0], dtype=torch.bool)  # whose root may be that of some rows
    loss, slope = look(w)
    promised = torch.full_like(loss, torch.inf)
    for _ in range(_STEPS):
        step, gain = _step(root, slope)
        slow = (gain > _CONTRACTION * promised) & (gain > _PRECISION)
        if slow.any():
            exact = slow & rough & (gain > _POOR * promised) if stride > 1 else torch.zeros_like(slow)
            for renewed, every in ((slow & ~exact, stride), (exact, 1)):
                if renewed.any():
                    near = curvature_near(x, sign, w, renewed.any(dim=0), stride=every)
                    root = torch.where(renewed[..., None, None], _root(near + precision), root)
            rough = torch.where(slow, ~exact, rough)
            step, gain = _step(root, slope)
        going = gain > _PRECISION
        if not going.any():
            return w - step
        size = going.to(loss.dtype)
        while True:
            there = w - size[..., None] * step
            loss_there, slope_there = look(there)
            missed = (loss_there > loss - 1e-4 * size * gain) & (gain > _CERTAIN * loss) & (size > 1e-10)
            if not missed.any():
                break
            size = torch.where(missed, size / 2, size)
        promised = torch.where(size < 1, 0, gain)
        w, loss, slope = there, loss_there, slope_there
    return w


def curvature_at(x: Tensor, sign: Tensor, w: Tensor, wanted: Tensor | None = None) -> Tensor:
    """Second derivative [N, T, K, K] of the log losses at ``w`` [N, T, K]; 0 for those not ``wanted`` (bool [T])."""
    found = x.new_zeros(*w.shape, w.shape[-1])
    tasks = range(sign.shape[1]) if wanted is None else wanted.nonzero()[:, 0].tolist()
    scratch = None
    for part in stretches(x):
        rows = x[:, part]
        miss = torch.bmm(w, rows.mT).sigmoid_()
        weight = miss.mul_(1 - miss).mul_(sign[..., part].abs())[..., None]
        scratch = torch.empty_like(rows) if scratch is None else scratch[:, : rows.shape[1]]
        for task in tasks:
            found[:, task].baddbmm_(torch.mul(rows, weight[:, task], out=scratch).mT, rows)
    return found


def curvature_near(
    x: Tensor, sign: Tensor, w: Tensor, wanted: Tensor | None = None, *, stride: int | None = None
) -> Tensor:
    """About what ``curvature_at`` gives: from every ``stride``-th row, by default as few as suffice to find modes."""
    stride = _stride(sign, x.shape[2]) if stride is None else stride
    return curvature_at(x[:, ::stride], sign[..., ::stride], w, wanted).mul_(stride)


def _stride(sign: Tensor, columns: int) -> int:
    """Of how many rows one is enough for a curvature that need not be exact."""
    fewest = int((sign != 0).sum(dim=-1).min())
    return max(1, fewest // (_ROWS_A_COLUMN * max(1, columns)))


def stretches(x: Tensor) -> Iterator[slice]:
    """The rows of ``x`` [N, P, K], some at a time, so that what is computed of them stays small; not fewer than K, for
    which K x K sums are worth being fetched."""
    size = max(1, x.shape[2], _AT_ONCE.get(x.device.type, _MUCH_AT_ONCE) // max(1, x[:, :1].nbytes))
    return (slice(start, start + size) for start in range(0, x.shape[1], size))


def covariance_of(curvature: Tensor, precision: Tensor) -> Tensor:
    """Covariance [..., K, K] of the Gaussian with the second derivative of the log losses and of the prior."""
    return torch.cholesky_inverse(_root(curvature + precision))


def _root(matrix: Tensor) -> Tensor:
    root: Tensor = torch.linalg.cholesky(matrix)
    return root


def _step(root: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Newton's step [N, T, K] and the gain [N, T] that it promises."""
    step = torch.cholesky_solve(slope[..., None], root)[..., 0]
    return step, (slope * step).sum(dim=-1)
