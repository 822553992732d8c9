"""Work in batches on a device that may run out of memory."""

from __future__ import annotations

import pytest
import torch

from lasca_core.api import DeviceError, in_batches
from lasca_core.host.runtime import SilentReporter


class Device:
    """Work that fails above ``room`` items and remembers what it did."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.done: list[tuple[int, int]] = []

    def work(self, start: int, end: int) -> list[int]:
        if end - start > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.done.append((start, end))
        return list(range(start, end))


def run(count: int, size: int, room: int) -> tuple[list[int], Device, SilentReporter]:
    device, report = Device(room), SilentReporter()
    parts = in_batches(count, size, device.work, report=report, option="encoder.batch_size")
    return [item for part in parts for item in part], device, report


def test_all_items_come_in_order_and_the_last_batch_may_be_smaller() -> None:
    items, device, report = run(10, 4, room=4)
    assert items == list(range(10))
    assert device.done == [(0, 4), (4, 8), (8, 10)]
    assert not report.warnings


def test_the_batch_is_halved_once_with_a_warning_that_names_the_option() -> None:
    items, device, report = run(10, 8, room=4)
    assert items == list(range(10))
    assert device.done == [(0, 4), (4, 8), (8, 10)]
    assert report.warnings == ["the device ran out of memory with encoder.batch_size = 8; going on with 4"]


def test_what_was_done_before_memory_ran_out_is_kept() -> None:
    done: list[int] = []

    def work(start: int, end: int) -> int:
        if start >= 4 and end - start > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        done.append(start)
        return start

    assert in_batches(8, 4, work, report=SilentReporter(), option="x.y") == [0, 4, 6]
    assert done == [0, 4, 6]


def test_a_device_too_small_for_half_a_batch_is_one_clear_error() -> None:
    with pytest.raises(DeviceError, match=r"not enough free memory for encoder.batch_size = 4; set a lower -o encoder"):
        run(10, 8, room=3)
    with pytest.raises(DeviceError, match=r"encoder.batch_size = 1; set"):
        run(1, 8, room=0)


def test_nothing_to_do_is_no_work() -> None:
    assert in_batches(0, 4, Device(4).work, report=SilentReporter(), option="x.y") == []
