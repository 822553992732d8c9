"""Options of the facial extractor."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from lasca_core.api import Field, Options, how


class BlendshapeOptions(Options):
    """Options of ``blendshape``."""

    mode: Literal["image", "video"] = Field(
        "image",
        description="image: each frame by itself, so that live equals offline and all threads are used; video: "
        "MediaPipe tracks one face and smooths it from frame to frame, on one thread, which changes blendshapes by "
        "0.02 on average and by up to 0.66",
    )
    faces: Literal["largest", "left", "right", "center"] = Field(
        "largest",
        description="which face to begin with when several are found, followed from then on: the largest; the left or "
        "the right one (as seen in the image) of the two largest; or the one nearest to the middle of the image",
    )
    max_faces: int | None = Field(
        None,
        ge=1,
        le=32,
        description="how many faces to look for in each frame; default 4 in mode image, where a face that is not there "
        "costs nothing with MediaPipe (on a GPU each place costs time), and 1 in mode video, because MediaPipe tracks "
        "and smooths only when it looks for a single face",
    )
    min_detection: float = Field(
        0.5, ge=0, le=1, description="confidence from which the detector's find counts as a face"
    )
    min_presence: float = Field(
        0.5, ge=0, le=1, description="confidence from which the landmark model agrees that it is one"
    )
    fps: float | None = Field(None, gt=0, description="frames a second to read, the nearest ones; default every frame")
    backend: Literal["auto", "mediapipe", "torch"] = how(
        "auto",
        description="mediapipe: MediaPipe itself, one frame a thread; torch: the same networks in batches on the run's "
        "device, measured on the test images (CPU) to differ by 2e-5 of a blendshape on average and 1e-3 at most, mode "
        "image only; auto: torch on a CUDA "
        "device in mode image, mediapipe otherwise",
    )
    batch_size: int = how(32, ge=1, description="frames decoded at a time, then shared among the threads")

    def backend_on(self, device: str) -> Literal["mediapipe", "torch"]:
        """``backend``, with auto decided for the device type ``device``."""
        if self.backend == "auto":
            return "torch" if device == "cuda" and self.mode == "image" else "mediapipe"
        return self.backend

    @property
    def faces_sought(self) -> int:
        """``max_faces``, or its default in this mode."""
        return self.max_faces or (1 if self.mode == "video" else 4)

    @model_validator(mode="after")
    def _choice_needs_several_faces(self) -> BlendshapeOptions:
        if self.faces in ("left", "right") and self.faces_sought < 2:
            raise ValueError(
                f"faces = {self.faces} needs max_faces of 2 or more, and mode {self.mode} looks for {self.faces_sought}"
            )
        return self

    @model_validator(mode="after")
    def _torch_does_not_track(self) -> BlendshapeOptions:
        if self.backend == "torch" and self.mode == "video":
            raise ValueError(
                "backend = torch has no mode video, since only MediaPipe itself tracks faces; "
                "choose backend = mediapipe or mode = image"
            )
        return self
