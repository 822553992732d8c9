"""MediaPipe's Face Landmarker as one torch module: whole batches of frames, on any device, each frame by itself."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lasca_core.api import float32_products
from lasca_face.blazeface import FaceDetector
from lasca_face.choose import Face
from lasca_face.crops import Regions
from lasca_face.fixed import FixedBatches
from lasca_face.geometry import FaceGeometry
from lasca_face.images import Images, OnItsWay, pack, to_device
from lasca_face.mesh import BlendshapeModel, LandmarkModel
from lasca_face.pose import head_poses

if TYPE_CHECKING:
    from lasca_face.options import BlendshapeOptions

_PLACE = 3
"""How many columns tell a face's place: x, y and size."""
_FACES_A_STEP, _FACES_A_STEP_ON_CPU = 128, 4
"""Faces that the landmark model sees at a time: about 10 MB each while it computes, which a CPU's cache should hold."""
_FRAMES_A_STEP, _FRAMES_A_STEP_ON_CPU = 32, 4
"""Frames that the detector sees at a time, always as many: a rounding in it moves the place where thousands of pixels
of a face are read, so a face must not depend on which frames, perhaps of other recordings, are in the same call."""
_COMPILED_SIZES, _COMPILED_SIZES_ON_CPU = (8, 128), (1, 4)
"""Batches that the other networks are compiled for: one for the pictures of a camera, one for recordings."""


class TorchLandmarker(nn.Module):
    """The three networks of ``face_landmarker.task`` and the geometry between and after them, on ``device``.

    What MediaPipe does in mode image, frame by frame, is done here in batches; tests/test_torch_backend.py says how
    close the results are. One thread at a time may use it.

    The host waits for the device at one point of a call: it must learn which faces the detector found, because to
    compute the landmarks at all ``max_faces`` places of every frame would cost several times as much. On a CUDA device
    all runs on a stream of its own, and the results are not waited for; so the device can still be at work on the
    landmarks of the call before when the next one's detection is queued.
    """

    def __init__(self, model: Path, options: BlendshapeOptions, device: torch.device) -> None:
        super().__init__()
        task = zipfile.ZipFile(io.BytesIO(model.read_bytes()))
        self._detector = FaceDetector(task.read("face_detector.tflite"), options.faces_sought, options.min_detection)
        self._landmarks = LandmarkModel(task.read("face_landmarks_detector.tflite"), options.dtype)
        self._blendshapes = BlendshapeModel(task.read("face_blendshapes.tflite"))
        self._geometry = FaceGeometry(task.read("geometry_pipeline_metadata_landmarks.binarypb"))
        self._min_presence = options.min_presence
        self._tensorfloat = options.precision == "tf32"
        self._device = device
        on_cpu = device.type == "cpu"
        self._faces_a_step = _FACES_A_STEP_ON_CPU if on_cpu else _FACES_A_STEP
        self._lane = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self.to(device)
        if options.compile:
            from lasca_face.compiled import Compiled

            sizes = _COMPILED_SIZES_ON_CPU if on_cpu else _COMPILED_SIZES
            self._landmarks.graph = FixedBatches(Compiled(self._landmarks.graph), sizes)
            self._blendshapes.graph = FixedBatches(Compiled(self._blendshapes.graph), sizes)
            self._detector.graph = Compiled(self._detector.graph)
        self._detector.graph = FixedBatches(self._detector.graph, [_FRAMES_A_STEP_ON_CPU if on_cpu else _FRAMES_A_STEP])

    def start(self, parts: Sequence[Tensor]) -> Found:
        """Begin to find the faces in the frames of all ``parts``, each uint8 [B, height, width, 3], on any device."""
        with self._working(parts):
            images = pack(parts, self._device)
            found, regions = self._detector(images)
            frames, places = found.shape
            rows = OnItsWay(found).get().flatten().nonzero()[:, 0]
            owners = (rows // places).tolist()
            if not owners:
                return Found(frames, owners, None)
            rows = to_device(rows, self._device)
            return Found(frames, owners, OnItsWay(self._faces(images, rows // places, regions.at(rows))))

    def detect(self, parts: Sequence[Tensor]) -> list[list[Face]]:
        """The faces in each frame of ``parts``, the surest first."""
        return self.start(parts).frames()

    def _faces(self, images: Images, frames: Tensor, regions: Regions) -> Tensor:
        """Whether a face is present, its x, y, size and features, for each region: float32 [N, 1 + 3 + 58]."""
        height, width = (side.index_select(0, frames).float() for side in (images.height, images.width))
        fields = (torch.split(field, self._faces_a_step) for field in (frames, *regions))
        steps = [self._landmarks(images, part, Regions(*region)) for part, *region in zip(*fields, strict=True)]
        points, presence = (torch.cat(field) for field in zip(*steps, strict=True))
        shapes = self._blendshapes(points, height, width)
        pose = head_poses(self._geometry(points, height, width))
        present = (presence > self._min_presence)[:, None]
        return torch.cat([present, _places(points, height / width), shapes, pose], -1)

    @contextlib.contextmanager
    def _working(self, parts: Sequence[Tensor]) -> Iterator[None]:
        with torch.inference_mode(), float32_products(self._device, tensorfloat=self._tensorfloat):
            if self._lane is None:
                yield
                return
            self._lane.wait_stream(torch.cuda.current_stream(self._device))  # frames may have been decoded there
            for part in parts:
                if part.device.type == "cuda":
                    part.record_stream(self._lane)
            with torch.cuda.stream(self._lane):
                yield


class Found:
    """The faces of a call, which may still be on their way to the host. One thread at a time may ask for them.

    ``owners`` says in which of ``count`` frames each row of ``table`` float32 [N, 1 + 3 + 58] was seen.
    """

    def __init__(self, count: int, owners: Sequence[int], table: OnItsWay | None) -> None:
        self._count = count
        self._owners = owners
        self._table = table

    def frames(self) -> list[list[Face]]:
        """The faces in each frame, the surest first."""
        frames: list[list[Face]] = [[] for _ in range(self._count)]
        if self._table is not None:
            for owner, row in zip(self._owners, self._table.get().numpy(), strict=True):
                present, x, y, size = row[: 1 + _PLACE].tolist()
                if present:
                    frames[owner].append(Face(row[1 + _PLACE :].copy(), x, y, size))
        return frames


def _places(points: Tensor, aspect: Tensor) -> Tensor:
    """Landmarks [N, 478, 3] -> x, y and size [N, 3] as in ``choose.Face``; ``aspect`` [N] is height by width."""
    x, y = points[..., 0], points[..., 1] * aspect[:, None]
    left, right, top, bottom = x.amin(1), x.amax(1), y.amin(1), y.amax(1)
    size = ((right - left) * (bottom - top)).sqrt()
    return torch.stack([(left + right - 1) / 2, (top + bottom - aspect) / 2, size], -1)
