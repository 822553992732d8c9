"""Rotated regions of frames, and the images cut out of them as MediaPipe cuts them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lasca_face.images import Images

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


def crop(images: Images, frames: Tensor, regions: Regions, size: int) -> Tensor:
    """Cut ``regions`` (fields [N]) out of ``images``: float32 [N, size, size, 3].

    Region n lies in the frame ``frames[n]``, whose edges are repeated where the region leaves it. Pixel i of the result
    is taken at the fraction i / size of the region, not at the middle of the pixel, and that place is rounded to 1/32
    of a pixel, as OpenCV's ``warpPerspective`` does, which MediaPipe uses and which its networks react to.
    """
    steps = torch.arange(size, device=frames.device, dtype=torch.float32) / size
    x, y = regions.place(steps.repeat(1, size), steps.repeat_interleave(size)[None])
    x, y = (x * _STEPS).round() / _STEPS, (y * _STEPS).round() / _STEPS
    return sample(images, frames, x, y, "edge").reshape(-1, size, size, 3)


def sample(images: Images, frames: Tensor, x: Tensor, y: Tensor, outside: Literal["black", "edge"]) -> Tensor:
    """The colours at ``x``, ``y`` [N, P] of ``images``: float32 [N, P, 3].

    Row n is read from the frame ``frames[n]``; what is outside of it is black, or repeats its edge. The places are
    multiples of 1/32 of a pixel. Four neighbours are weighed and the result is rounded to a whole number from 0 to 255,
    halves upwards, as OpenCV does for bytes. With such places all of this is exact in float32, so every device finds
    the same colours. Values that are off by one in 1.5 % of the detector's input, which is what computing in other
    coordinates does to the many values that lie half way, change blendshapes by 5e-4 on average and by up to 0.02.
    """
    first, height, width = (field.index_select(0, frames)[:, None] for field in images[1:4])
    left, top = x.floor(), y.floor()
    to_right, to_bottom = x - left, y - top
    # 32 bits suffice for the number of a pixel and halve the memory traffic of the indices.
    columns, rows = _neighbours(left.int(), width), _neighbours(top.int(), height)
    weights_across, weights_down = (1 - to_right, to_right), (1 - to_bottom, to_bottom)
    if outside == "black":
        weights_across = _inside(weights_across, left, width)
        weights_down = _inside(weights_down, top, height)
    # One colour after the other: then the weights, one for each place, fit all of them without being repeated.
    total = torch.full((3, x.numel()), 0.5, device=x.device)
    for row, down in zip(rows, weights_down, strict=True):
        start = first + row * width
        for column, across in zip(columns, weights_across, strict=True):
            found = images.pixels.index_select(0, (start + column).flatten())
            total.addcmul_(found.T.float(), (down * across).flatten())
    return total.floor_().T.reshape(*x.shape, 3)


def _neighbours(index: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """``index`` and the one after it, both moved into the frame, which is ``length`` long."""
    first, last = torch.zeros_like(length), length - 1
    return index.clamp(first, last), (index + 1).clamp(first, last)


def _inside(weights: tuple[Tensor, Tensor], index: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """The weights of ``index`` and of the one after it, 0 for what is outside of the frame."""
    here, after = (index >= 0) & (index < length), (index >= -1) & (index < length - 1)
    return weights[0] * here, weights[1] * after
