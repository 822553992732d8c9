"""Options of the sentence encoders."""

from __future__ import annotations

import os.path
import re
from typing import Literal, Self

from pydantic import field_validator, model_validator

from lasca_core.api import Field, Options, how

_HUB_ID = re.compile(r"(?:(?=.{1,96}/)\w+(?:[.-]\w+)*/)?(?=.{1,96}$)\w+(?:[.-]\w+)*(?<!\.git)", re.ASCII)
"""``owner/name`` or ``name`` as the hub allows them: at most 96 characters each, no two signs in a row, no ``.git``."""


class EncoderOptions(Options):
    """Options of every encoder here."""

    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        description="number format of the model. Measured with MiniLM: bfloat16 is up to twice as fast on a CPU that "
        "computes in it and changes the vectors to a cosine of 0.9999; float16 is for GPUs, to a cosine of 0.999999 "
        "(on a CPU it is four times slower). float32 is computed as such, never in TensorFloat-32",
    )
    backend: Literal["torch", "onnx"] = how(
        "torch",
        description="torch, or onnx: ONNX Runtime, which gives the same vectors up to rounding (cosine 1 - 3e-13). "
        "Measured with MiniLM on one CPU thread: 1.4 times as fast for a single text, 1.2 to 1.3 times in batches of "
        "8, equal in batches of 32; a process's first text takes 0.4 s of the processor instead of 5. Needs "
        "pip install 'lasca-encoders[onnx]' and makes a file as large as the weights in the cache, once",
    )
    batch_size: int | None = how(
        None,
        ge=1,
        description="texts encoded at a time, of similar length; default 4 on a CPU, 128 on a GPU, 32 on MPS; halved, "
        "with a warning, where the device has not enough memory",
    )

    @model_validator(mode="after")
    def _exact_in_onnx(self) -> Self:
        if self.backend == "onnx" and self.dtype != "float32":
            raise ValueError(f"backend = onnx computes in float32; for dtype = {self.dtype} use backend = torch")
        return self


class HubOptions(EncoderOptions):
    """Options of an encoder from the Hugging Face hub."""

    revision: str = Field(
        "main", min_length=1, description="branch, tag or commit of the model on the Hugging Face hub"
    )


class SentenceOptions(HubOptions):
    """Options of ``sentence``."""

    model: str = Field(
        min_length=1,
        description="a sentence-transformers model: its id on the Hugging Face hub (owner/name), or a folder with it",
    )

    @field_validator("model")
    @classmethod
    def _folder_or_hub_id(cls, model: str) -> str:
        # pathlib raises for a name too long to be one; this says no.
        if not os.path.isdir(os.path.expanduser(model)) and not _HUB_ID.fullmatch(model):
            raise ValueError("no such folder, and not the id of a model on the Hugging Face hub (owner/name) either")
        return model
