"""The extractor `blendshape`: 58 features of the person's face in every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from lasca_core.api import Component, MediaError, Track
from lasca_face.choose import Chooser
from lasca_face.landmarker import LandmarkerPool, load_mediapipe
from lasca_face.names import FEATURES, POSE, RESOLUTION
from lasca_face.pins import FACE_LANDMARKER, FACE_LANDMARKER_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from lasca_core.api import Frames, Source
    from lasca_face.choose import Face
    from lasca_face.options import BlendshapeOptions
    from lasca_face.torch_landmarker import TorchLandmarker


class Blendshape(Component):
    """52 blendshapes in [0, 1], then pitch, roll, yaw in degrees and x, y, z in cm, by MediaPipe's Face Landmarker.

    Frames in which the person's face is not found are marked invalid and their values are 0.
    """

    names = FEATURES
    signed = frozenset(POSE)
    resolution = RESOLUTION
    options: BlendshapeOptions

    def prepare(self) -> None:
        """Fetch the model and load what computes with it: MediaPipe, or the networks onto the device."""
        if self._backend == "torch":
            _ = self._networks
        else:
            self._model()
            load_mediapipe()

    def close(self) -> None:
        """Drop the networks, and with them the memory they hold on the device."""
        self.__dict__.pop("_networks", None)

    def stream(self, source: Source) -> Iterator[Track]:
        """Yield one part of the track for each batch of frames; see ``Extractor.stream``."""
        if not source.has_video:
            raise MediaError(source.path, "has no video stream, which the extractor blendshape needs")
        chooser = Chooser(self.options.faces)
        with self._finder() as find:
            for frames in source.frames(self.options.batch_size, self.options.fps):
                times = frames.times.tolist()
                chosen = [chooser.choose(faces, time) for faces, time in zip(find(frames), times, strict=True)]
                yield _track(chosen, frames.times).to(self.runtime.device)

    @contextmanager
    def _finder(self) -> Iterator[Callable[[Frames], list[list[Face]]]]:
        """Finds the faces in each frame of a batch, with the backend that the options and the device call for."""
        if self._backend == "torch":
            networks, device = self._networks, self.runtime.device
            yield lambda frames: networks.detect(frames.images.to(device))
            return
        threads = 1 if self.options.mode == "video" else max(1, min(self.runtime.workers, self.options.batch_size))
        pool = LandmarkerPool(self._model(), self.options, threads)
        try:  # left also when the caller stops early: closing the generator raises GeneratorExit at the yield
            yield lambda frames: pool.detect(frames.images.cpu().numpy(), frames.times.tolist())
        finally:
            pool.close()

    @property
    def _backend(self) -> str:
        return self.options.backend_on(self.runtime.device.type)

    @cached_property
    def _networks(self) -> TorchLandmarker:
        from lasca_face.torch_landmarker import TorchLandmarker  # reads the model's graphs: not needed with MediaPipe

        return TorchLandmarker(self._model(), self.options).to(self.runtime.device)

    def _model(self) -> Path:
        return self.runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE


def _track(chosen: Sequence[Face | None], times: torch.Tensor) -> Track:
    values = np.zeros((len(chosen), len(FEATURES)), dtype=np.float32)
    for row, face in zip(values, chosen, strict=True):
        if face is not None:
            row[:] = face.values
    valid = torch.tensor([face is not None for face in chosen])
    return Track(FEATURES, torch.from_numpy(values), times, valid, Blendshape.signed)
