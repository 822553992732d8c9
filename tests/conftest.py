"""What the core's tests share: small recordings written with the encoders this PyAV build has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CODECS: dict[str, tuple[str | None, str | None]] = {
    ".mp4": ("libx264", "aac"),
    ".mov": ("mpeg4", "pcm_s16le"),
    ".mkv": ("ffv1", "flac"),
    ".webm": ("libvpx", "libopus"),
    ".avi": ("mpeg4", "pcm_s16le"),
    ".flv": ("flv", "libmp3lame"),
    ".mpg": ("mpeg2video", "mp2"),
    ".ts": ("mpeg2video", "mp2"),
    ".wav": (None, "pcm_s16le"),
    ".flac": (None, "flac"),
    ".mp3": (None, "libmp3lame"),
}
"""Video and sound codec that tests use for each container."""


@pytest.fixture(scope="session")
def write_media() -> Callable[..., Path]:
    """``write_media(path, images, sound=...)`` writes a recording and returns its path; see ``write``."""
    return write


def write(
    path: Path,
    images: Sequence[np.ndarray] = (),
    *,
    rate: int = 25,
    times: Sequence[float] | None = None,
    codec: str | None = None,
    pixels: str = "yuv420p",
    sound: np.ndarray | None = None,
    sound_rate: int = 16_000,
    sound_codec: str | None = None,
    sound_start: float = 0.0,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """``images`` uint8 [H, W, 3] at ``rate`` or at ``times`` (seconds); ``sound`` float32 [channels, S] in [-1, 1].

    Skips the test, naming the codec, where this PyAV build cannot encode it.
    """
    import av

    usual = CODECS.get(path.suffix, (None, None))
    unit = Fraction(1, rate if times is None else 1000)
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        video = audio = None
        if len(images):
            video = _stream(container, codec or usual[0], rate)
            video.height, video.width = images[0].shape[:2]
            video.pix_fmt, video.time_base, video.codec_context.time_base = pixels, unit, unit
        if sound is not None:
            audio = _stream(container, sound_codec or usual[1], sound_rate)
            audio.layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index if times is None else round(times[index] * 1000)
            frame.time_base = unit
            container.mux(video.encode(frame))
        if video is not None:
            container.mux(video.encode(None))
        if audio is not None:
            _write_sound(container, audio, sound, sound_rate, sound_start)
    return path


def _stream(container: Any, codec: str | None, rate: int) -> Any:
    import av

    try:
        av.Codec(codec, "w")
    except (av.codec.codec.UnknownCodecError, TypeError):
        pytest.skip(f"this PyAV build has no encoder {codec}")
    return container.add_stream(codec, rate=rate)


def _write_sound(container: Any, stream: Any, sound: Any, rate: int, start: float) -> None:
    import av

    fit = av.AudioResampler(format=stream.format.name, layout=stream.layout.name, rate=rate)
    first = round(start * rate)
    for offset in range(0, sound.shape[1], 1024):
        piece = np.ascontiguousarray(sound[:, offset : offset + 1024], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, first + offset, Fraction(1, rate)
        for fitted in fit.resample(frame):
            container.mux(stream.encode(fitted))
    container.mux(stream.encode(None))
