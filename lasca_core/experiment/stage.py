"""The stages of a pipeline: how long each took, and what it found done before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lasca_core.contract.types import StageInfo


@dataclass
class Stage:
    """One stage being timed: counts what was computed and what the store already had."""

    name: str
    seconds: float = 0.0
    computed: int = 0
    stored: int = 0

    def info(self) -> StageInfo:
        """The record observers see."""
        return StageInfo(self.name, self.seconds, self.computed, self.stored)

    @contextmanager
    def timed(self) -> Iterator[Stage]:
        """Add the time that this block takes."""
        begin = time.perf_counter()
        try:
            yield self
        finally:
            self.seconds += time.perf_counter() - begin
