"""Joining what several threads submit into calls of one device."""

from __future__ import annotations

import threading
from collections import deque

import pytest
import torch
from lasca_face.joiner import Joiner


def frames(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers)


class Arrivals(deque):
    """A queue that counts what is put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Semaphore(0)

    def append(self, item: object) -> None:
        super().append(item)
        self.arrived.release()


class Device:
    """Work that can be held up at its first call; ``calls`` are the numbers that each call was given."""

    def __init__(self, most: int = 100) -> None:
        self.calls: list[list[int]] = []
        self.busy, self.free = threading.Event(), threading.Event()
        self.joiner = Joiner(self.work, lambda parts: sum(map(len, parts)) <= most)
        self.arrivals = self.joiner._waiting = Arrivals()

    def work(self, parts) -> list[int]:
        self.calls.append([number for part in parts for number in part.tolist()])
        if len(self.calls) == 1:
            self.busy.set()
            assert self.free.wait(10)
        if -1 in self.calls[-1]:
            raise MemoryError
        return [10 * number for number in self.calls[-1]]

    def submit_while_busy(self, *submissions: torch.Tensor) -> list[object]:
        """What each of ``submissions`` after the first gets, if they come in this order while the first is at work."""
        answers: list[object] = [None] * len(submissions)

        def submit(place: int) -> None:
            try:
                share = self.joiner.submit(submissions[place])
                answers[place] = share.result[share.first : share.last]
            except MemoryError as error:
                answers[place] = error

        threads = [threading.Thread(target=submit, args=(place,)) for place in range(len(submissions))]
        for thread in threads:
            thread.start()
            assert self.arrivals.arrived.acquire(timeout=10)
            assert self.busy.wait(10)
        self.free.set()
        for thread in threads:
            thread.join()
        return answers


def test_a_thread_alone_has_a_call_of_its_own_each_time():
    device = Device()
    device.free.set()
    for numbers in ([1, 2], [3], [4, 5, 6]):
        share = device.joiner.submit(frames(*numbers))
        assert share.result[share.first : share.last] == [10 * number for number in numbers]
    assert device.calls == [[1, 2], [3], [4, 5, 6]]


def test_what_comes_while_the_device_is_busy_is_done_in_one_call_and_shared_out():
    device = Device()
    assert device.submit_while_busy(frames(1), frames(2, 3), frames(4), frames(5, 6)) == [
        [10],
        [20, 30],
        [40],
        [50, 60],
    ]
    assert device.calls == [[1], [2, 3, 4, 5, 6]]


def test_a_call_takes_no_more_than_fits_but_at_least_one_part():
    device = Device(most=3)
    answers = device.submit_while_busy(frames(0), frames(1, 2, 3, 4, 5), frames(6, 7), frames(8), frames(9))
    assert device.calls == [[0], [1, 2, 3, 4, 5], [6, 7, 8], [9]]
    assert answers[1:] == [[10, 20, 30, 40, 50], [60, 70], [80], [90]]


def test_an_error_reaches_every_thread_of_the_call_and_no_other():
    device = Device(most=2)
    answers = device.submit_while_busy(frames(0), frames(1), frames(-1), frames(3))
    assert answers[0] == [0]
    assert isinstance(answers[1], MemoryError)
    assert isinstance(answers[2], MemoryError)
    assert answers[3] == [30]


def test_after_an_error_the_device_can_be_used_again():
    device = Device()
    device.free.set()
    with pytest.raises(MemoryError):
        device.joiner.submit(frames(-1))
    assert device.joiner.submit(frames(2)).result == [20]
