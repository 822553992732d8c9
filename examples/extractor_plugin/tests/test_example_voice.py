"""Level and centroid of sounds whose values are known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from example_voice.options import VoiceOptions
from example_voice.voice import HOP, RATE, WINDOW, Voice
from torch import Tensor

from lasca_core.api import Samples, Track
from lasca_core.testing import Check, make_runtime, parametrize_with_checks


@parametrize_with_checks("example-voice")
def test_conformance(check: Check) -> None:
    check()


class Sound:
    """A recording of the given samples."""

    path = Path("sound.wav")
    has_video = False
    has_audio = True

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.duration = len(values) / RATE

    def audio(self, rate: int = RATE, seconds: float = 30.0) -> Iterator[Samples]:
        """Stretches of ``seconds``."""
        size = round(rate * seconds)
        for start in range(0, len(self.values), size):
            yield Samples(self.values[start : start + size], rate, start / rate)


def measure(tmp_path: Path, values: Tensor) -> Track:
    voice = Voice(VoiceOptions(chunk=0.1), make_runtime(tmp_path))
    return Track.concatenate(list(voice.stream(Sound(values))))


def test_a_tone_lies_at_its_frequency_with_the_level_of_its_root_mean_square(tmp_path: Path) -> None:
    tone = 0.5 * torch.sin(2 * math.pi * 1000 * torch.arange(RATE) / RATE)
    track = measure(tmp_path, tone)
    level = torch.full((len(track),), 20 * math.log10(0.5 / math.sqrt(2)))
    torch.testing.assert_close(track.values[:, 0], level, rtol=0, atol=1e-3)
    torch.testing.assert_close(track.values[:, 1], torch.full((len(track),), 1000.0), rtol=0, atol=1.0)


def test_frames_overlap_and_go_on_across_stretches(tmp_path: Path) -> None:
    track = measure(tmp_path, torch.rand(RATE))
    assert len(track) == (RATE - WINDOW) // HOP + 1
    assert track.times.diff().tolist() == pytest.approx([HOP / RATE] * (len(track) - 1))


def test_silence_is_invalid(tmp_path: Path) -> None:
    assert not measure(tmp_path, torch.zeros(RATE)).valid.any()
