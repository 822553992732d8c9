"""Options of the encoder `words`."""

from __future__ import annotations

from lasca_core.api import Field, Options


class WordsOptions(Options):
    """Options of ``words``."""

    dim: int = Field(512, ge=8, le=65_536, description="length of the vectors")
    pairs: bool = Field(True, description="count pairs of neighbouring words besides single ones")
