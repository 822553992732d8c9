"""The extractor `voice`: how loud the sound is, and where the middle of its spectrum lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Component, MediaError, Track

if TYPE_CHECKING:
    from torch import Tensor

    from example_voice.options import VoiceOptions
    from lasca_core.api import Source

RATE = 16_000
WINDOW = 400
"""Samples of a frame: 25 ms."""
HOP = 160
"""Samples from one frame to the next: 10 ms."""


class Voice(Component):
    """``level`` is 20 log10 of a frame's root mean square; ``centroid`` the power-weighted mean frequency in Hz.

    Frame i begins at sample i * HOP; the last samples, too few for a frame, are left out.
    """

    names = ("level", "centroid")
    signed = frozenset(names)
    resolution: Mapping[str, float] = {"level": 3.0, "centroid": 100.0}
    options: VoiceOptions

    def stream(self, source: Source) -> Iterator[Track]:
        """Yield a track for each stretch of sound. Raises ``MediaError`` for a recording without sound."""
        if not source.has_audio:
            raise MediaError(source.path, "has no audio stream, which the extractor voice needs")
        window = torch.hann_window(WINDOW, device=self.runtime.device)
        carried = torch.zeros(0)
        done, start = 0, 0.0
        for samples in source.audio(rate=RATE, seconds=self.options.chunk):
            start = samples.start if not done and not len(carried) else start
            carried = torch.cat([carried, samples.values.cpu()])
            if len(carried) < WINDOW:
                continue
            frames = carried.unfold(0, WINDOW, HOP).to(self.runtime.device)
            carried = carried[len(frames) * HOP :]
            values, valid = self._measure(frames, window)
            times = start + torch.arange(done, done + len(frames), dtype=torch.float64) * HOP / RATE
            done += len(frames)
            yield Track(self.names, values, times, valid, self.signed).to(self.runtime.device)

    def _measure(self, frames: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
        """Values float32 [T, 2] and validity bool [T] of frames float32 [T, WINDOW]."""
        level = 10 * torch.log10(frames.square().mean(dim=1).clamp(min=1e-12))
        power = torch.fft.rfft(frames * window).abs().square()
        frequency = torch.linspace(0, RATE / 2, power.shape[1], device=power.device)
        centroid = (power @ frequency) / power.sum(dim=1).clamp(min=1e-12)
        valid = level > self.options.floor
        return torch.stack([level, centroid], dim=1) * valid[:, None], valid
