"""Where the detector looks: the pixels of a frame in a square, to the last bit as OpenCV places them for MediaPipe.

The sampled places are rounded to 1/32 of a pixel. In frames whose longer side is no multiple of four, 854x480 for
instance, up to half of them lie exactly between two such steps, so that the last bit of OpenCV's matrix decides. The
detector reacts: rounding them in another way changes blendshapes by 5e-4 on average and by up to 0.04. So the matrix is
found here by the same double precision operations in the same order, once for each size of frames.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_STEPS = 32
"""Fractions of a pixel that are told apart."""
_BLOCK = 64
"""Columns that OpenCV computes from one starting point, when there are at least as many."""


def letterbox(height: int, width: int, size: int) -> Tensor:
    """Centres a frame in a square of its longer side: the places x, y of the square's pixels, float32 [2, size * size].

    They are in the pixels of the frame, in multiples of 1/32; outside of it they are negative or beyond its size.
    """
    side = float(max(height, width))
    left, top = (width - side) / 2, (height - side) / 2
    right, bottom = left + side, top + side
    corners = [(left, bottom), (left, top), (right, top), (right, bottom)]
    targets = [(0.0, float(size)), (0.0, 0.0), (float(size), 0.0), (float(size), float(size))]
    m = _inverse(_perspective(corners, targets))
    column, row = np.arange(size, dtype=np.float64)[None], np.arange(size, dtype=np.float64)[:, None]
    block = column // _BLOCK * _BLOCK
    within = column - block
    numerators = [(m[i] * block + m[i + 1] * row + m[i + 2]) + m[i] * within for i in (0, 3, 6)]
    factor = _STEPS / numerators[2]
    places = [np.rint(numerator * factor).astype(np.float32).ravel() / _STEPS for numerator in numerators[:2]]
    return torch.from_numpy(np.stack(places))


def _perspective(source: list[tuple[float, float]], target: list[tuple[float, float]]) -> list[float]:
    """The perspective transformation, 3x3 row by row, that takes four points to four others."""
    rows = [[x, y, 1.0, 0.0, 0.0, 0.0, -x * u, -y * u, u] for (x, y), (u, _) in zip(source, target, strict=True)]
    rows += [[0.0, 0.0, 0.0, x, y, 1.0, -x * v, -y * v, v] for (x, y), (_, v) in zip(source, target, strict=True)]
    return [*_solve(rows), 1.0]


def _solve(rows: list[list[float]]) -> list[float]:
    """Gaussian elimination with row pivots, for [A | b] row by row."""
    count = len(rows)
    for i in range(count):
        pivot = max(range(i, count), key=lambda j: abs(rows[j][i]))  # the first of equal ones
        rows[i], rows[pivot] = rows[pivot], rows[i]
        negative = -1 / rows[i][i]
        for j in range(i + 1, count):
            factor = rows[j][i] * negative
            for k in range(i + 1, count + 1):
                rows[j][k] += factor * rows[i][k]
    solution = [0.0] * count
    for i in reversed(range(count)):
        rest = rows[i][count]
        for k in range(i + 1, count):
            rest -= rows[i][k] * solution[k]
        solution[i] = rest / rows[i][i]
    return solution


def _inverse(m: list[float]) -> list[float]:
    """The inverse of a 3x3 matrix by its cofactors, both row by row."""
    a, b, c, d, e, f, g, h, i = m
    factor = 1 / (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
    cofactors = [
        *(e * i - f * h, c * h - b * i, b * f - c * e),
        *(f * g - d * i, a * i - c * g, c * d - a * f),
        *(d * h - e * g, b * g - a * h, a * e - b * d),
    ]
    return [cofactor * factor for cofactor in cofactors]
