"""Which landmarks an expression moves, and how far: the tables behind the rig's controls."""

from __future__ import annotations

from collections.abc import Sequence

from lasca_datasets.puppet import landmarks as lm

Displacements = Sequence[tuple[tuple[int, ...], tuple[float, float]]]
"""(landmarks, (outwards from the nose, downwards)) in face widths; of a landmark named twice the movements add up."""

RELAXED: Displacements = (
    (lm.CORNERS, (-0.055, 0.05)),
    (lm.INNER_CORNERS, (-0.055, 0.045)),
    ((191, 415, 95, 324), (-0.04, 0.02)),
    ((40, 270, 91, 321), (-0.035, 0.015)),
    ((80, 310, 88, 318), (-0.02, 0.008)),
    ((39, 269, 181, 405), (-0.02, 0.0)),
    ((144, 145, 153, 373, 374, 380), (0.0, 0.012)),
)
"""From the portrait's smile to a relaxed face, lips apart still."""
EXPRESSIONS: dict[str, Displacements] = {
    "smile": (
        (lm.CORNERS, (0.05, -0.05)),
        (lm.INNER_CORNERS, (0.05, -0.045)),
        ((191, 415, 95, 324, 40, 270, 91, 321), (0.03, -0.022)),
        ((80, 310, 88, 318, 39, 269, 181, 405), (0.015, -0.006)),
        (lm.CHEEKS, (0.015, -0.03)),
        (lm.UPPER_CHEEKS, (0.005, -0.02)),
        (lm.LOWER_LIDS, (0.0, -0.012)),
    ),
    "frown": (
        (lm.CORNERS, (0.0, 0.06)),
        (lm.INNER_CORNERS, (0.0, 0.05)),
        ((191, 415, 95, 324, 91, 321), (0.0, 0.025)),
        ((17, 84, 314, 87, 14, 317), (0.0, -0.012)),
        ((18, 83, 313), (0.0, -0.025)),
    ),
    "press": (
        (lm.UPPER_LIP_OUTER, (0.0, 0.018)),
        (lm.LOWER_LIP_OUTER, (0.0, -0.022)),
        (lm.CORNERS, (0.02, 0.0)),
    ),
    "brow_inner": ((lm.BROW_INNER, (0.0, -0.06)), (lm.BROW_MIDDLE, (0.0, -0.03)), (lm.GLABELLA, (0.0, -0.015))),
    "brow_outer": ((lm.BROW_OUTER, (0.0, -0.06)), (lm.BROW_MIDDLE, (0.0, -0.03))),
    "furrow": (
        (lm.BROW_INNER, (-0.025, 0.055)),
        (lm.BROW_MIDDLE, (-0.012, 0.05)),
        (lm.BROW_OUTER, (0.0, 0.03)),
        (lm.GLABELLA, (0.0, 0.015)),
    ),
    "squint": ((lm.LOWER_LIDS, (0.0, -0.03)), ((101, 330), (0.0, -0.015))),
}
"""What a face does, each at its full strength."""
SHAPES: dict[str, Displacements] = {
    "wide_face": ((lm.SIDES, (0.03, 0.0)), (lm.JAW_LINE, (0.03, 0.0)), ((149, 378, 150, 379), (0.025, 0.0))),
    "long_chin": ((lm.CHIN, (0.0, 0.03)), (lm.JAW_LINE, (0.0, 0.015))),
    "wide_mouth": (
        (lm.CORNERS, (0.02, 0.0)),
        (lm.INNER_CORNERS, (0.02, 0.0)),
        ((191, 415, 95, 324, 40, 270), (0.012, 0.0)),
    ),
    "large_eyes": ((lm.UPPER_LIDS, (0.0, -0.01)), (lm.LOWER_LIDS, (0.0, 0.008))),
    "wide_nose": ((lm.NOSE_WINGS, (0.02, 0.005)), ((1, 2, 4), (0.0, 0.015))),
    "high_brows": (((*lm.BROW_INNER, *lm.BROW_MIDDLE, *lm.BROW_OUTER), (0.0, -0.02)),),
}
"""What a face is like."""
JAW_SHARES: tuple[tuple[tuple[int, ...], float], ...] = (
    ((178, 87, 14, 317, 402, 181, 84, 17, 314, 405), 1.0),
    ((18, 83, 313, 152, 148, 377, 176, 400), 0.95),
    ((88, 318, 149, 378), 0.75),
    ((91, 321, 150, 379), 0.62),
    ((95, 324, 136, 365), 0.45),
    ((172, 397), 0.3),
    ((*lm.CORNERS, *lm.INNER_CORNERS), 0.18),
)
"""How much of the jaw's drop each landmark follows."""
