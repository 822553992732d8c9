"""Small synthetic inputs: a recording with a face where one is to be had, tracks, values, learning problems, texts."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core.api import Block, Problem, Recording, Trace, Track

if TYPE_CHECKING:
    import av
    import numpy as np
    from torch import Tensor

RATE = 16_000
"""Sampling rate of the synthetic sound in Hz."""
_SIDE = 256
_PORTRAIT = (0, 96)
"""Where a square of side 256 around the face begins in scikit-image's portrait: row, column."""

TEXTS = (
    "The person shows a raised left mouth corner, pleased.",
    "The person shows lowered brows, angry; a loud voice.",
    "Nothing stands out.",
    "The person shows wide open eyes.",
    "smile",
)
"""Five short texts of different lengths."""


# --- recordings -------------------------------------------------------------------------------------------------------


def write_recording(path: Path, *, seconds: float = 2.0, fps: int = 8, video: bool = True, sound: bool = True) -> Path:
    """A recording of a moving picture and a voice-like sound, as ``.avi``; either may be left out.

    The picture is the public-domain portrait that scikit-image carries, moved about, so that extractors of faces find
    one; where scikit-image is not installed it is a pattern without a face.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="avi") as container:
        streams: list[tuple[Any, Iterator[Any]]] = []
        if video:
            picture = container.add_stream("mpeg4", rate=fps, bit_rate=4_000_000)
            picture.width = picture.height = _SIDE
            picture.pix_fmt = "yuv420p"
            streams.append((picture, _video_frames(round(seconds * fps), fps)))
        if sound:
            voice = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
            streams.append((voice, _sound_frames(round(seconds * RATE))))
        for stream, frames in streams:
            for frame in frames:
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def picture(time: float) -> np.ndarray:
    """The synthetic picture at ``time`` seconds: uint8 RGB [256, 256, 3]."""
    import numpy as np

    still = _still()
    room = still.shape[0] - _SIDE
    row = round(min(room, _PORTRAIT[0] + 6 + 6 * math.sin(2.1 * time)))
    column = round(min(room, _PORTRAIT[1] + 10 * math.sin(1.3 * time)))
    light = 0.9 + 0.1 * math.cos(3.0 * time)
    shown: np.ndarray = np.multiply(still[row : row + _SIDE, column : column + _SIDE], light).astype(np.uint8)
    return shown


def sound(seconds: float, rate: int = RATE) -> np.ndarray:
    """The synthetic sound: float32 [seconds * rate] in [-1, 1], a gliding tone with overtones that swells and ebbs."""
    import numpy as np

    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (150 * time + 15 * np.sin(2 * np.pi * 0.7 * time))
    number = np.arange(1, 9)[:, None]
    tone = (np.sin(number * phase) / number).sum(axis=0)
    swell = 0.1 + 0.15 * np.sin(np.pi * time) ** 2
    noise = np.random.default_rng(0).normal(scale=0.003, size=len(time))
    mixed: np.ndarray = (swell * tone + noise).clip(-1, 1).astype(np.float32)
    return mixed


@cache
def _still() -> np.ndarray:
    """uint8 RGB [512, 512, 3]."""
    import av
    import numpy as np

    found = importlib.util.find_spec("skimage")
    portrait = Path(found.origin).parent / "data" / "astronaut.png" if found and found.origin else None
    if portrait is not None and portrait.is_file():
        with av.open(str(portrait)) as container:
            image: np.ndarray = next(container.decode(video=0)).to_ndarray(format="rgb24")
        return image
    y, x = np.mgrid[:512, :512] / 512
    waves = np.stack([np.sin(9 * x + 4 * y), np.cos(7 * y), np.sin(5 * x * y + 1)], axis=-1)
    return (127 + 120 * waves).astype(np.uint8)


def _video_frames(count: int, fps: int) -> Iterator[av.VideoFrame]:
    import av

    for index in range(count):
        frame = av.VideoFrame.from_ndarray(picture(index / fps), format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, fps)
        yield frame


def _sound_frames(count: int, size: int = 1024) -> Iterator[av.AudioFrame]:
    import av
    import numpy as np

    samples = (sound(count / RATE) * 32767).astype(np.int16)
    for start in range(0, count, size):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + size], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        yield frame


# --- values -----------------------------------------------------------------------------------------------------------


def make_track(names: tuple[str, ...] = ("smile", "frown"), *, seconds: float = 6.0, rate: float = 10.0) -> Track:
    """A track of slow waves, one a feature, with a second of invalid frames."""
    import torch

    times = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    speed = torch.arange(1, len(names) + 1)
    values = (0.5 + 0.5 * torch.sin(times[:, None] * speed + speed)).float()
    valid = (times < 1.0) | (times >= 2.0)
    return Track(names, values * valid[:, None], times, valid)


def make_trace(*, seconds: float = 6.0, rate: float = 10.0, phase: float = 0.0) -> Trace:
    """An annotation that rises and falls slowly between -0.8 and 0.8."""
    import torch

    times = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    values = (0.8 * torch.sin(times + phase)).float()
    return Trace(times, values, torch.ones(len(times), dtype=torch.bool))


def make_session(
    session: str = "s01", subject: str = "anna", *, extractor: str = "ready", seconds: float = 60.0
) -> Recording:
    """One session with the ready features of ``extractor`` and traces of valence and arousal; synthetic throughout."""
    phase = float(sum(session.encode()) % 7)
    return Recording(
        session=session,
        subject=subject,
        features={extractor: make_track(seconds=seconds)},
        annotations={
            "valence": make_trace(seconds=seconds, phase=phase),
            "arousal": make_trace(seconds=seconds, phase=phase + 2),
        },
        metadata={"synthetic": "true"},
    )


def make_salience(windows: int = 40, features: int = 20, seed: int = 0) -> Tensor:
    """What saliency methods judge: float32 [windows, features] in [0, 1], no two values of a row alike."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    ranks = torch.rand(windows, features, generator=generator).argsort(dim=1)
    spread = torch.rand(windows, 1, generator=generator) * 2 + 0.5
    return ((ranks + 1) / features) ** spread


def make_problem(pairs: int = 240, *, seed: int = 0, flip: bool = False) -> Problem:
    """A task of 8 named features and 4 dimensions of text in which the sum of the first three columns decides.

    Of 8 people. Pairs whose sum is near 0 are left out, so that the answer is never in doubt; ``flip`` asks for the
    opposite answers. Another ``seed`` draws other pairs under the same rule.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(4 * pairs + 64, 12, generator=generator)
    delta = drawn[drawn[:, :3].sum(1).abs() > 0.7][:pairs]
    if len(delta):
        delta = delta / delta.square().mean(0).sqrt()
    label = (delta[:, :3].sum(1) > 0).float()
    return Problem(
        delta=delta,
        label=1 - label if flip else label,
        group=torch.arange(len(delta)) % 8,
        blocks=(Block("features", 0, 8, tuple(f"feature_{index}" for index in range(8))), Block("text", 8, 12)),
        seed=seed,
    )


def describe(value: Any) -> str:
    """A short text for a value in a message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
