"""Where a head is and how it is turned: MediaPipe's facial transformation matrix, over a batch of faces."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

_FIELD_OF_VIEW = math.radians(63)
"""Vertical; of the camera that MediaPipe supposes. Its near plane is at 1 cm."""
_SQUARINGS = 12


class FaceGeometry(nn.Module):
    """Fits a canonical face to landmarks; ``content`` is ``geometry_pipeline_metadata_landmarks.binarypb``.

    The landmarks are perspective projections whose depth is known only relative to each other and to their width. So
    the canonical face, whose size in cm is known, is fitted to them as they lie on the near plane, which gives a first
    idea of the distance; the landmarks are moved out to there, the fit gives a better scale, and with both scales the
    landmarks are moved once more and the final transformation is fitted.
    """

    canonical: Tensor
    weights: Tensor

    def __init__(self, content: bytes) -> None:
        super().__init__()
        canonical, weights = _read(content)
        self.register_buffer("canonical", canonical)
        self.register_buffer("weights", weights)

    def forward(self, points: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """``points`` [N, 478, 3] as in ``mesh.Landmarks``, of frames of these sizes [N] -> float32 [N, 4, 4], in cm."""
        x, y, z = points[:, : len(self.canonical)].unbind(-1)
        tall = 2 * math.tan(_FIELD_OF_VIEW / 2)
        wide = (tall * width / height)[:, None]
        x, y, z = (x - 0.5) * wide, (0.5 - y) * tall, z * wide
        middle = z.mean(1, keepdim=True)

        def moved_out(scale: Tensor) -> Tensor:
            distance = (z - middle + 1) / scale[:, None]
            return torch.stack([x * distance, y * distance, -distance], -1)

        _, _, first = similarity(self.canonical, torch.stack([x, y, -z], -1), self.weights)
        _, _, second = similarity(self.canonical, moved_out(first), self.weights)
        rotation, shift, scale = similarity(self.canonical, moved_out(first * second), self.weights)
        matrices = torch.eye(4, device=points.device).repeat(len(points), 1, 1)
        matrices[:, :3, :3] = rotation * scale[:, None, None]
        matrices[:, :3, 3] = shift
        return matrices


def similarity(source: Tensor, target: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rotation R [N, 3, 3], shift t [N, 3] and scale s [N] with the least sum of weights * |s R source + t - target|^2.

    ``source`` [P, 3], ``target`` [N, P, 3], ``weights`` [P]. Never a reflection. The scale is the one that fits source
    to target, as in Umeyama (1991), Least-squares estimation of transformation parameters between two point patterns.
    The rotation is found as a unit quaternion, the eigenvector of the largest eigenvalue of a symmetric 4x4 matrix
    (Horn 1987, Closed-form solution of absolute orientation using unit quaternions, JOSA A 4(4)). Squaring the matrix
    again and again leaves that eigenvector alone: unlike a library's decompositions, this does not make a GPU wait for
    the host to look for failures.
    """
    weights = weights / weights.sum()
    source_middle = weights @ source
    target_middle = weights @ target
    source, target = source - source_middle, target - target_middle[:, None]
    symmetric = _horn((source * weights[:, None]).T @ target)
    norm = torch.linalg.matrix_norm(symmetric)[:, None, None]
    power = symmetric + norm * torch.eye(4, device=target.device)  # no eigenvalue is negative, so the largest wins
    for _ in range(_SQUARINGS):
        power = power / power.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
        power = power @ power
    # All columns are multiples of the eigenvector; the longest is the most exact.
    longest = power.diagonal(dim1=1, dim2=2).argmax(1)
    quaternion = nn.functional.normalize(power.take_along_dim(longest[:, None, None], 2)[..., 0])
    rotation = _rotation(quaternion)
    explained = (quaternion[:, None] @ symmetric @ quaternion[..., None])[:, 0, 0]
    scale = explained / (weights * source.square().sum(-1)).sum()
    shift = target_middle - scale[:, None] * (rotation @ source_middle)
    return rotation, shift, scale


def _horn(products: Tensor) -> Tensor:
    """Sums of products of coordinates S [N, 3, 3] (source by target) -> Horn's matrix [N, 4, 4] for w, x, y, z."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in products.unbind(1))
    rows = [
        [xx + yy + zz, yz - zy, zx - xz, xy - yx],
        [yz - zy, xx - yy - zz, xy + yx, zx + xz],
        [zx - xz, xy + yx, yy - xx - zz, yz + zy],
        [xy - yx, zx + xz, yz + zy, zz - xx - yy],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], 1)


def _rotation(quaternion: Tensor) -> Tensor:
    """Unit quaternions w, x, y, z [N, 4] -> rotation matrices [N, 3, 3]."""
    w, x, y, z = quaternion.unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], 1)


# --- the metadata: a protocol buffer of a mesh and of the landmarks that count in the fit -----------------------------

_MESH, _BASIS = 1, 2  # fields of the whole
_VERTICES = 3  # a field of the mesh: x, y, z and two texture coordinates of each vertex
_VERTEX_SIZE = 5
_LANDMARK, _WEIGHT = 1, 2  # fields of an entry of the basis


def _read(content: bytes) -> tuple[Tensor, Tensor]:
    """The canonical face float32 [468, 3] in cm, and the weight of each of its vertices in the fit [468]."""
    vertices: list[float] = []
    weights: dict[int, float] = {}
    for field, value in _fields(content):
        if field == _MESH and isinstance(value, bytes):
            for inner, data in _fields(value):
                if inner == _VERTICES and isinstance(data, bytes):  # one number, or many packed together
                    vertices.extend(np.frombuffer(data, "<f4").tolist())
        elif field == _BASIS and isinstance(value, bytes):
            entry = dict(_fields(value))
            landmark, weight = entry.get(_LANDMARK, 0), entry[_WEIGHT]
            if isinstance(landmark, int) and isinstance(weight, bytes):
                weights[landmark] = struct.unpack("<f", weight)[0]
    canonical = torch.tensor(vertices).reshape(-1, _VERTEX_SIZE)[:, :3].contiguous()
    return canonical, torch.tensor([weights.get(index, 0.0) for index in range(len(canonical))])


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer message: (number, value), the value an integer or the bytes of anything else."""
    position = 0

    def integer() -> int:
        nonlocal position
        value, shift = 0, 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while position < len(message):
        tag = integer()
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            yield number, integer()
            continue
        length = {1: 8, 5: 4}.get(kind) or integer()
        yield number, message[position : position + length]
        position += length
