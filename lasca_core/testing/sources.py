"""Recordings seen through a wrapper: shortened, in other batches, repeated without end, with one stream missing."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lasca_core.api import Frames, Samples

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Source


class Wrapped:
    """A source that passes everything on; subclasses change what they are for."""

    def __init__(self, inner: Source) -> None:
        self.inner = inner
        self.path: Path = inner.path
        self.has_video: bool = inner.has_video
        self.has_audio: bool = inner.has_audio
        self.duration: float = inner.duration

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """See ``Source.frames``."""
        return self.inner.frames(batch, fps)

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """See ``Source.audio``."""
        return self.inner.audio(rate, seconds)


class Excerpt(Wrapped):
    """The first ``seconds`` of a recording."""

    def __init__(self, inner: Source, seconds: float) -> None:
        super().__init__(inner)
        self.duration = min(seconds, inner.duration) if inner.duration else seconds

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """Frames that begin before the end."""
        for part in self.inner.frames(batch, fps):
            kept = int((part.times < self.duration).sum())
            if kept:
                yield Frames(part.images[:kept], part.times[:kept])
            if kept < len(part):
                return

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Samples before the end."""
        left = round(self.duration * rate)
        for part in self.inner.audio(rate, seconds):
            if left > 0:
                yield replace(part, values=part.values[:left])
            left -= len(part.values)
            if left <= 0:
                return


class Rebatched(Wrapped):
    """Frames in batches of at most ``limit``, as a source may give them, whatever was asked for."""

    def __init__(self, inner: Source, limit: int) -> None:
        super().__init__(inner)
        self.limit = limit

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """The same frames in smaller batches."""
        for part in self.inner.frames(batch, fps):
            for start in range(0, len(part), self.limit):
                stop = start + self.limit
                yield Frames(part.images[start:stop], part.times[start:stop])


class Lent(Wrapped):
    """Every tensor passes through ``lend`` on its way to the reader."""

    def __init__(self, inner: Source, lend: Callable[[Tensor], Tensor]) -> None:
        super().__init__(inner)
        self.lend = lend

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """The frames, lent."""
        for part in self.inner.frames(batch, fps):
            yield Frames(self.lend(part.images), self.lend(part.times))

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """The sound, lent."""
        for part in self.inner.audio(rate, seconds):
            yield replace(part, values=self.lend(part.values))


class Recorded(Wrapped):
    """Remembers which streams were read."""

    def __init__(self, inner: Source) -> None:
        super().__init__(inner)
        self.read: set[str] = set()

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """The frames."""
        self.read.add("video")
        return self.inner.frames(batch, fps)

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """The sound."""
        self.read.add("audio")
        return self.inner.audio(rate, seconds)


class Without(Wrapped):
    """A recording that lacks a stream, ``video`` or ``audio``."""

    def __init__(self, inner: Source, stream: str) -> None:
        super().__init__(inner)
        self.has_video = inner.has_video and stream != "video"
        self.has_audio = inner.has_audio and stream != "audio"

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """Raises ``MediaError`` as a file without video does."""
        from lasca_core.api import MediaError

        if not self.has_video:
            raise MediaError(self.path, "has no video stream")
        return self.inner.frames(batch, fps)

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Raises ``MediaError`` as a file without sound does."""
        from lasca_core.api import MediaError

        if not self.has_audio:
            raise MediaError(self.path, "has no audio stream")
        return self.inner.audio(rate, seconds)


@dataclass
class Alive:
    """How many parts of a recording the reader holds in memory, now and at most."""

    parts: int = 0
    now: int = 0
    most: int = 0

    def born(self, tensor: Tensor) -> Tensor:
        """A copy of ``tensor`` that counts until its memory is given back, whatever views of it there are."""
        import torch

        array = tensor.cpu().numpy().copy()
        weakref.finalize(array, self._gone)  # a tensor made from an array holds the array while its memory is in use
        self.parts += 1
        self.now += 1
        self.most = max(self.most, self.now)
        return torch.from_numpy(array)

    def _gone(self) -> None:
        self.now -= 1


class Repeated(Wrapped):
    """A recording joined to itself ``times`` times, two frames a batch, that counts which parts are still held."""

    def __init__(self, inner: Source, times: int) -> None:
        super().__init__(inner)
        self.times = times
        self.alive = Alive()
        self.longest_stretch = 0.0

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """The frames over and over, with times that go on."""
        shift = 0.0
        for _ in range(self.times):
            end = 0.0
            for part in self.inner.frames(min(batch, 2), fps):
                end = float(part.times[-1])
                yield Frames(self.alive.born(part.images), part.times + shift)
            shift += end + 0.04

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """``times`` stretches of ``seconds``, each the sound over and over."""
        import torch

        self.longest_stretch = max(self.longest_stretch, seconds)
        sound = torch.cat([part.values for part in self.inner.audio(rate)])
        size = max(1, round(min(seconds, 60.0) * rate))
        stretch = sound.repeat(-(-size // len(sound)))[:size]
        for index in range(self.times):
            yield Samples(self.alive.born(stretch), rate, index * size / rate)
