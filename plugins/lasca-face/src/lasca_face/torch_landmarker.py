"""MediaPipe's Face Landmarker as one torch module: whole batches of frames, on any device, each frame by itself."""

from __future__ import annotations

import contextlib
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lasca_face.blazeface import FaceDetector
from lasca_face.choose import Face
from lasca_face.crops import Regions
from lasca_face.geometry import FaceGeometry
from lasca_face.mesh import BlendshapeModel, LandmarkModel
from lasca_face.names import FEATURES
from lasca_face.pose import head_poses

if TYPE_CHECKING:
    from lasca_face.options import BlendshapeOptions

_switches_lock = threading.Lock()
_PLACE = 3
"""How many columns tell a face's place: x, y and size."""


class TorchLandmarker(nn.Module):
    """The three networks of ``face_landmarker.task`` and the geometry between and after them.

    What MediaPipe does in mode image, frame by frame, is done here in batches; tests/test_torch_backend.py says how
    close the results are. All is computed in full float32 on the device of the images, where the module must be too.

    On a CPU the landmarks of those faces alone are computed that the detector found. Elsewhere they are computed at all
    ``max_faces`` places of every frame and those without a face dropped at the end, because to ask the device for their
    number would make the host wait in the middle of the batch; ``fixed_shapes`` chooses this on a CPU too.
    """

    def __init__(self, model: Path, options: BlendshapeOptions, *, fixed_shapes: bool = False) -> None:
        super().__init__()
        task = zipfile.ZipFile(io.BytesIO(model.read_bytes()))
        self._detector = FaceDetector(task.read("face_detector.tflite"), options.faces_sought, options.min_detection)
        self._landmarks = LandmarkModel(task.read("face_landmarks_detector.tflite"))
        self._blendshapes = BlendshapeModel(task.read("face_blendshapes.tflite"))
        self._geometry = FaceGeometry(task.read("geometry_pipeline_metadata_landmarks.binarypb"))
        self._min_presence = options.min_presence
        self._fixed_shapes = fixed_shapes

    def detect(self, images: Tensor) -> list[list[Face]]:
        """The faces in each frame of ``images`` uint8 [B, height, width, 3], the surest first."""
        found, values, places = self(images)
        # One transfer for all of it: what the device has queued is waited for once.
        table = torch.cat([found[..., None], places, values], -1).cpu().numpy()
        return [[Face(row[4:].copy(), *row[1:4].tolist()) for row in frame if row[0]] for frame in table]

    @torch.inference_mode()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``images`` uint8 [B, height, width, 3] -> found bool [B, K], values float32 [B, K, 58], places [B, K, 3].

        K is ``max_faces``; the places are x, y and size as in ``choose.Face``. Where no face is found, both are 0.
        """
        with full_precision(images.device):
            found, regions = self._detector(images)
            if self._fixed_shapes or images.device.type != "cpu":
                rows = torch.arange(found.numel(), device=images.device)
            else:
                rows = found.flatten().nonzero()[:, 0]
            present, faces = self._faces(images, rows // found.shape[1], regions.at(rows))
            present = present & found.flatten()[rows]
            faces = torch.where(present[:, None], faces, 0)
            values = faces.new_zeros(found.numel(), faces.shape[1]).index_copy(0, rows, faces)
            found = torch.zeros_like(found).flatten().index_copy(0, rows, present).reshape(found.shape)
            values = values.reshape(*found.shape, _PLACE + len(FEATURES))
            return found, values[..., _PLACE:], values[..., :_PLACE]

    def _faces(self, images: Tensor, frames: Tensor, regions: Regions) -> tuple[Tensor, Tensor]:
        """Present bool [N], and x, y, size and the features of the face in each region [N, 3 + 58]."""
        height, width = images.shape[1:3]
        points, presence = self._landmarks(images, frames, regions)
        shapes = self._blendshapes(points, height, width)
        pose = head_poses(self._geometry(points, height, width))
        faces = torch.cat([_places(points, height / width), shapes, pose], -1)
        return presence > self._min_presence, faces


def _places(points: Tensor, aspect: float) -> Tensor:
    """Landmarks [N, 478, 3] -> x, y and size [N, 3] as in ``choose.Face``; ``aspect`` is height by width."""
    x, y = points[..., 0], points[..., 1] * aspect
    left, right, top, bottom = x.amin(1), x.amax(1), y.amin(1), y.amax(1)
    size = ((right - left) * (bottom - top)).sqrt()
    return torch.stack([(left + right - 1) / 2, (top + bottom - aspect) / 2, size], -1)


@contextlib.contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Convolutions and products on a CUDA device in full float32 inside this block, not in TensorFloat-32.

    TensorFloat-32 would change blendshapes by 5e-3. Its switches belong to the whole process, so they are put back
    afterwards, and one thread at a time has them.
    """
    if device.type != "cuda":
        yield
        return
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    switches: list[tuple[Any, str, object]]
    if hasattr(cudnn, "conv"):  # torch 2.9 and newer, where the older switches may not be readable
        switches = [(owner, "fp32_precision", "ieee") for owner in (cudnn.conv, products)]
    else:
        switches = [(owner, "allow_tf32", False) for owner in (cudnn, products)]
    with _switches_lock:
        before = [getattr(owner, name) for owner, name, _ in switches]
        try:
            for owner, name, value in switches:
                setattr(owner, name, value)
            yield
        finally:
            for (owner, name, _), value in zip(switches, before, strict=True):
                setattr(owner, name, value)
