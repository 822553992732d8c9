"""Which problems are padded to one size and computed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import torch
from torch.nn.functional import pad

from lasca_core.api import in_batches

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Reporter

_MOST = 2**32
"""Bytes of a stack on a GPU at most: more would not make it busier."""
_FREE = 2**26
"""A stack of so few bytes is bound by launches: padding costs nothing there."""
_PADDING = 1.25
"""What a larger stack may hold, relative to its problems without padding."""

_T = TypeVar("_T")


def stacks(sizes: Sequence[int], most: int, free: int) -> list[list[int]]:
    """Positions of the problems that make up each stack; ``sizes`` are the bytes that each needs.

    The largest ones come first, and a stack takes the next one as long as it needs no more than ``most`` bytes, padding
    included, and either no more than ``free`` or little padding. A problem that needs more than ``most`` is alone.
    """
    found: list[list[int]] = []
    own = 0
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        if found:
            padded = (len(found[-1]) + 1) * sizes[found[-1][0]]
            if padded <= min(most, max(free, _PADDING * (own + sizes[index]))):
                found[-1].append(index)
                own += sizes[index]
                continue
        found.append([index])
        own = sizes[index]
    return found


def in_stacks(
    sizes: Sequence[int],
    work: Callable[[list[int]], Sequence[_T]],
    *,
    device: torch.device,
    on_cpu: int,
    at_once: int,
    report: Reporter,
    option: str,
    workers: int = 1,
) -> list[_T]:
    """What ``work(positions)`` returns for each problem, in the problems' order.

    It is called for each of ``stacks``, whose size a CPU's caches limit (``on_cpu`` bytes) or a GPU's memory, with at
    most ``at_once`` positions, and with half as many where the device runs out of memory; ``option`` is named then.
    On a CPU ``workers`` threads work on as many stacks at a time.
    """
    limits = (on_cpu, on_cpu) if device.type == "cpu" else (_MOST, _FREE)
    found: dict[int, _T] = {}

    def run(stack: list[int]) -> None:
        def part(start: int, end: int) -> None:
            found.update(zip(stack[start:end], work(stack[start:end]), strict=True))

        in_batches(len(stack), at_once, part, report=report, option=option)

    at_a_time = max(1, workers) if device.type == "cpu" else 1
    # A thread that has not asked torch for its number of threads computes products with all cores.
    with ThreadPoolExecutor(at_a_time, thread_name_prefix="stack", initializer=torch.get_num_threads) as pool:
        for _ in pool.map(run, stacks(sizes, *limits)):
            pass  # what a stack raises is raised here
    return [found[index] for index in range(len(sizes))]


def stacked(tensors: Sequence[Tensor], value: float = 0) -> Tensor:
    """Tensors of different sizes as one, each padded at its ends with ``value``."""
    sizes = [max(tensor.shape[axis] for tensor in tensors) for axis in range(tensors[0].ndim)]
    return torch.stack(
        [
            pad(
                tensor,
                [end for axis in reversed(range(tensor.ndim)) for end in (0, sizes[axis] - tensor.shape[axis])],
                value=value,
            )
            for tensor in tensors
        ]
    )
