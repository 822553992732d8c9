"""Work in batches on a device whose memory may not suffice for the batch that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from lasca_core.contract.errors import DeviceError

if TYPE_CHECKING:
    from lasca_core.contract.protocols import Reporter

_T = TypeVar("_T")


def in_batches(count: int, size: int, work: Callable[[int, int], _T], *, report: Reporter, option: str) -> list[_T]:
    """``work(start, end)`` for consecutive stretches of ``size`` of ``count`` items; the results in order.

    Where the device runs out of memory the size is halved, once in a call, with a warning that names ``option``, and
    the stretch is done again; what was done before is kept. Raises ``DeviceError`` if that does not suffice either, or
    if a single item is too much.
    """
    import torch

    results: list[_T] = []
    start, halved = 0, False
    while start < count:
        end = min(start + size, count)
        try:
            results.append(work(start, end))
        except torch.OutOfMemoryError:
            tried = end - start
        else:
            start = end
            continue
        # outside the handler, whose traceback would keep the tensors of the failed attempt alive
        if halved or tried < 2:
            raise DeviceError(
                f"the device has not enough free memory for {option} = {tried}; set a lower -o {option}, close what "
                f"else uses the device, or use --device cpu"
            )
        halved, size = True, tried // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        report.warn(f"the device ran out of memory with {option} = {tried}; going on with {size}")
    return results
