"""The benchmark `face`: the extractor `blendshape` beside a plain loop with MediaPipe, from decoded frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lasca_core.api import Agreement, Benchmark, Track, open_media
from lasca_face.blendshape import Blendshape
from lasca_face.landmarker import without_chatter
from lasca_face.names import BLENDSHAPES
from lasca_face.options import BlendshapeOptions
from lasca_face.pins import FACE_LANDMARKER, FACE_LANDMARKER_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from lasca_core.api import BenchmarkData, Frames, Runtime, Samples

_MOST_BYTES = 512 * 2**20
"""Decoded frames held in memory."""
_FRAMES_ON_A_GPU = 4096
"""A GPU is through with a short clip before it is busy, so there the clip is shown again and again."""


@dataclass(frozen=True)
class Decoded:
    """A recording whose frames are decoded already. Implements ``Source``."""

    path: Path
    parts: Sequence[Frames]
    has_video: bool = True
    has_audio: bool = False
    duration: float = 0.0

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """All frames, in batches as they were decoded or smaller."""
        for part in self.parts:
            for start in range(0, len(part), batch):
                yield replace(part, images=part.images[start : start + batch], times=part.times[start : start + batch])

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """No sound."""
        return iter(())


class FaceBenchmark(Benchmark):
    """Both ways see the same decoded frames, and create what they compute with as a part of the work."""

    def __init__(self, data: BenchmarkData, runtime: Runtime) -> None:
        super().__init__(data, runtime)
        self._component = Blendshape(BlendshapeOptions.model_validate({}), runtime)

    def prepare(self) -> None:
        """Decode, and load the model."""
        self._component.prepare()
        self._model = self.runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE
        self._source = Decoded(self.data.media, self._decoded())
        self.units = sum(len(part) for part in self._source.parts)
        height, width = self._source.parts[0].images.shape[1:3]
        self.work = f"{self.units:.0f} frames of {width}x{height}, {self.data.media_origin}"

    def _decoded(self) -> list[Frames]:
        """The recording's first frames, all of them where they fit; repeated for a GPU."""
        wanted = 24 if self.data.quick else math.inf
        found: list[Frames] = []
        count = held = 0
        for part in open_media(self.data.media).frames(batch=32):
            kept = part if count + len(part) <= wanted else replace(
                part, images=part.images[: int(wanted) - count], times=part.times[: int(wanted) - count]
            )  # fmt: skip
            found.append(kept)
            count, held = count + len(kept), held + kept.images.nbytes
            if count >= wanted or held >= _MOST_BYTES:
                break
        if self.runtime.device.type == "cpu" or self.data.quick:
            return found
        length = float(found[-1].times[-1]) + 1.0
        rounds = range(-(-_FRAMES_ON_A_GPU // count))
        return [replace(part, times=part.times + length * again) for again in rounds for part in found]

    def ours(self) -> Track:
        """The extractor as a run uses it."""
        return Track.concatenate(list(self._component.stream(self._source)))

    def reference(self) -> list[np.ndarray | None]:
        """MediaPipe's own task, frame by frame, in mode IMAGE: the blendshapes of each frame, or None."""
        import mediapipe as mp

        options = mp.tasks.vision.FaceLandmarkerOptions(
            base_options=mp.tasks.BaseOptions(model_asset_path=str(self._model)),
            running_mode=mp.tasks.vision.RunningMode.IMAGE,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        found: list[np.ndarray | None] = []
        with without_chatter():
            landmarker = mp.tasks.vision.FaceLandmarker.create_from_options(options)
        with landmarker:
            for part in self._source.parts:
                for image in part.images.numpy():
                    result = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=image))
                    shapes = result.face_blendshapes
                    found.append(np.array([shape.score for shape in shapes[0]], np.float32) if shapes else None)
        return found

    def compare(self, ours: Track, reference: list[np.ndarray | None]) -> Agreement:
        """Faces are found in the same frames, and blendshapes differ by no more than another backend may."""
        what, tolerance = "blendshapes, at most", 1e-2
        valid = ours.valid.tolist()
        if valid != [row is not None for row in reference]:
            return Agreement("frames in which a face is found", math.inf, 0.0)
        values = ours.values[:, : len(BLENDSHAPES)].cpu().numpy()
        gaps = [np.abs(row - theirs).max() for row, theirs in zip(values, reference, strict=True) if theirs is not None]
        return Agreement(what, float(max(gaps, default=0.0)), tolerance)

    def close(self) -> None:
        """Drop the networks and the frames."""
        self._component.close()
        self._source = Decoded(self.data.media, ())
