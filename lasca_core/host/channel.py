"""A bounded queue between two threads, which ends, fails, and either waits for its reader or drops the oldest."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

_PATIENCE = 0.5
"""Seconds of one wait: on Windows Ctrl-C is not noticed inside a wait without end."""


class Channel(Generic[T]):
    """Items from one thread to another, at most ``size`` of them under way.

    When it is full, ``put`` waits; if it is ``lossy``, it drops the oldest item instead and counts it in ``dropped``,
    so that a reader that is too slow sees what is new. Either side may ``close`` it: what is under way can still be
    read, and then iteration ends, with the writer's error if there was one.
    """

    def __init__(self, size: int, *, lossy: bool = False) -> None:
        self.dropped = 0
        self._items: deque[T] = deque()
        self._size = size
        self._lossy = lossy
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Hand over ``item``; False where the channel is closed and nobody wants it."""
        with self._changed:
            while len(self._items) >= self._size and not self._lossy and not self._closed:
                self._changed.wait(_PATIENCE)
            if self._closed:
                return False
            if len(self._items) >= self._size:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            return True

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more will come, because of ``error`` if it is given. Closing again changes nothing."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
                self._changed.notify_all()

    @property
    def empty(self) -> bool:
        """Whether nothing is under way just now."""
        return not self._items

    def __iter__(self) -> Channel[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait(_PATIENCE)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            raise StopIteration
