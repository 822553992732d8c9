"""Options of the extractors `egemaps` and `compare`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from lasca_core.api import Field, Options, how


def _none_in_words(value: Any) -> Any:
    return None if value == "none" else value


# TOML has no null, so a configuration file and the command line write "none".
_MaybeFloat = Annotated[float | None, BeforeValidator(_none_in_words)]


class _SmileOptions(Options):
    """What both extractors share."""

    window: _MaybeFloat = Field(
        3.0,
        ge=0.1,
        description="with level functionals: seconds of sound that each row describes; give windows.length the same "
        "value. A recording without a whole window is one row. none: every recording is, and openSMILE keeps its "
        "descriptors in memory meanwhile",
    )
    hop: _MaybeFloat = Field(
        None, ge=0.01, description="with level functionals: seconds from one row's start to the next; none: the window"
    )
    voiceless: Literal["auto", "invalid", "keep"] = Field(
        "auto",
        description="rows in which no voice is found, where pitch, jitter, HNR ... are 0 and mean nothing: mark "
        "them invalid, or keep them; auto: invalid for functionals, keep for the single frames of lld",
    )
    rate: int = Field(
        16_000,
        ge=8_000,
        le=96_000,
        multiple_of=100,
        description="sampling rate in Hz that the sound is brought to; openSMILE's pitch and voicing depend on it",
    )
    chunk: float = how(10.0, gt=0, description="seconds of sound that are read at once")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.window is None and self.hop is not None:
            raise ValueError(f"hop = {self.hop:g} needs a window; with window = none there is a single row")
        return self


class EgemapsOptions(_SmileOptions):
    """Options of ``egemaps``."""

    level: Literal["functionals", "lld"] = Field(
        "functionals",
        description="functionals: 88 statistics of each window, voiced and unvoiced sound apart; lld: 25 descriptors "
        "every 10 ms, which windows then average over voiced and unvoiced frames alike",
    )


class CompareOptions(_SmileOptions):
    """Options of ``compare``."""

    level: Literal["functionals", "lld", "lld+deltas"] = Field(
        "functionals",
        description="functionals: 6373 statistics of each window; lld: 65 descriptors every 10 ms; lld+deltas: those "
        "and their 65 slopes",
    )
