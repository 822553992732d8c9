"""Two ways to do one piece of work under the clock in turn, so that what slows the machine slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

SETTLED_SECONDS = 2.0
"""Short work is repeated beyond the rounds asked for until it has been under the clock for so long: medians of
milliseconds need more than a handful of calls."""
MOST_ROUNDS = 100
REST_SECONDS = 0.2
"""Between two ways: the threads of BLAS libraries look out for more work for up to a tenth of a second, and take a core
from what runs next."""
LONG_SECONDS = 240.0
"""Work that has been under the clock for so long ends with the rounds it has, of which there are at least two."""


@dataclass(frozen=True)
class Spread:
    """The median of some numbers, and the range that holds the middle half of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Median and quartiles, interpolated between the values; of a single value all three are that value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True)
class Times:
    """Seconds of every timed call, in the order of the rounds; ``reference`` is empty where there is none."""

    ours: tuple[float, ...]
    reference: tuple[float, ...] = ()

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times as fast as the reference we were, round by round."""
        return tuple(theirs / ours for ours, theirs in zip(self.ours, self.reference, strict=True))


def interleave(
    ours: Callable[[], Any],
    reference: Callable[[], Any] | None,
    *,
    rounds: int,
    before: Callable[[], None] = lambda: None,
    synchronize: Callable[[], None] = lambda: None,
    rest: Callable[[], None] = lambda: None,
    settled: float = SETTLED_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Times:
    """Time ``ours`` and ``reference`` in turn (A B A B ...), at least ``rounds`` times each; both must have run before.

    ``before`` runs ahead of every call, ``rest`` lets what the other way left running come to its end, and
    ``synchronize`` waits for the device before the clock is read; none of them counts. Short work goes on until each
    way has been under the clock for ``settled`` seconds.
    """
    ways = [ours] if reference is None else [ours, reference]
    found: list[list[float]] = [[] for _ in ways]
    while True:
        for way, seconds in zip(ways, found, strict=True):
            before()
            rest()
            synchronize()
            begin = clock()
            way()
            synchronize()
            seconds.append(clock() - begin)
        done = len(found[0])
        spent = [sum(seconds) for seconds in found]
        enough = done >= rounds and (min(spent) >= settled or done >= MOST_ROUNDS)
        if enough or (done >= 2 and sum(spent) >= LONG_SECONDS):
            return Times(*(tuple(seconds) for seconds in found))
