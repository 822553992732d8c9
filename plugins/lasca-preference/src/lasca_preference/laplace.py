"""What follows from a Gaussian posterior of a logistic regression's weights: averaged probabilities, calibrated."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

_USUAL_SPREAD = 0.5
_RATIO = (math.sqrt(5) - 1) / 2


def moderated(x: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Logits [..., P] of rows ``x`` [..., P, K] whose sigmoid is the probability averaged over a Gaussian posterior,
    ``mean`` [..., K] and ``covariance`` [..., K, K]: logit / sqrt(1 + pi / 8 variance) (MacKay 1992)."""
    variance = ((x @ covariance) * x).sum(dim=-1)
    return (x @ mean[..., None])[..., 0] / (1 + math.pi / 8 * variance).sqrt()


def calibrate(logits: Tensor, sign: Tensor) -> tuple[Tensor, Tensor]:
    """The factors [T] by which ``logits`` [T, P] are best multiplied, and the labels' log probability [T] then.

    ``sign`` [T, P] is 1 for a rise, -1 for a fall, 0 for padding. The factor's logarithm has a Gaussian prior
    (0, 0.5^2), so that a handful of pairs does not make a model certain. Found by golden-section search: the logarithm
    of the posterior has one maximum in the factor's logarithm.
    """
    margin = sign * logits
    padding = (sign == 0).sum(dim=-1) * math.log(2)

    def merit(log_factor: Tensor) -> Tensor:
        fit = padding - softplus(-margin * log_factor.exp()[:, None]).sum(dim=-1)
        return fit - log_factor**2 / (2 * _USUAL_SPREAD**2)

    low = margin.new_full((len(margin),), -4.0)
    width = 8.0
    left, right = low + (1 - _RATIO) * width, low + _RATIO * width
    at_left, at_right = merit(left), merit(right)
    while width > 1e-3:
        width *= _RATIO
        lower = at_left > at_right  # the maximum lies left of ``right``
        low = torch.where(lower, low, left)
        new = torch.where(lower, low + (1 - _RATIO) * width, low + _RATIO * width)
        at_new = merit(new)
        left, right = torch.where(lower, new, right), torch.where(lower, left, new)
        at_left, at_right = torch.where(lower, at_new, at_right), torch.where(lower, at_left, at_new)
    best = low + width / 2
    return best.exp(), merit(best)
