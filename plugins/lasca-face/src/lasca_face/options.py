"""Options of the facial extractor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from lasca_core.api import Field, Options, how

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "tf32", "bfloat16", "float16"]


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
        "costs next to nothing, and 1 in mode video, because MediaPipe tracks and smooths only when it looks for a "
        "single face",
    )
    min_detection: float = Field(
        0.5, ge=0, le=1, description="confidence from which the detector's find counts as a face"
    )
    min_presence: float = Field(
        0.5, ge=0, le=1, description="confidence from which the landmark model agrees that it is one"
    )
    fps: float | None = Field(None, gt=0, description="frames a second to read, the nearest ones; default every frame")
    precision: Precision = Field(
        "float32",
        description="what backend torch computes in. float32; tf32: the faster products of a CUDA device, which change "
        "blendshapes by up to 5e-3 (an earlier measurement, not repeated here); bfloat16 or float16: the landmark "
        "network alone, which on 78 frames of the test clip (CPU) changed blendshapes by 5e-3 on average and 0.1 at "
        "most (bfloat16), or 5e-4 and 9e-3 (float16), and is no faster there: on a CPU float16 takes ten times as "
        "long. Anything but float32 chooses backend torch",
    )
    backend: Literal["auto", "mediapipe", "torch"] = how(
        "auto",
        description="mediapipe: MediaPipe itself, one frame a thread; torch: the same networks in batches on the run's "
        "device, measured on the test images (CPU) to differ by 2e-5 of a blendshape on average and 1e-3 at most, mode "
        "image only; auto: torch on a CUDA device in mode image and for a lower precision, mediapipe otherwise",
    )
    compile: bool = how(
        False,
        description="compile the networks of backend torch before the first frame, on a CUDA device into recorded CUDA "
        "graphs (not yet run there); needs a C++ compiler; hardly worth it on a CPU: measured, it took 160 s of a core "
        "and made 0 to 13 % faster, and blendshapes changed by up to 4e-4",
    )
    batch_size: int | None = how(
        None,
        ge=1,
        description="frames decoded at a time from one recording, and worked on at a time over all recordings that are "
        "read at once; halved once where the device's memory does not suffice; default 32, with backend torch on a "
        "CUDA device 256",
    )

    def backend_on(self, device: str) -> Literal["mediapipe", "torch"]:
        """``backend``, with auto decided for the device type ``device``."""
        if self.backend == "auto":
            asked = self.mode == "image" and (device == "cuda" or self.precision != "float32")
            return "torch" if asked else "mediapipe"
        return self.backend

    def frames_at_once(self, device: str) -> int:
        """``batch_size``, or its default on the device type ``device``."""
        return self.batch_size or (256 if device == "cuda" and self.backend_on(device) == "torch" else 32)

    def identity(self) -> dict[str, Any]:
        """The fields that change results. float32 is not named: so features that were stored, and models that were
        trained, before there was a choice still count."""
        fields = super().identity()
        if fields["precision"] == "float32":
            del fields["precision"]
        return fields

    @property
    def dtype(self) -> torch.dtype:
        """What the landmark network computes in."""
        import torch

        return {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(self.precision, torch.float32)

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
    def _mediapipe_is_precise(self) -> BlendshapeOptions:
        if self.precision != "float32" and (self.backend == "mediapipe" or self.mode == "video"):
            raise ValueError(
                f"precision = {self.precision} is for backend torch, which mode video does not have; leave it out, or "
                "choose backend = torch and mode = image"
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
