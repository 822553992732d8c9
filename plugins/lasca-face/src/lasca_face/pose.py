"""The head's pose from MediaPipe's facial transformation matrix: three angles and a place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def head_pose(matrix: NDArray[Any]) -> tuple[float, float, float, float, float, float]:
    """``matrix`` [4, 4] -> pitch, roll, yaw in degrees and x, y, z in cm.

    The matrix moves a canonical face into the space of a camera at the origin: x to the right of the image, y up, z
    towards the viewer (so the face lies at negative z). Its rotation is taken apart as R = Rz(roll) Ry(yaw) Rx(pitch),
    right-handed:

        pitch = atan2(R32, R33)    nodding;  positive: the nose points down
        yaw   = asin(-R31)         turning;  positive: the nose points to the right of the image
        roll  = atan2(R21, R11)    tilting;  positive: the head leans to the left of the image, counter-clockwise

    With this order, turning the image by an angle adds that angle to ``roll`` and nothing to the others, and mirroring
    it changes the signs of ``yaw``, ``roll`` and ``x`` alone. At yaw = +-90 degrees (a full profile, in which no face
    is found) pitch and roll would no longer be distinct. MediaPipe supposes a camera with a vertical field of view of
    63 degrees: with another lens the distance ``z`` is off by a constant factor.
    """
    (r11, _, _, x), (r21, _, _, y), (r31, r32, r33, z) = matrix[:3].astype(float).tolist()
    pitch = math.atan2(r32, r33)
    roll = math.atan2(r21, r11)
    yaw = math.asin(max(-1.0, min(1.0, -r31)))  # rounding may leave a rotation's entry just outside [-1, 1]
    return math.degrees(pitch), math.degrees(roll), math.degrees(yaw), x, y, z


def head_poses(matrices: Tensor) -> Tensor:
    """The same for many faces: ``matrices`` float32 [N, 4, 4] -> [N, 6], on their device."""
    angles = torch.stack(
        [
            torch.atan2(matrices[:, 2, 1], matrices[:, 2, 2]),
            torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0]),
            torch.asin((-matrices[:, 2, 0]).clamp(-1, 1)),
        ],
        -1,
    )
    return torch.cat([angles.rad2deg(), matrices[:, :3, 3]], -1)
