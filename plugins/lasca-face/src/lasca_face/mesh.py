"""What a face does: MediaPipe's 478 landmarks and 52 blendshapes, over a batch of regions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lasca_face.crops import Regions, crop
from lasca_face.images import Images
from lasca_face.tflite_graph import TFLiteGraph

LANDMARKS = 478
_SIZE = 256
# fmt: off
_BLENDSHAPE_LANDMARKS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80, 81,
    82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154,
    155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263,
    267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321,
    323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387,
    388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)
# fmt: on
"""The landmarks that the blendshape model reads: brows, eyes and irises, nose, mouth and outline."""


class Landmarks(NamedTuple):
    """The landmarks of N faces.

    ``points`` float32 [N, 478, 3]: x in widths of the frame, y in its heights, z in widths (smaller: nearer to
    the viewer); ``presence`` float32 [N]: how sure the model is that it saw a face, in [0, 1].
    """

    points: Tensor
    presence: Tensor


class LandmarkModel(nn.Module):
    """The landmarks of the face in each region; ``content`` is ``face_landmarks_detector.tflite``.

    Grishchenko et al. (2020), Attention mesh: high-fidelity face mesh prediction in real-time, arXiv:2006.10962.
    The network itself computes in ``dtype``; what is around it in float32.
    """

    def __init__(self, content: bytes, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.graph: nn.Module = TFLiteGraph(content).to(dtype)
        self._dtype = dtype

    def forward(self, images: Images, frames: Tensor, regions: Regions) -> Landmarks:
        """Face n is in the frame ``frames[n]`` of ``images`` at ``regions`` (fields [N])."""
        height, width = (side.index_select(0, frames).float() for side in (images.height, images.width))
        inputs = crop(images, frames, regions, _SIZE) * (1 / 255)
        found, presence, _ = (output.float() for output in self.graph(inputs.to(self._dtype)))
        x, y, z = (found.reshape(-1, LANDMARKS, 3) / _SIZE).unbind(-1)
        x, y = regions.place(x, y)
        # Depth is in widths of the region: what such a step to the right of it is in the frame's own measure.
        depth = regions.width * torch.hypot(regions.angle.cos() / width, regions.angle.sin() / height)
        points = torch.stack([x / width[:, None], y / height[:, None], z * depth[:, None]], -1)
        return Landmarks(points, presence.reshape(-1).sigmoid())


class BlendshapeModel(nn.Module):
    """Blendshapes from landmarks; ``content`` is ``face_blendshapes.tflite``.

    Grishchenko et al. (2023), Blendshapes GHUM: real-time monocular facial blendshape prediction, arXiv:2309.05782.
    """

    landmarks: Tensor

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.graph: nn.Module = TFLiteGraph(content)
        self.register_buffer("landmarks", torch.tensor(_BLENDSHAPE_LANDMARKS))

    def forward(self, points: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """``points`` [N, 478, 3] as in ``Landmarks``, of frames of these sizes [N] -> float32 [N, 52] in [0, 1]."""
        read = points.index_select(1, self.landmarks)
        shapes: Tensor
        (shapes,) = self.graph(torch.stack([read[..., 0] * width[:, None], read[..., 1] * height[:, None]], -1))
        return shapes
