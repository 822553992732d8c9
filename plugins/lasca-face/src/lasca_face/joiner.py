"""Several threads share one device: what comes while it is busy is done together, in one call."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from torch import Tensor

ResultT = TypeVar("ResultT")


@dataclass
class _Request(Generic[ResultT]):
    frames: Tensor
    done: bool = False
    result: ResultT | None = None
    error: BaseException | None = None
    first: int = 0
    """Number of the request's first frame among those of its call."""


@dataclass(frozen=True)
class Share(Generic[ResultT]):
    """What a call gave, and which of its frames, from ``first`` to before ``last``, are those of one request."""

    result: ResultT
    first: int
    last: int


@dataclass
class Joiner(Generic[ResultT]):
    """Runs ``work(parts)``, each part [B, ...] frames that one thread submitted, one call at a time.

    A thread that finds the device free calls at once, with its own frames alone, so a single thread waits for nothing.
    Those that come meanwhile gather, and the first of them calls for all. A call takes parts in the order in which they
    came, as many as may be together by ``fits(parts)``, and at least one.
    """

    work: Callable[[Sequence[Tensor]], ResultT]
    fits: Callable[[Sequence[Tensor]], bool]
    _waiting: deque[_Request[ResultT]] = field(default_factory=deque, init=False)
    _device: threading.Lock = field(default_factory=threading.Lock, init=False)

    def submit(self, frames: Tensor) -> Share[ResultT]:
        """The result of the call that ``frames`` were a part of. Raises what that call raised."""
        request: _Request[ResultT] = _Request(frames)
        self._waiting.append(request)
        with self._device:
            while not request.done:
                self._call(self._gathered())
        if request.error is not None:
            raise request.error
        assert request.result is not None
        return Share(request.result, request.first, request.first + len(frames))

    def _gathered(self) -> list[_Request[ResultT]]:
        """Those whose turn it is; only the thread that holds the device takes any away."""
        taken = [self._waiting.popleft()]
        while self._waiting and self.fits([request.frames for request in (*taken, self._waiting[0])]):
            request = self._waiting.popleft()
            request.first = taken[-1].first + len(taken[-1].frames)
            taken.append(request)
        return taken

    def _call(self, requests: Sequence[_Request[ResultT]]) -> None:
        try:
            result = self.work([request.frames for request in requests])
        except BaseException as error:  # it belongs to every thread whose frames were in this call
            for request in requests:
                request.error, request.done = error, True
        else:
            for request in requests:
                request.result, request.done = result, True
