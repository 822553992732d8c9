"""What the puppet feels, and what simulated raters make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Curve = Callable[[np.ndarray], np.ndarray]
"""A smooth function of time: seconds [T] -> values [T]."""

ANNOTATION_RATE = 10.0
_RATERS = 3


def wander(rng: np.random.Generator, shortest: float, longest: float) -> Curve:
    """A random smooth curve of mean 0 and variance 1: eight sinusoids with periods between these, in seconds."""
    period = np.exp(rng.uniform(np.log(shortest), np.log(longest), 8))
    phase = rng.uniform(0.0, 2.0 * np.pi, 8)
    return lambda times: np.asarray(np.sin(2.0 * np.pi * times[:, None] / period + phase).sum(1) / 2.0)


@dataclass(frozen=True)
class Affect:
    """Valence and arousal over a session, each a curve in [-1, 1]."""

    valence: Curve
    arousal: Curve


def feel(rng: np.random.Generator) -> Affect:
    """Affect that rises and falls with periods of 7 to 24 s, valence and arousal independently."""
    valence, arousal = wander(rng, 7.0, 24.0), wander(rng, 7.0, 24.0)
    return Affect(lambda times: 0.85 * np.tanh(valence(times)), lambda times: 0.85 * np.tanh(arousal(times)))


def rate(curve: Curve, times: np.ndarray, lag: float, noise: float, rng: np.random.Generator) -> np.ndarray:
    """The mean of several raters who follow ``curve``, float64 [T] in [-1, 1].

    Each rater reacts about ``lag`` seconds late (+- 30 %), uses the scale in his own way, and strays slowly with
    standard deviation ``noise``, half of it (in variance) together with the others, since they saw the same video.
    """
    shared = wander(rng, 4.0, 15.0)(times)
    raters = []
    for _ in range(_RATERS):
        late = lag * max(0.0, 1.0 + 0.3 * rng.standard_normal())
        gain, bias = 1.0 + 0.15 * rng.standard_normal(), 0.08 * rng.standard_normal()
        stray = noise * np.sqrt(0.5) * (shared + wander(rng, 4.0, 15.0)(times))
        raters.append((gain * curve(times - late) + bias + stray).clip(-1.0, 1.0))
    return np.asarray(np.mean(raters, axis=0))
