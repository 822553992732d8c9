"""Laplace's approximation of Bayesian logistic regression under an independent Gaussian prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

_STEPS = 50
_PRECISION = 1e-9
"""Newton's method ends when a step promises a smaller gain than this, relative to the loss."""


@dataclass(frozen=True)
class Fit:
    """The approximate posterior: ``mean`` [K] and ``covariance`` [K, K]."""

    mean: Tensor
    covariance: Tensor


def fit_laplace(x: Tensor, label: Tensor, mean: Tensor, variance: Tensor, start: Tensor | None = None) -> Fit:
    """Posterior of the weights [K] for rows ``x`` [P, K] and ``label`` [P] in {0, 1}, all float64.

    The prior is N(mean [K], diag(variance [K])). The mode is found by Newton's method with halved steps, from ``start``
    or the prior's mean; the loss is strictly convex, so there is one. The covariance is the inverse of the second
    derivative there. Without rows the posterior is the prior.
    """
    precision = 1 / variance
    sign = 2 * label - 1

    def loss_at(w: Tensor) -> Tensor:
        return softplus(-sign * (x @ w)).sum() + ((w - mean) ** 2 * precision).sum() / 2

    w = mean.clone() if start is None else start
    loss = loss_at(w)
    for _ in range(_STEPS):
        probability = (x @ w).sigmoid()
        slope = x.T @ (probability - label) + (w - mean) * precision
        root = _cholesky(x, probability, precision)
        step = torch.cholesky_solve(slope[:, None], root)[:, 0]
        gain = slope @ step
        if gain <= _PRECISION * (1 + loss):
            break
        size = 1.0
        while loss_at(w - size * step) > loss - 1e-4 * size * gain and size > 1e-10:
            size /= 2
        w = w - size * step
        loss = loss_at(w)
    return Fit(w, torch.cholesky_inverse(_cholesky(x, (x @ w).sigmoid(), precision)))


def _cholesky(x: Tensor, probability: Tensor, precision: Tensor) -> Tensor:
    """Root of the loss's second derivative [K, K]."""
    curvature = (x.T * (probability * (1 - probability))) @ x
    root: Tensor = torch.linalg.cholesky(curvature + precision.diag())
    return root


def moderated(x: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Logits [P] of rows ``x`` [P, K] whose sigmoid is the probability averaged over a Gaussian posterior:
    logit / sqrt(1 + pi / 8 variance) (MacKay 1992)."""
    variance = ((x @ covariance) * x).sum(dim=1)
    return (x @ mean) / (1 + math.pi / 8 * variance).sqrt()


_USUAL_SPREAD = 0.5


def calibrate(logits: Tensor, label: Tensor) -> tuple[float, float]:
    """The factor by which ``logits`` [P] are best multiplied, and the labels' log probability then.

    The factor's logarithm has a Gaussian prior (0, 0.5^2), so that a handful of pairs does not make a model certain.
    Found by golden-section search: the logarithm of the posterior has one maximum in the factor's logarithm.
    """
    sign = 2 * label - 1

    def merit(log_factor: float) -> float:
        fit = -softplus(-sign * logits * math.exp(log_factor)).sum()
        return float(fit) - log_factor**2 / (2 * _USUAL_SPREAD**2)

    low, high = -4.0, 4.0
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > 1e-3:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if merit(left) > merit(right) else (left, high)
    best = (low + high) / 2
    return math.exp(best), merit(best)
