"""Options of the acoustic extractors."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from lasca_core.api import Field, Options, how


def _none_in_words(value: Any) -> Any:
    return None if value == "none" else value


# TOML has no null, so a configuration file and the command line write "none".
_MaybeFloat = Annotated[float | None, BeforeValidator(_none_in_words)]


class MfccOptions(Options):
    """Options of ``mfcc``; the defaults are those of speech processing, the formulas librosa's."""

    n_mfcc: int = Field(15, ge=1, description="number of coefficients: the features mfcc_0, mfcc_1, ...")
    n_mels: int = Field(
        40,
        ge=1,
        description="number of mel bands; 40 is usual for a 25 ms window, whose frequency bins are 40 Hz wide: with "
        "librosa's 128, made for windows five times as long, a third of the bands would read one single bin",
    )
    window: float = Field(0.025, gt=0, description="length of a frame in seconds (Hann window, FFT of the same length)")
    hop: float = Field(0.010, gt=0, description="seconds from one frame to the next; at most the window")
    fmin: float = Field(0.0, ge=0, description="lowest frequency of the mel bands in Hz")
    fmax: _MaybeFloat = Field(None, gt=0, description="highest frequency of the mel bands in Hz; none: half the rate")
    rate: int = Field(16_000, ge=1_000, le=384_000, description="sampling rate in Hz that the sound is brought to")
    top_db: _MaybeFloat = Field(
        80.0,
        gt=0,
        description="raise band levels to at least this many dB below the loudest of the whole recording, as "
        "librosa.feature.mfcc does; none: leave them, so that each frame depends on its own samples alone, which a "
        "live recording needs",
    )
    backend: Literal["torch", "librosa"] = Field(
        "torch", description="torch: batched, on the run's device; librosa: the reference implementation, on the CPU"
    )
    chunk: float = how(
        10.0, gt=0, description="seconds of sound that are read and computed at once; 10 suit a processor's cache"
    )

    @property
    def window_samples(self) -> int:
        """Length of a frame in samples."""
        return round(self.window * self.rate)

    @property
    def hop_samples(self) -> int:
        """Distance of frames in samples."""
        return round(self.hop * self.rate)

    @property
    def highest(self) -> float:
        """Upper end of the mel bands in Hz."""
        return self.rate / 2 if self.fmax is None else self.fmax

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.n_mfcc > self.n_mels:
            raise ValueError(
                f"n_mfcc = {self.n_mfcc} coefficients need at least as many mel bands, but n_mels = {self.n_mels}"
            )
        if self.hop_samples < 1:
            raise ValueError(f"hop = {self.hop} s is less than one sample at {self.rate} Hz")
        if self.window_samples < max(2, self.hop_samples):
            raise ValueError(
                f"window = {self.window} s must not be shorter than hop = {self.hop} s or than two samples"
            )
        if not self.fmin < self.highest <= self.rate / 2:
            raise ValueError(
                f"the mel bands from fmin = {self.fmin:g} to fmax = {self.highest:g} Hz must lie within 0 and "
                f"{self.rate / 2:g} Hz, half the rate"
            )
        return self
