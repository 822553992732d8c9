"""Options of the extractors `egemaps` and `compare`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from lasca_core.api import Field, Options, how

_SHORTEST = 0.1
"""Seconds of the shortest window that may be asked for."""


def _none_in_words(value: Any) -> Any:
    return None if value == "none" else value


def _window(value: Any) -> Any:
    """Checked here and in one sentence: pydantic would answer once for each kind of value."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value in ("auto", "none", None) or (number and _SHORTEST <= value < math.inf):
        return _none_in_words(value)
    raise ValueError(f"must be auto, none, or a number of seconds from {_SHORTEST:g} on")


# TOML has no null, so a configuration file and the command line write "none".
_MaybeFloat = Annotated[float | None, BeforeValidator(_none_in_words)]
_Window = Annotated[float | Literal["auto"] | None, BeforeValidator(_window)]


class _SmileOptions(Options):
    """What both extractors share."""

    window: _Window = Field(
        "auto",
        description="with level functionals: the stretches of sound that rows describe. auto: the windows of the run, "
        "and of 3 s where there is no run, as in lasca extract; a number: windows of so many seconds, which a run must "
        "then have too; none: the whole recording, one row, and openSMILE keeps its descriptors in memory meanwhile. "
        "Without a run, a recording without a whole window is one row",
    )
    hop: _MaybeFloat = Field(
        None, ge=0.01, description="with window in seconds: from one row's start to the next; none: the window"
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
        if self.window in ("auto", None) and self.hop is not None:
            raise ValueError(f"hop = {self.hop:g} needs a window in seconds, not {self.window or 'none'}")
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
