"""Temperature scaling: probabilities that mean what they say, with the same decisions (Guo et al. 2017)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_SURE = 1e-7
"""Probabilities are taken to be at least so far from 0 and 1: a logit must be finite."""
LIMITS = (0.2, 20.0)
"""Temperatures that are chosen from: beyond them a validation set says no more than "far too cautious" or "knows
nothing"."""
_SPREAD = 0.5
"""How far the logarithm of a temperature lies from 0 before any pair has been seen: a dozen pairs of one person must
not turn a fair model into a sure or a mute one."""


def at_temperature(probability: Tensor, temperature: float) -> Tensor:
    """``probability`` float32 [P] with its logits divided by ``temperature``; no direction changes sides."""
    if temperature == 1.0:
        return probability
    return (_logit(probability) / temperature).sigmoid().to(probability)


def logit(probability: Tensor) -> Tensor:
    """The logits [P] of ``probability``, finite also for 0 and 1."""
    return _logit(probability).to(probability)


def _logit(probability: Tensor) -> Tensor:
    """In float64, which Metal does not have: there on the CPU."""
    wide = probability.cpu() if probability.device.type == "mps" else probability
    return wide.double().clamp(_SURE, 1 - _SURE).logit()


def fit_temperature(probability: Tensor, label: Tensor) -> float:
    """The most probable temperature within ``LIMITS``, given pairs that were not trained on; 1 without any.

    ``probability`` and ``label`` [P]. Minimised is the log loss of all pairs plus the penalty of a normal prior on the
    temperature's logarithm, by bisection of the slope.
    """
    # On the CPU: a slope is a few thousand additions, and is looked at dozens of times, one after the other.
    logits, truth = _logit(probability).cpu(), label.cpu().double()

    def slope(inverse: float) -> float:
        """Of what is minimised, along the logarithm of 1 / temperature."""
        scaled = logits * inverse
        return float((scaled * (scaled.sigmoid() - truth)).sum()) + math.log(inverse) / _SPREAD**2

    low, high = 1 / LIMITS[1], 1 / LIMITS[0]
    if slope(low) >= 0:
        return LIMITS[1]
    if slope(high) <= 0:
        return LIMITS[0]
    while high - low > 1e-6 * high:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 2 / (low + high)
