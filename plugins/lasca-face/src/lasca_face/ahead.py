"""Reading a recording ahead: the next frames are decoded, and work on them begun, while the last ones are at work."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

from lasca_face.finder import Answer

_FAREWELL_SECONDS = 2.0
"""How long an abandoned stream waits for its reader: longer than decoding takes, and a camera may never answer."""

ItemT = TypeVar("ItemT")


def ahead(items: Iterator[ItemT], begin: Callable[[ItemT], Answer]) -> Generator[tuple[ItemT, Answer]]:
    """Each item with ``begin(item)``, in order, at most one of them ahead of the one that the caller has.

    A thread reads and begins, so that the caller is free to wait for a result; an item that comes late (from a camera)
    keeps no earlier one waiting. What reading or beginning raises is raised here, in its place.
    """
    reader = ThreadPoolExecutor(1, thread_name_prefix="face-reader")

    def step() -> tuple[ItemT, Answer] | None:
        for item in items:
            return item, begin(item)
        return None

    def tidy(coming: Future[tuple[ItemT, Answer] | None]) -> None:
        if not coming.cancelled() and coming.exception() is None and (unwanted := coming.result()) is not None:
            unwanted[1].cancel()
        if hasattr(items, "close"):
            items.close()

    coming = reader.submit(step)
    try:
        while (begun := coming.result()) is not None:
            coming = reader.submit(step)
            yield begun
    finally:
        coming.cancel()
        with suppress(RuntimeError):  # Python is ending and begins nothing more
            # Behind the step under way, in the thread that may close what it reads.
            wait([reader.submit(tidy, coming)], _FAREWELL_SECONDS)
        reader.shutdown(wait=False)
