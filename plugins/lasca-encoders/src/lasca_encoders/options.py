"""Options of the sentence encoders."""

from __future__ import annotations

import os.path
import re
from typing import Literal

from pydantic import field_validator

from lasca_core.api import Field, Options, how

_HUB_ID = re.compile(r"(?:(?=.{1,96}/)\w+(?:[.-]\w+)*/)?(?=.{1,96}$)\w+(?:[.-]\w+)*(?<!\.git)", re.ASCII)
"""``owner/name`` or ``name`` as the hub allows them: at most 96 characters each, no two signs in a row, no ``.git``."""


class EncoderOptions(Options):
    """Options of every encoder here."""

    dtype: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="number format of the model; bfloat16 is up to 1.5 times as fast on a CPU that computes in it, and "
        "changes the vectors a little (measured with MiniLM: cosine 0.9999 to those of float32)",
    )
    batch_size: int | None = how(
        None,
        ge=1,
        description="texts encoded at a time, of similar length; default 8 on a CPU, 128 on a GPU, 32 on MPS",
    )


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
