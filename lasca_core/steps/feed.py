"""What live recordings share: a clock, a beginning, and pictures that are handed on as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from lasca_core.contract.types import Frames, Source
from lasca_core.host.channel import Channel
from lasca_core.steps.media.pictures import nearest

if TYPE_CHECKING:
    import numpy as np

ItemT = TypeVar("ItemT")

Picture = tuple["np.ndarray", float]
"""uint8 RGB [H, W, 3], and its time in seconds of the recording."""

PICTURES_WAITING = 16
"""Pictures kept for a model that lags, half a second of a usual camera: what bounds how old a picture can get."""
_GLANCE = 0.1
"""Seconds between two looks at whether a recording that has not begun was stopped."""
_FAREWELL = 2.0
"""Seconds in which a device must notice that nobody reads it any more."""


class LiveSource(Source, Protocol):
    """A recording that is read while it comes in."""

    live: bool
    """True: what follows a part may come much later."""

    @property
    def dropped(self) -> int:
        """Pictures and pieces of sound left out so far because their reader was too slow."""
        ...

    def expect(self, readers: int) -> None:
        """It begins when so many have asked for picture or sound, so that none misses what came while it got ready."""
        ...

    def excuse(self) -> None:
        """One of the readers will not come, or has gone: do not wait for it."""
        ...

    def arrived(self, moment: float) -> float:
        """When the recording reached ``moment`` (seconds of the recording), in seconds of the monotonic clock."""
        ...

    def close(self) -> None:
        """End the recording: readers get what is under way and then its end. May be called more than once."""
        ...


class Clock:
    """Monotonic time, and waiting for it; a test brings its own."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        """Wait so long, or until ``stopped``."""
        stopped.wait(seconds)


class Beginning:
    """The one origin of all times of a live recording: the moment when all its readers are there."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moment: float | None = None
        self._missing = 0
        self._changed = threading.Condition()

    def expect(self, readers: int) -> None:
        """Begin when so many have come. Without this it begins with the first."""
        with self._changed:
            self._missing = readers

    def excuse(self) -> None:
        """Wait for one reader less; without any to wait for, it begins now."""
        with self._changed:
            self._missing -= 1
            if self._missing <= 0 and self._moment is None:
                self._moment = self._clock.now()
                self._changed.notify_all()

    def join(self, stopped: threading.Event) -> None:
        """Come as a reader, and wait for the others."""
        self.excuse()
        self.wait(stopped)

    def wait(self, stopped: threading.Event) -> None:
        """Wait for the beginning, unless the recording is ``stopped`` before."""
        with self._changed:
            while self._moment is None and not stopped.is_set():
                self._changed.wait(_GLANCE)

    def elapsed(self) -> float:
        """Seconds since the origin; 0 before it."""
        return 0.0 if self._moment is None else self._clock.now() - self._moment

    def arrived(self, moment: float) -> float:
        """When the recording reached ``moment``; now, if that is yet to come."""
        now = self._clock.now()
        return now if self._moment is None else min(self._moment + moment, now)


class Feed(Generic[ItemT]):
    """What one device gives, for any number of readers, each of which gets the newest it can keep up with.

    ``read`` runs in a thread of its own from the first reader on, and is asked to end through the event it is given;
    what it raises reaches every reader. At most ``waiting`` items are kept for one of them. ``release`` gives the
    device back, once nothing reads it.
    """

    def __init__(
        self,
        read: Callable[[threading.Event], Iterator[ItemT]],
        name: str,
        waiting: int,
        release: Callable[[], object] = lambda: None,
    ) -> None:
        self._read = read
        self._waiting = waiting
        self._release = release
        self._readers: list[Channel[ItemT]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, name=name, daemon=True)
        self._lock = threading.Lock()

    @property
    def dropped(self) -> int:
        """Items that a reader was too slow for."""
        return sum(reader.dropped for reader in self._readers)

    def subscribe(self) -> Channel[ItemT]:
        """A new reader, from now on."""
        reader: Channel[ItemT] = Channel(self._waiting, lossy=True)
        with self._lock:
            self._readers.append(reader)
            if self._stopped.is_set():
                reader.close()
            elif len(self._readers) == 1:
                self._thread.start()
        return reader

    def close(self) -> None:
        """Stop reading; readers get what is under way and then the end."""
        self._end(None)
        if self._thread.ident is None:
            self._release()
        else:
            self._thread.join(_FAREWELL)

    def _end(self, error: BaseException | None) -> None:
        with self._lock:
            self._stopped.set()
            for reader in self._readers:
                reader.close(error)

    def _pass_on(self) -> None:
        try:
            for item in self._read(self._stopped):
                if self._stopped.is_set():
                    return
                for reader in tuple(self._readers):
                    reader.put(item)
        except Exception as error:  # it belongs to whoever reads
            self._end(error)
        else:
            self._end(None)
        finally:
            self._release()


def as_they_come(pictures: Channel[Picture], batch: int, fps: float | None) -> Iterator[Frames]:
    """As many pictures of one size as have come, but at most ``batch``; with ``fps`` those nearest that rate."""
    import numpy as np
    import torch

    pending: list[np.ndarray] = []
    times: list[float] = []

    def collected() -> Frames:
        frames = Frames(torch.from_numpy(np.stack(pending)), torch.tensor(times, dtype=torch.float64))
        pending.clear()
        times.clear()
        return frames

    try:
        for image, moment in nearest(pictures, fps):
            if pending and image.shape != pending[0].shape:
                yield collected()
            pending.append(image)
            times.append(moment)
            if pictures.empty or len(pending) >= batch:
                yield collected()
        if pending:
            yield collected()
    finally:
        pictures.close()
