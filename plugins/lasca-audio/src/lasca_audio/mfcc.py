"""Mel-frequency cepstral coefficients of a recording, streamed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from lasca_audio.spectrum import LibrosaSpectrum, Spectrum, TorchSpectrum
from lasca_core.api import Component, MediaError, Track

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Runtime, Source

_FRAMES_KEPT = 262_144
"""Frames (44 minutes by default, 42 MB) whose levels are kept rather than read and computed twice."""
_FRAMES_A_PART = 16_384
"""Frames of a part where nobody waits for the next one: a part costs as much time as the coefficients of thousands."""


@dataclass(frozen=True)
class _Levels:
    """Mel levels of consecutive frames: ``decibels`` float32 [T, n_mels] on the backend's device; ``times`` float64 [T]
    and ``valid`` bool [T] on the CPU."""

    decibels: Tensor
    times: Tensor
    valid: Tensor


def _resolution(names: tuple[str, ...], n_mels: int) -> dict[str, float]:
    """Range of each coefficient over a recording below which the sound does not audibly change.

    Under the orthonormal DCT a level difference of L dB in all bands is L * sqrt(n_mels) in coefficient 0, and a ripple
    of amplitude A dB across the bands A * sqrt(n_mels / 2) in one of the others: taken for L = 3 dB and A = 2 dB.
    """
    ripple = 2.0 * math.sqrt(n_mels / 2)
    return {name: 3.0 * math.sqrt(n_mels) if index == 0 else ripple for index, name in enumerate(names)}


class Mfcc(Component):
    """``librosa.feature.mfcc`` with centred frames, zero padding and the parameters of ``MfccOptions``.

    Frame i is centred on sample i * hop; its time is that sample's. A frame that touches a sample which is not a finite
    number is invalid; silence is valid.

    ``top_db`` refers to the loudest level of the whole recording, so with it the sound is gone through before the first
    part is yielded: once where the levels fit into some megabytes, and a second time where they do not. With
    ``top_db = none`` every part is yielded as soon as its samples are read. Either way memory is bounded and the parts
    joined do not depend on ``chunk``.
    """

    def __init__(self, options: Any, runtime: Runtime) -> None:
        super().__init__(options, runtime)
        self.names: tuple[str, ...] = tuple(f"mfcc_{index}" for index in range(options.n_mfcc))
        self.signed: frozenset[str] = frozenset(self.names)
        self.resolution: dict[str, float] = _resolution(self.names, options.n_mels)
        self.threads = 1  # a chunk is a millisecond of work: too little to share, so each core gets chunks of its own
        self.live_options: dict[str, str] = {} if options.top_db is None else {"top_db": "none"}
        self._spectrum: Spectrum | None = None

    def prepare(self) -> None:
        """Build the filters, or import librosa."""
        self._ready()

    def stream(self, source: Source) -> Iterator[Track]:
        """Yield tracks of about ``chunk`` seconds, or of minutes where ``top_db`` makes the first wait for the whole
        recording anyway. Raises ``MediaError`` for a recording without sound."""
        if not source.has_audio:
            raise MediaError(source.path, "has no audio stream, which the extractor mfcc needs")
        spectrum = self._ready()
        floor, parts = self._floor(source)
        for part in parts:
            if floor is not None:
                torch.maximum(part.decibels, floor, out=part.decibels)
            values = spectrum.cepstra(part.decibels)
            if not part.valid.all():
                values = torch.where(part.valid[:, None].to(values.device), values, 0.0)
            yield Track(self.names, values, part.times, part.valid, self.signed).to(self.runtime.device)

    def _ready(self) -> Spectrum:
        if self._spectrum is None:
            self._spectrum = (
                TorchSpectrum(self.options, self.runtime.device, self.runtime.report)
                if self.options.backend == "torch"
                else LibrosaSpectrum(self.options)
            )
        return self._spectrum

    def _floor(self, source: Source) -> tuple[Tensor | None, Iterator[_Levels]]:
        """The lowest level that ``top_db`` allows, if it sets one, and all levels."""
        if self.options.top_db is None:
            return None, self._levels(source)
        kept: list[_Levels] | None = []
        frames = 0
        peaks = []  # on the backend's device, which is not waited for here
        for part in self._levels(source, ahead=True):
            peaks.append(part.decibels.max())
            frames += len(part.times)
            if frames > _FRAMES_KEPT:
                kept = None
            elif kept is not None:
                kept.append(part)
        levels = self._levels(source, ahead=True) if kept is None else iter(kept)
        return torch.stack(peaks).max() - self.options.top_db, _joined(levels)

    def _levels(self, source: Source, *, ahead: bool = False) -> Iterator[_Levels]:
        """Mel levels of all frames, in parts of about ``chunk`` seconds.

        ``ahead`` reads as many parts ahead as the runtime has cores, which compute them meanwhile; without it, each
        part is yielded before the next one is read.
        """
        blocks = self._blocks(source)
        cores = self.runtime.workers if ahead and self.runtime.device.type == "cpu" else 1
        if cores == 1 or self.options.backend != "torch":
            yield from (self._of_block(*block) for block in blocks)
            return
        # A thread that has not asked torch for its number of threads computes products with all cores. It gets the
        # number that was set where this runs: one, in a run.
        with ThreadPoolExecutor(cores, "mfcc", initializer=torch.get_num_threads) as pool:
            begun: deque[Future[_Levels]] = deque()
            try:
                for block in blocks:
                    begun.append(pool.submit(self._of_block, *block))
                    if len(begun) > cores:
                        yield begun.popleft().result()
                while begun:
                    yield begun.popleft().result()
            finally:
                for part in begun:
                    part.cancel()

    def _of_block(self, start: float, done: int, block: Tensor) -> _Levels:
        """The levels of the frames of ``block``, which ``done`` frames precede in a recording that begins at
        ``start``."""
        options, spectrum = self.options, self._ready()
        window, hop = options.window_samples, options.hop_samples
        frames = torch.arange(done, done + (len(block) - window) // hop + 1, dtype=torch.float64)
        valid = torch.ones(len(frames), dtype=torch.bool)
        if not block.sum().isfinite():  # the sum is a cheap look at all samples, which are almost always good
            finite = block.isfinite()
            valid = finite.unfold(0, window, hop).all(dim=1)
            block = torch.where(finite, block, 0.0)
        return _Levels(spectrum.decibels(block), start + frames * hop / options.rate, valid)

    def _blocks(self, source: Source) -> Iterator[tuple[float, int, Tensor]]:
        """The recording's first time, the number of frames so far, and samples float32 [S] on the CPU in which a frame
        begins at every hop.

        Half a window of zeros surrounds the recording. Samples that a later frame needs again are carried over.
        """
        window, hop = self.options.window_samples, self.options.hop_samples
        padding = torch.zeros(window // 2)
        carried = padding
        start: float | None = None
        done = 0
        for samples in source.audio(rate=self.options.rate, seconds=self.options.chunk):
            if not len(samples.values):
                continue
            start = samples.start if start is None else start
            carried = torch.cat([carried, samples.values.cpu()])
            frames = (len(carried) - window) // hop + 1
            if frames > 0:
                yield start, done, carried[: (frames - 1) * hop + window]
                carried = carried[frames * hop :]
                done += frames
        if start is None:
            raise MediaError(source.path, "holds no sound, so that the extractor mfcc has nothing to read")
        carried = torch.cat([carried, padding])
        if len(carried) >= window:
            yield start, done, carried


def _joined(parts: Iterator[_Levels]) -> Iterator[_Levels]:
    """The same frames in parts of at least ``_FRAMES_A_PART``, but for the last."""
    gathered: list[_Levels] = []
    for part in parts:
        gathered.append(part)
        if sum(len(each.times) for each in gathered) >= _FRAMES_A_PART:
            yield _one(gathered)
            gathered = []
    if gathered:
        yield _one(gathered)


def _one(parts: list[_Levels]) -> _Levels:
    return _Levels(
        torch.cat([part.decibels for part in parts]),
        torch.cat([part.times for part in parts]),
        torch.cat([part.valid for part in parts]),
    )
