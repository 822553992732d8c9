"""Newton's method for many logistic regressions at once, each under a Gaussian prior of its own.

N sets of rows, T regressions on each of them, P rows, K columns; all float64. Sets that are smaller are padded: with
rows whose sign is 0, and with columns of zeros, whose weights stay where the prior has them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

_STEPS = 200
_PRECISION = 1e-12
"""A regression has arrived when a step promises a smaller gain than this, relative to the loss."""
_CERTAIN = 1e-8
"""A step that promises a smaller gain than this, relative to the loss, is taken without asking whether the loss falls:
rounding would answer."""
_CONTRACTION = 0.05
"""What a step must leave of the gain promised before it, or the curvature is taken anew. A step with the curvature of
an earlier place costs K / 2 times less than a curvature."""


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

    ``x`` [N, P, K]; ``sign`` [N, T, P]: 1 for a rise, -1 for a fall, 0 for a row that the regression does not see;
    ``mean`` [N, K] and ``precision`` [N, T, K, K] of the prior; ``start`` [N, T, K] where the search begins, otherwise
    at ``mean``; ``curvature`` [N, T, K, K] of the log losses near there, if it is known. The loss is strictly convex,
    so there is one minimum, and what is searched for beside a regression does not matter to it beyond rounding.
    """
    center = mean[:, None]
    w = center.expand(*sign.shape[:2], -1).clone() if start is None else start
    unseen = (sign == 0).sum(dim=-1) * math.log(2)

    def look(w: Tensor) -> tuple[Tensor, Tensor]:
        """Loss [N, T] and its slope [N, T, K]."""
        margin = torch.bmm(w, x.mT).mul_(sign)
        away = w - center
        pull = (precision @ away[..., None])[..., 0]
        loss = softplus(-margin).sum(dim=-1) - unseen + (away * pull).sum(dim=-1) / 2
        return loss, torch.bmm(margin.neg_().sigmoid_().mul_(-sign), x) + pull

    if curvature is None:
        curvature = curvature_at(x, sign, w)
    root = _root(curvature + precision)
    loss, slope = look(w)
    promised = torch.full_like(loss, torch.inf)
    for _ in range(_STEPS):
        step, gain = _step(root, slope)
        slow = (gain > _CONTRACTION * promised) & (gain > _PRECISION * loss)
        if slow.any():
            fresh = _root(curvature_at(x, sign, w, slow.any(dim=0)) + precision)
            root = torch.where(slow[..., None, None], fresh, root)
            step, gain = _step(root, slope)
        going = gain > _PRECISION * loss
        if not going.any():
            break
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
    miss = torch.bmm(w, x.mT).sigmoid_()
    weight = miss.mul_(1 - miss).mul_(sign.abs())
    found = x.new_zeros(*w.shape, w.shape[-1])
    for task in range(sign.shape[1]) if wanted is None else wanted.nonzero()[:, 0].tolist():
        torch.bmm((x * weight[:, task, :, None]).mT, x, out=found[:, task])
    return found


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
