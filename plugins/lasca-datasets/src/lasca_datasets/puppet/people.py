"""The puppet's people: faces, voices and temperaments that differ from subject to subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lasca_datasets.puppet.expressions import SHAPES
from lasca_datasets.puppet.rig import Look


@dataclass(frozen=True)
class Voice:
    """``pitch`` Hz at rest; ``tract`` factor on all formants (above 1 for a shorter vocal tract); ``pace`` syllables a
    second; ``brightness`` octaves of the glottal source above the usual; ``expression`` how much arousal changes it."""

    pitch: float
    tract: float
    pace: float
    brightness: float
    expression: float


@dataclass(frozen=True)
class Subject:
    """One simulated person; ``rest`` is the resting expression and ``gain`` how strongly affect shows, by control."""

    look: Look
    rest: dict[str, float]
    gain: dict[str, float]
    blinks: float
    """Blinks a second."""
    voice: Voice


def meet(index: int, rng: np.random.Generator) -> Subject:
    """Person number ``index``, drawn from ``rng``; every other one is the portrait's mirror image."""
    tint = np.exp(0.10 * rng.standard_normal() + 0.05 * rng.standard_normal(3)).clip(0.75, 1.12)
    look = Look(
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        gamma=float(np.exp(rng.normal(0.1, 0.18))),
        mirrored=bool(index % 2),
        grain=float(rng.uniform(1.0, 3.0)),
    )
    rest = dict(zip(SHAPES, map(float, rng.normal(0.0, 0.7, len(SHAPES)).clip(-1.1, 1.1)), strict=True))
    rest |= {"smile": float(rng.normal(0.35, 0.25)), "frown": float(rng.normal(0.1, 0.15))}
    rest |= {name: float(rng.normal(0.0, 0.15)) for name in ("brow_inner", "brow_outer", "furrow", "squint", "lids")}
    gains = ("smile", "frown", "furrow", "squint", "brow_inner", "brow_outer", "lids", "jaw")
    gain = dict(zip(gains, map(float, np.exp(rng.normal(0.0, 0.35, len(gains))).clip(0.4, 2.0)), strict=True))
    tract = float(rng.uniform(0.0, 1.0))  # 0 a long tract with a low voice, 1 a short one with a high voice
    voice = Voice(
        pitch=float(105.0 * 2.0 ** (tract + 0.15 * rng.standard_normal())),
        tract=0.92 + 0.2 * tract,
        pace=float(rng.uniform(3.6, 4.8)),
        brightness=float(0.3 * rng.standard_normal()),
        expression=float(np.exp(0.25 * rng.standard_normal())),
    )
    return Subject(look, rest, gain, float(rng.uniform(0.15, 0.4)), voice)
