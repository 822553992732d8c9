"""Work done ahead of its consumer: in a thread of its own, in order, and never by more than so many bytes."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Generic, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def ahead(
    items: Generator[_T, None, None], cost: Callable[[_T], int], begin: Callable[[_T], _R], limit: int
) -> Iterator[_R]:
    """``begin(item)`` of each item, in order. A thread takes the items and begins them before they are asked for.

    An item is begun when its ``cost`` and that of the results not yet asked for stay within ``limit`` (bytes), or when
    there are none. The thread starts at the first ``next``. What ``items`` or ``begin`` raises is raised here, after
    the results before it. The thread ends, and closes ``items``, when they are exhausted, when this iterator is closed,
    dropped or left by an exception, and at the interpreter's exit.
    """
    channel: _Channel[_R] = _Channel(limit)
    thread = threading.Thread(target=_fill, args=(items, cost, begin, channel), name="lasca-decode-ahead", daemon=True)
    owner = threading.current_thread()

    def stop() -> None:
        channel.close()
        thread.join()

    thread.start()
    atexit.register(stop)  # a daemon thread must not be inside FFmpeg when the interpreter is taken down
    try:
        yield from channel
    finally:
        atexit.unregister(stop)
        if threading.current_thread() is owner:
            stop()
        else:  # dropped, and found by the garbage collector in another thread: perhaps in the very one to wait for
            channel.close()


def _fill(
    items: Generator[_T, None, None], cost: Callable[[_T], int], begin: Callable[[_T], _R], channel: _Channel[_R]
) -> None:
    try:
        with closing(items):
            for item in items:
                size = cost(item)
                if not channel.wait_for_room(size):
                    break
                channel.put(begin(item), size)
                del item  # the next one may take long, and this one holds memory
    except BaseException as error:  # it belongs to the consumer, whatever it is
        channel.end(error)
    else:
        channel.end(None)


class _Channel(Generic[_R]):
    """A queue between one producer and one consumer that holds so many bytes, or a single item."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._results: deque[tuple[_R, int]] = deque()
        self._held = 0
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def wait_for_room(self, cost: int) -> bool:
        """Wait until a result of ``cost`` bytes may be put; False if nobody listens any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._results or self._held + cost <= self._limit)
            return not self._closed

    def put(self, result: _R, cost: int) -> None:
        """Hand over a result of ``cost`` bytes."""
        with self._changed:
            self._results.append((result, cost))
            self._held += cost
            self._changed.notify_all()

    def end(self, error: BaseException | None) -> None:
        """Nothing will be put any more; ``error`` is raised in the consumer after the last result."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody listens any more."""
        with self._changed:
            self._closed = True
            self._results.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[_R]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._results or self._ended)
                if not self._results:
                    error, self._error = self._error, None  # or the error would hold the channel, and it the error
                    if error is not None:
                        raise error
                    return
                result, cost = self._results.popleft()
                self._held -= cost
                self._changed.notify_all()
            yield result
