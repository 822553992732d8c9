"""A file as a live recording: as fast as it can be read, or at its own speed, as a camera would give it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lasca_core.steps.feed import PICTURES_WAITING, Beginning, Clock, Feed, Picture, as_they_come

if TYPE_CHECKING:
    from lasca_core.contract.types import Frames, Samples, Source

_FRAMES = 4
"""Frames read at a time: few, so that a window is told soon after its last frame was read."""
_STRETCH = 0.5
"""Seconds of sound read at a time, for the same reason."""
_SHORT_STRETCH = 0.1
"""The same at the recording's own speed, where reading ahead would be waiting."""


class Playback:
    """A recording read as fast as its readers go on. Implements ``LiveSource``; nothing is ever dropped."""

    live = True

    dropped = 0

    def __init__(self, source: Source, clock: Clock | None = None) -> None:
        self.path: Path = source.path
        self.has_video = source.has_video
        self.has_audio = source.has_audio
        self.duration = source.duration
        self._source = source
        self._clock = clock or Clock()
        self._stopped = threading.Event()
        self._read: dict[str, deque[tuple[float, float]]] = {}

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """Video, a few frames at a time; see ``Source.frames``."""
        for frames in self._source.frames(min(batch, _FRAMES), fps):
            self._reached("video", float(frames.times[-1]))
            yield frames
            if self._stopped.is_set():
                return

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Sound, a short stretch at a time; see ``Source.audio``."""
        for samples in self._source.audio(rate, min(seconds, _STRETCH)):
            self._reached("audio", samples.start + len(samples.values) / rate)
            yield samples
            if self._stopped.is_set():
                return

    def expect(self, readers: int) -> None:
        """Nothing is waited for: each reader begins at the beginning."""

    def excuse(self) -> None:
        """Nothing is waited for."""

    def arrived(self, moment: float) -> float:
        """When picture and sound had been read up to ``moment``, as far as they are read and reach. Ask in order."""
        return max((_passed(marks, moment) for marks in tuple(self._read.values())), default=self._clock.now())

    def close(self) -> None:
        """Read no further."""
        self._stopped.set()

    def _reached(self, kind: str, moment: float) -> None:
        marks = self._read.setdefault(kind, deque())
        if not marks or moment > marks[-1][0]:  # of several readers of one kind the first
            marks.append((moment, self._clock.now()))


def _passed(marks: deque[tuple[float, float]], moment: float) -> float:
    """When ``moment`` was reached, or the last mark before it; earlier marks are forgotten."""
    while len(marks) > 1 and marks[0][0] < moment:
        marks.popleft()
    return marks[0][1]


class RealTime:
    """A recording at its own speed, from when it is first read. Implements ``LiveSource``.

    Pictures that come while the model is busy with more than a few earlier ones are dropped, as a camera's are.
    """

    live = True

    def __init__(self, source: Source, clock: Clock | None = None) -> None:
        self.path: Path = source.path
        self.has_video = source.has_video
        self.has_audio = source.has_audio
        self.duration = source.duration
        self._source = source
        self._clock = clock or Clock()
        self._beginning = Beginning(self._clock)
        self._stopped = threading.Event()
        self._pictures = Feed(self._paced, "playback", PICTURES_WAITING)

    @property
    def dropped(self) -> int:
        """Pictures that the model was too slow for."""
        return self._pictures.dropped

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """Video as it falls due; see ``Source.frames``."""
        pictures = self._pictures.subscribe()
        self._beginning.join(self._stopped)
        return as_they_come(pictures, batch, fps)

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Sound, each stretch when its last sample falls due; see ``Source.audio``."""
        self._beginning.join(self._stopped)
        for samples in self._source.audio(rate, min(seconds, _SHORT_STRETCH)):
            self._wait(samples.start + len(samples.values) / rate, self._stopped)
            if self._stopped.is_set():
                return
            yield samples

    def expect(self, readers: int) -> None:
        """The clock starts when so many have asked for picture or sound."""
        self._beginning.expect(readers)

    def excuse(self) -> None:
        """Wait for one reader less."""
        self._beginning.excuse()

    def arrived(self, moment: float) -> float:
        """When ``moment`` fell due."""
        return self._beginning.arrived(moment)

    def close(self) -> None:
        """Play no further."""
        self._stopped.set()
        self._pictures.close()

    def _paced(self, stopped: threading.Event) -> Iterator[Picture]:
        self._beginning.wait(stopped)
        for frames in self._source.frames(batch=1):
            moment = float(frames.times[0])
            self._wait(moment, stopped)
            yield frames.images[0].numpy(), moment

    def _wait(self, moment: float, stopped: threading.Event) -> None:
        ahead = moment - self._beginning.elapsed()
        if ahead > 0:
            self._clock.wait(ahead, stopped)
