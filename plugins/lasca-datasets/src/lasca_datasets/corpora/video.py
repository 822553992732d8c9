"""What the header of a video tells: when its frames are shown, and whether it has sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lasca_core.api import MediaError, open_container

_CONSTANT = 1e-3
"""Relative difference of the average and the base frame rate below which the rate counts as constant."""


@dataclass(frozen=True)
class Video:
    """``times`` float64 [T]: when each frame is shown, in seconds from the first; ``fps`` the average rate."""

    times: np.ndarray
    fps: float
    constant: bool
    """Whether the frames follow each other at one rate."""
    has_audio: bool


def read_video(path: Path) -> Video:
    """The frames' times and whether there is sound, without decoding anything.

    With a constant rate the header is enough; without one, or where it does not say how many frames there are, the
    packets' own time stamps are read. Raises ``MediaError`` if the file has no video that can be read.
    """
    import av

    try:
        with open_container(path) as container:
            covers = av.stream.Disposition.attached_pic
            stream = next((stream for stream in container.streams.video if not stream.disposition & covers), None)
            if stream is None:
                raise MediaError(path, "has no video stream")
            has_audio = len(container.streams.audio) > 0
            rate = float(stream.average_rate or stream.guessed_rate or 0)
            base = float(stream.base_rate or 0)
            if rate and base and abs(rate / base - 1) < _CONSTANT and stream.frames:
                return Video(np.arange(stream.frames) / rate, rate, True, has_audio)
            return _from_packets(path, container, stream, rate, has_audio)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(path, f"cannot be read as a video ({getattr(error, 'strerror', None) or error})") from None


def _from_packets(path: Path, container: Any, stream: Any, rate: float, has_audio: bool) -> Video:
    stamps = [packet.pts for packet in container.demux(stream) if packet.size]
    if not stamps:
        raise MediaError(path, "has no video frame")
    if any(stamp is None for stamp in stamps):
        if not rate:
            raise MediaError(path, "states neither a frame rate nor the frames' times")
        return Video(np.arange(len(stamps)) / rate, rate, True, has_audio)
    times = np.sort(np.array(stamps, dtype=np.float64)) * float(stream.time_base)
    times -= times[0]
    steps = np.diff(times)
    fps = len(steps) / float(times[-1]) if times[-1] > 0 else rate
    constant = bool(len(steps) == 0 or steps.max() <= 1.5 * np.median(steps))
    return Video(times, fps, constant, has_audio)
