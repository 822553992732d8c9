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
        "costs nothing, and 1 in mode video, because MediaPipe tracks and smooths only when it looks for a single face",
    )
    min_detection: float = Field(
        0.5, ge=0, le=1, description="confidence from which the detector's find counts as a face"
    )
    min_presence: float = Field(
        0.5, ge=0, le=1, description="confidence from which the landmark model agrees that it is one"
    )
    fps: float | None = Field(None, gt=0, description="frames a second to read, the nearest ones; default every frame")
    batch_size: int = how(32, ge=1, description="frames decoded at a time, then shared among the threads")

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
