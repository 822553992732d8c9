"""Rotated regions of frames, and the images cut out of them as MediaPipe cuts them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

_STEPS = 32


class Regions(NamedTuple):
    """Rotated rectangles in the pixels of frames: each field float32 [...], all of one shape.

    ``x`` and ``y`` are the middle, ``angle`` is in radians, clockwise as seen, since y points down.
    """

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    angle: Tensor

    def at(self, rows: Tensor) -> Regions:
        """The regions at ``rows`` int64 [N] of all regions in row-major order, each field [N]."""
        return Regions(*(field.reshape(-1)[rows] for field in self))

    def place(self, across: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
        """Points [N, P] in fractions of the regions, (0, 0) their upper left corner -> x and y in pixels [N, P]."""
        right = (across - 0.5) * self.width[:, None]
        below = (down - 0.5) * self.height[:, None]
        cos, sin = self.angle.cos()[:, None], self.angle.sin()[:, None]
        return self.x[:, None] + cos * right - sin * below, self.y[:, None] + sin * right + cos * below


def crop(images: Tensor, frames: Tensor, regions: Regions, size: int) -> Tensor:
    """Cut ``regions`` (fields [N]) out of ``images`` uint8 [B, height, width, 3]: float32 [N, size, size, 3].

    Region n lies in the image ``frames[n]``, whose edges are repeated where the region leaves it. Pixel i of the result
    is taken at the fraction i / size of the region, not at the middle of the pixel, and that place is rounded to 1/32
    of a pixel, as OpenCV's ``warpPerspective`` does, which MediaPipe uses and which its networks react to.
    """
    steps = torch.arange(size, device=images.device, dtype=torch.float32) / size
    x, y = regions.place(steps.repeat(1, size), steps.repeat_interleave(size)[None])
    x, y = (x * _STEPS).round() / _STEPS, (y * _STEPS).round() / _STEPS
    return sample(images, frames, x, y, "edge").reshape(-1, size, size, 3)


def sample(images: Tensor, frames: Tensor, x: Tensor, y: Tensor, outside: Literal["black", "edge"]) -> Tensor:
    """The colours at ``x``, ``y`` [N, P] of ``images`` uint8 [B, height, width, 3]: float32 [N, P, 3].

    Row n is read from the image ``frames[n]``; what is outside of it is black, or repeats its edge. The places are
    multiples of 1/32 of a pixel. Four neighbours are weighed and the result is rounded to a whole number from 0 to 255,
    halves upwards, as OpenCV does for bytes. With such places all of this is exact in float32, so every device finds
    the same colours. Values that are off by one in 1.5 % of the detector's input, which is what computing in other
    coordinates does to the many values that lie half way, change blendshapes by 5e-4 on average and by up to 0.02.
    """
    _, height, width, _ = images.shape
    left, top = x.floor(), y.floor()
    to_right, to_bottom = (x - left)[..., None], (y - top)[..., None]
    columns, rows = left.long(), top.long()
    pixels = images.reshape(-1, 3)
    first = (frames * (height * width))[:, None]

    def colours(row: Tensor, column: Tensor) -> Tensor:
        index = first + row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
        found = pixels.index_select(0, index.flatten()).reshape(*index.shape, 3).float()
        if outside == "edge":
            return found
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return found * inside[..., None]

    upper = colours(rows, columns).lerp(colours(rows, columns + 1), to_right)
    lower = colours(rows + 1, columns).lerp(colours(rows + 1, columns + 1), to_right)
    return (upper.lerp(lower, to_bottom) + 0.5).floor()
