"""Writes a session as a real video file: H.264 and AAC in MP4."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

_AAC_FRAME = 1024


def write_movie(path: Path, frames: Iterable[np.ndarray], fps: int, sound: np.ndarray, rate: int) -> None:
    """Encode ``frames`` (uint8 [H, W, 3], RGB) at ``fps`` and ``sound`` (float32 [S], mono) at ``rate`` into ``path``.

    One encoder thread, so that equal frames give equal bytes. Raises ``OSError`` if the file cannot be written.
    """
    import av

    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=fps, options={"preset": "superfast", "crf": "21"})
        audio = container.add_stream("aac", rate=rate, layout="mono", bit_rate=64_000)
        video.thread_count = 1
        video.pix_fmt = "yuv420p"
        for index, pixels in enumerate(frames):
            if index == 0:
                video.height, video.width = pixels.shape[:2]
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, fps)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for start in range(0, len(sound), _AAC_FRAME):
            piece = av.AudioFrame.from_ndarray(sound[None, start : start + _AAC_FRAME], format="fltp", layout="mono")
            piece.rate, piece.pts, piece.time_base = rate, start, Fraction(1, rate)
            container.mux(audio.encode(piece))
        container.mux(audio.encode(None))
