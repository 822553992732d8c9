"""Reading ahead: order, errors in their place, and what becomes of an abandoned stream."""

from __future__ import annotations

import threading

import pytest
from lasca_face import ahead as module
from lasca_face.ahead import ahead

from lasca_core.api import MediaError


class Begun:
    """Work that remembers whether it was cancelled."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.cancelled = threading.Event()

    def get(self) -> list:
        return [self.number]

    def cancel(self) -> None:
        self.cancelled.set()


def test_items_come_in_order_each_with_its_own_work():
    assert [(item, work.number) for item, work in ahead(iter(range(20)), Begun)] == [(n, n) for n in range(20)]


def test_no_items_are_no_work():
    assert list(ahead(iter(()), Begun)) == []


def test_work_on_the_next_item_begins_while_the_caller_has_the_last_one():
    begun = [threading.Event() for _ in range(3)]

    def begin(number: int) -> Begun:
        begun[number].set()
        return Begun(number)

    parts = ahead(iter(range(3)), begin)
    next(parts)
    assert begun[1].wait(10)
    assert not begun[2].is_set()  # one ahead, not more: memory stays constant
    assert [item for item, _ in parts] == [1, 2]


def test_an_item_that_is_late_keeps_no_earlier_one_waiting():
    come = threading.Event()

    def camera():
        yield 0
        assert come.wait(10)
        yield 1

    parts = ahead(camera(), Begun)
    assert next(parts)[0] == 0  # although the next picture is not there
    come.set()
    assert next(parts)[0] == 1


@pytest.mark.parametrize("where", ["reading", "beginning"])
def test_an_error_comes_after_what_was_read_before_it(where):
    def items():
        yield 0
        yield 1
        if where == "reading":
            raise MediaError("a.mp4", "is damaged")
        yield 2

    def begin(number: int) -> Begun:
        if number == 2:
            raise MediaError("a.mp4", "is damaged")
        return Begun(number)

    parts = ahead(items(), begin)
    assert [next(parts)[0], next(parts)[0]] == [0, 1]
    with pytest.raises(MediaError, match="is damaged"):
        next(parts)


def test_an_abandoned_stream_cancels_what_was_begun_and_closes_what_it_reads():
    closed, begun = [], []

    def items():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    def begin(number: int) -> Begun:
        begun.append(Begun(number))
        return begun[-1]

    parts = ahead(items(), begin)
    next(parts)
    parts.close()
    assert closed == [True]
    assert not begun[0].cancelled.is_set()  # the caller has it
    assert all(work.cancelled.is_set() for work in begun[1:])


def test_an_abandoned_stream_does_not_wait_for_a_camera_that_gives_nothing_more(monkeypatch):
    monkeypatch.setattr(module, "_FAREWELL_SECONDS", 0.0)
    come, closed = threading.Event(), threading.Event()

    def camera():
        try:
            yield 0
            come.wait(10)
        finally:
            closed.set()

    parts = ahead(camera(), Begun)
    next(parts)
    parts.close()
    assert not closed.is_set()
    come.set()
    assert closed.wait(10)
