"""Statistics of everything seen so far, kept up with each new value instead of being computed anew."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from lasca_core.steps.normalize import Statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_GRAIN = 1e-5
"""Seconds to which steps between frames are told apart: their median only says what is a gap."""


class RunningMedian:
    """The lower median of all values so far, exactly; a new one costs O(log n), all are kept (32 bytes each)."""

    def __init__(self) -> None:
        self._lower: list[float] = []  # the smaller half, negated: the median is at the top
        self._upper: list[float] = []

    def add(self, value: float) -> float:
        """Count ``value``; the median with it."""
        if len(self._lower) > len(self._upper):
            heapq.heappush(self._upper, -heapq.heappushpop(self._lower, -value))
        else:
            heapq.heappush(self._lower, -heapq.heappushpop(self._upper, value))
        return -self._lower[0]


class RunningStatistics:
    """``normalize.statistics`` of one group of windows, window by window.

    Medians are kept of the ``signed`` columns alone (bool [F]): nothing reads the others', which are 0.
    """

    def __init__(self, signed: Tensor) -> None:
        self._columns = signed.nonzero()[:, 0].tolist()
        self._medians = [RunningMedian() for _ in self._columns]
        nothing = signed.new_zeros((1, len(signed))).float()
        self.found = Statistics(nothing, nothing, nothing, nothing)
        """The statistics so far, [1, F]; 0 before the first window."""
        self._begun = False

    def add(self, values: Tensor) -> None:
        """Count a valid window's ``values`` float32 [F]."""
        import torch

        low = torch.minimum(self.found.low, values) if self._begun else values[None]
        high = torch.maximum(self.found.high, values) if self._begun else values[None]
        median = torch.zeros_like(low)
        if self._columns:
            chosen = values[self._columns].tolist()
            middle = [known.add(value) for known, value in zip(self._medians, chosen, strict=True)]
            median[0, self._columns] = torch.tensor(middle, dtype=median.dtype, device=median.device)
        reach = torch.maximum(high - median, median - low)  # the farthest value is the smallest or the largest
        self.found = Statistics(low, high, median, reach)
        self._begun = True


class RunningStep:
    """The median step between the frames so far; memory does not grow with their number."""

    def __init__(self) -> None:
        self._steps: Counter[float] = Counter()
        self._last: float | None = None

    def add(self, times: NDArray[np.float64]) -> None:
        """Count frames at ``times`` [T], which ascend and come after all frames so far."""
        if len(times):
            known = times if self._last is None else np.concatenate([[self._last], times])
            self._steps.update((np.diff(known) / _GRAIN).round().tolist())
            self._last = float(times[-1])

    @property
    def median(self) -> float | None:
        """The lower median in seconds, to a hundredth of a millisecond; None of fewer than two frames."""
        left = (self._steps.total() + 1) // 2
        for step in sorted(self._steps):
            left -= self._steps[step]
            if left <= 0:
                return step * _GRAIN
        return None
