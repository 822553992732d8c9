"""The extractor `blendshape`: 58 features of the person's face in every frame."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lasca_core.api import Component, DeviceError, MediaError, Runtime, Track
from lasca_face.ahead import ahead
from lasca_face.choose import Chooser
from lasca_face.landmarker import LandmarkerPool, load_mediapipe
from lasca_face.names import FEATURES, POSE, RESOLUTION
from lasca_face.pins import FACE_LANDMARKER, FACE_LANDMARKER_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from lasca_core.api import Source
    from lasca_face.choose import Face
    from lasca_face.finder import Finder
    from lasca_face.options import BlendshapeOptions


class Blendshape(Component):
    """52 blendshapes in [0, 1], then pitch, roll, yaw in degrees and x, y, z in cm, by MediaPipe's Face Landmarker.

    Frames in which the person's face is not found are marked invalid and their values are 0.
    """

    names = FEATURES
    signed = frozenset(POSE)
    resolution = RESOLUTION
    concurrent = True
    options: BlendshapeOptions

    def __init__(self, options: Any, runtime: Runtime) -> None:
        super().__init__(options, runtime)
        self._shared: Finder | None = None
        self._opening = threading.Lock()

    def prepare(self) -> None:
        """Fetch the model and load what computes with it: MediaPipe, or the networks onto the device."""
        if self.options.mode == "image":
            self._finder()
        else:
            self._model()
            load_mediapipe()

    def close(self) -> None:
        """Close MediaPipe's landmarkers, or drop the networks and with them the memory they hold on the device."""
        with self._opening:
            shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()

    def stream(self, source: Source) -> Iterator[Track]:
        """Yield one part of the track for each batch of frames; see ``Extractor.stream``.

        The next batch is decoded, and its faces are looked for, while the caller works on the one before.
        """
        if not source.has_video:
            raise MediaError(source.path, "has no video stream, which the extractor blendshape needs")
        chooser = Chooser(self.options.faces)
        frames = source.frames(self.options.frames_at_once(self._device.type), self.options.fps)
        with self._finder_of_a_stream() as finder, closing(ahead(frames, finder.start)) as begun:
            for batch, answer in begun:
                times = batch.times.tolist()
                chosen = [chooser.choose(faces, time) for faces, time in zip(answer.get(), times, strict=True)]
                yield _track(chosen, batch.times).to(self._device)

    @contextmanager
    def _finder_of_a_stream(self) -> Iterator[Finder]:
        """What all streams share in mode image; in mode video a landmarker that remembers one recording alone."""
        if self.options.mode == "image":
            yield self._finder()
            return
        pool = self._mediapipe(1)
        try:  # left also when the caller stops early: closing the generator raises GeneratorExit at the yield
            yield pool
        finally:
            pool.close()

    def _finder(self) -> Finder:
        """What finds faces in mode image, loaded when it is first asked for."""
        with self._opening:  # streams run in several threads
            if self._shared is None:
                on_torch = self.options.backend_on(self._device.type) == "torch"
                self._shared = self._torch() if on_torch else self._mediapipe(max(1, self.runtime.workers))
            return self._shared

    def _torch(self) -> Finder:
        # They read the model's graphs with a library that MediaPipe does not need.
        from lasca_face.torch_finder import TorchFinder
        from lasca_face.torch_landmarker import TorchLandmarker

        if self.options.precision == "tf32" and self._device.type != "cuda":
            raise DeviceError(
                f"option blendshape.precision = tf32 is for CUDA devices, and this run is on {self._device}; leave it "
                "out, or choose --device cuda"
            )
        networks = TorchLandmarker(self._model(), self.options, self._device)
        return TorchFinder(networks, self.options.frames_at_once(self._device.type), self.runtime.report)

    def _mediapipe(self, count: int) -> Finder:
        if self.options.compile:
            self.runtime.report.note("option blendshape.compile has no effect: backend mediapipe compiles nothing")
        return LandmarkerPool(self._model(), self.options, count)

    @property
    def _device(self) -> torch.device:
        return self.runtime.device

    def _model(self) -> Path:
        return self.runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE


def _track(chosen: Sequence[Face | None], times: torch.Tensor) -> Track:
    values = np.zeros((len(chosen), len(FEATURES)), dtype=np.float32)
    for row, face in zip(values, chosen, strict=True):
        if face is not None:
            row[:] = face.values
    valid = torch.tensor([face is not None for face in chosen])
    return Track(FEATURES, torch.from_numpy(values), times, valid, Blendshape.signed)
