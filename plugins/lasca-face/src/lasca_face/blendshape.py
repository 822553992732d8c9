"""The extractor `blendshape`: 58 features of the person's face in every frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

    from lasca_core.api import Source
    from lasca_face.choose import Face
    from lasca_face.options import BlendshapeOptions


class Blendshape(Component):
    """52 blendshapes in [0, 1], then pitch, roll, yaw in degrees and x, y, z in cm, by MediaPipe's Face Landmarker.

    Frames in which the person's face is not found are marked invalid and their values are 0.
    """

    names = FEATURES
    signed = frozenset(POSE)
    resolution = RESOLUTION
    options: BlendshapeOptions

    def prepare(self) -> None:
        """Fetch the model and import MediaPipe."""
        self._model()
        load_mediapipe()

    def stream(self, source: Source) -> Iterator[Track]:
        """Yield one part of the track for each batch of frames; see ``Extractor.stream``."""
        if not source.has_video:
            raise MediaError(source.path, "has no video stream, which the extractor blendshape needs")
        threads = 1 if self.options.mode == "video" else max(1, min(self.runtime.workers, self.options.batch_size))
        chooser = Chooser(self.options.faces)
        pool = LandmarkerPool(self._model(), self.options, threads)
        try:  # left also when the caller stops early: closing the generator raises GeneratorExit at the yield
            for frames in source.frames(self.options.batch_size, self.options.fps):
                times = frames.times.tolist()
                found = pool.detect(frames.images.cpu().numpy(), times)
                chosen = [chooser.choose(faces, time) for faces, time in zip(found, times, strict=True)]
                yield _track(chosen, frames.times).to(self.runtime.device)
        finally:
            pool.close()

    def _model(self) -> Path:
        return self.runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE


def _track(chosen: Sequence[Face | None], times: torch.Tensor) -> Track:
    values = np.zeros((len(chosen), len(FEATURES)), dtype=np.float32)
    for row, face in zip(values, chosen, strict=True):
        if face is not None:
            row[:] = face.values
    valid = torch.tensor([face is not None for face in chosen])
    return Track(FEATURES, torch.from_numpy(values), times, valid, Blendshape.signed)
