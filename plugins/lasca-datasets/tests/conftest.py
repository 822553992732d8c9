"""What the tests of the corpora share: small real videos, pictures and sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_CODECS = {".mp4": ("libx264", "aac"), ".avi": ("mpeg4", "pcm_s16le"), ".mkv": ("mpeg4", "pcm_s16le")}


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """``write_video(path, frames, rate=25, times=None, sound=False)``: 64 x 64 pixels, one frame for each."""
    return _write_video


def _write_video(
    path: Path, frames: int, *, rate: float = 25, times: Sequence[float] | None = None, sound: bool = False
) -> Path:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    video_codec, sound_codec = _CODECS[path.suffix]
    exact = Fraction(rate).limit_denominator(1001)
    unit = 1 / exact if times is None else Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec, rate=exact)
        video.width = video.height = 64
        video.pix_fmt, video.time_base, video.codec_context.time_base = "yuv420p", unit, unit
        audio = container.add_stream(sound_codec, rate=16_000, layout="mono") if sound else None
        for index in range(frames):
            picture = np.full((64, 64, 3), 40 + 3 * index % 200, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index if times is None else round(times[index] * 1000), unit
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            _add_sound(container, audio, frames / rate)
    return path


def _add_sound(container: Any, stream: Any, seconds: float) -> None:
    import av

    fit = av.AudioResampler(format=stream.format.name, layout="mono", rate=16_000)
    for start in range(0, int(16_000 * seconds), 1024):
        wave = np.sin(np.arange(start, start + 1024, dtype=np.float32) / 20)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, start, Fraction(1, 16_000)
        for fitted in fit.resample(frame):
            container.mux(stream.encode(fitted))
    container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def write_sound() -> Callable[..., Path]:
    """``write_sound(path, seconds)``: 16-bit mono WAV at 16 kHz."""
    return _write_sound


def _write_sound(path: Path, seconds: float) -> Path:
    import wave

    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        samples = 3000 * np.sin(np.arange(int(16_000 * seconds)) / 20)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def write_image() -> Callable[..., Path]:
    """``write_image(path)``: a grey picture of 16 x 16 pixels, of the kind that the suffix says."""
    return _write_image


def _write_image(path: Path) -> Path:
    from skimage.io import imsave

    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, np.full((16, 16, 3), 120, dtype=np.uint8), check_contrast=False)
    return path
