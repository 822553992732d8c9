"""The benchmark `mfcc`: the extractor `mfcc` beside `librosa.feature.mfcc`, from decoded sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from lasca_audio.mfcc import Mfcc
from lasca_audio.options import MfccOptions
from lasca_core.api import Agreement, Benchmark, Samples, Track, open_media

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from lasca_core.api import BenchmarkData, Frames, Runtime

_SECONDS = 300.0
_SECONDS_QUICK = 10.0


@dataclass(frozen=True)
class Sound:
    """A recording whose sound is decoded already. Implements ``Source``."""

    path: Path
    values: Tensor
    duration: float
    has_video: bool = False
    has_audio: bool = True

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """No picture."""
        return iter(())

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """The sound in stretches."""
        size = max(1, round(rate * seconds))
        for first in range(0, len(self.values), size):
            yield Samples(self.values[first : first + size], rate, first / rate)


class MfccBenchmark(Benchmark):
    """Both ways see the same samples; librosa's compilation of its functions falls into the warm-up."""

    def __init__(self, data: BenchmarkData, runtime: Runtime) -> None:
        super().__init__(data, runtime)
        self._options = MfccOptions.model_validate({})
        self._component = Mfcc(self._options, runtime)

    def prepare(self) -> None:
        """Decode, and repeat the sound to some minutes."""
        self._component.prepare()
        rate = self._options.rate
        parts = [samples.values for samples in open_media(self.data.media).audio(rate=rate)]
        sound = torch.cat(parts)
        seconds = _SECONDS_QUICK if self.data.quick else _SECONDS
        wanted = round(seconds * rate)
        self._source = Sound(self.data.media, sound.repeat(-(-wanted // len(sound)))[:wanted].contiguous(), seconds)
        self.units = seconds
        self.work = f"{seconds:g} s of sound at {rate / 1000:g} kHz, {self.data.media_origin} repeated"

    def ours(self) -> Track:
        """The extractor as a run uses it."""
        return Track.concatenate(list(self._component.stream(self._source)))

    def reference(self) -> np.ndarray:
        """librosa's function with the same parameters: float32 [T, n_mfcc]."""
        import librosa

        options = self._options
        found: np.ndarray = librosa.feature.mfcc(
            y=self._source.values.numpy(),
            sr=options.rate,
            n_mfcc=options.n_mfcc,
            n_fft=options.window_samples,
            hop_length=options.hop_samples,
            n_mels=options.n_mels,
        )
        return found.T

    def compare(self, ours: Track, reference: np.ndarray) -> Agreement:
        """Coefficients, relative to the largest."""
        values = ours.values.cpu().numpy()
        if values.shape != reference.shape:
            return Agreement(f"shape, {values.shape} and {reference.shape}", np.inf, 0.0)
        gap = np.abs(values - reference).max() / np.abs(reference).max()
        return Agreement("coefficients, at most, as a share of the largest", float(gap), 1e-4)
