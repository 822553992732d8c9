"""A sweep from its definition to its tables: finished cells are kept, failed ones are reported, the others go on."""

from __future__ import annotations

import datetime
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lasca_core import __version__
from lasca_core.contract.errors import ContractError, LascaError, StoreError
from lasca_core.experiment.artifacts import versions, write_json
from lasca_core.experiment.sweep.cells import CellStore, Record
from lasca_core.experiment.sweep.definition import Definition
from lasca_core.experiment.sweep.identity import cell_key
from lasca_core.experiment.sweep.output import Output, write_output
from lasca_core.experiment.sweep.plan import Builder, Cell, Plan, efforts_of, in_batches, make_plan
from lasca_core.experiment.sweep.work import Watcher, Workshop
from lasca_core.host.plugins import Registry
from lasca_core.host.runtime import HostRuntime


@dataclass(frozen=True)
class News:
    """A cell that has just ended: how many have, of how many, and seconds that the others will take, if known."""

    cell: Cell
    done: int
    total: int
    remaining: float | None
    record: Record | None
    problem: str = ""


class SweepWatcher(Watcher, Protocol):
    """Speaks to the person who waits for a sweep."""

    def begin(self, total: int, stored: int) -> None:
        """``stored`` of ``total`` cells are finished already."""
        ...

    def ended(self, news: News) -> None:
        """A cell has been computed or has failed."""
        ...


@dataclass(frozen=True)
class Finished:
    """A sweep that has ended: its folder, and every cell with its result or the reason why there is none."""

    folder: Path
    results: list[tuple[Cell, Record]]
    failed: list[tuple[Cell, str]]
    computed: int
    output: Output


_LAST = 3


@dataclass
class Estimate:
    """How long the remaining cells will take: each as long as the last few that had as much to prepare."""

    _seconds: dict[int, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=_LAST)))

    def learn(self, effort: int, seconds: float) -> None:
        """A cell of this effort took so long."""
        self._seconds[effort].append(seconds)

    def of(self, efforts: Sequence[int]) -> float | None:
        """Seconds for cells of these efforts; None before any has ended."""
        if not self._seconds or not efforts:
            return None
        known = {effort: sum(seconds) / len(seconds) for effort, seconds in self._seconds.items()}
        usual = sum(known.values()) / len(known)
        return sum(known.get(effort, usual) for effort in efforts)


def run_sweep(
    definition: Definition,
    registry: Registry,
    runtime: HostRuntime,
    folder: Path,
    watcher: SweepWatcher,
    command: Sequence[str] = (),
    *,
    debug: bool = False,
) -> Finished:
    """Compute the cells that are not stored in ``folder``, and write its tables.

    Raises ``OptionError`` or ``PluginError`` before any work if a cell's configuration is wrong. A cell that fails
    later is recorded with its reason (with ``debug`` a bug in our code or in a plugin's is raised instead). Raises that
    reason if no cell could be computed.
    """
    builder = Builder(registry, runtime)
    plan = make_plan(definition, builder)
    store = CellStore(folder, watcher)
    workshop = Workshop(builder, watcher)
    about = {
        "lasca": __version__,
        "sweep": definition.name,
        "command": list(command),
        "device": runtime.describe_device(),
        "versions": versions(),
        "excluded": plan.excluded,
        "repeated": plan.repeated,
    }
    progress = _Progress(plan, store, workshop, watcher, debug)
    try:
        progress.look_up()
        _write_state(folder, about, progress, "running")
        progress.compute()
    finally:  # what there is when a person interrupts it is worth its tables too
        workshop.close()
        _write_state(folder, about, progress, "finished" if progress.complete else "interrupted")
        output = None
        if progress.results:
            output = write_output(folder, definition, progress.results, progress.failed, watcher)
    if output is None:
        raise progress.errors[0]
    return Finished(folder, progress.results, progress.failed, progress.computed, output)


@dataclass
class _Progress:
    """Where a sweep stands."""

    plan: Plan
    store: CellStore
    workshop: Workshop
    watcher: SweepWatcher
    debug: bool
    computed: int = 0
    errors: list[LascaError] = field(default_factory=list)
    _keys: dict[int, str] = field(default_factory=dict)
    _records: dict[int, Record] = field(default_factory=dict)
    _problems: dict[int, str] = field(default_factory=dict)
    _told: int = 0
    _estimate: Estimate = field(default_factory=Estimate)

    @property
    def results(self) -> list[tuple[Cell, Record]]:
        """Finished cells in the plan's order."""
        return [(cell, self._records[place]) for place, cell in enumerate(self.plan.cells) if place in self._records]

    @property
    def failed(self) -> list[tuple[Cell, str]]:
        """Failed cells with their reasons."""
        return [(cell, self._problems[place]) for place, cell in enumerate(self.plan.cells) if place in self._problems]

    @property
    def complete(self) -> bool:
        """Whether every cell has ended, one way or the other."""
        return len(self._records) + len(self._problems) == len(self.plan.cells)

    def look_up(self) -> None:
        """Find the cells that are stored already, and fail those that cannot be computed."""
        for place, cell in enumerate(self.plan.cells):
            try:
                key = cell_key(cell.known, self.workshop.data(cell).digest)
            except Exception as error:
                self._fail(place, error)
                continue
            self._keys[place] = key
            record = self.store.load(key)
            if record is not None:
                self._records[place] = record
        self._told = len(self._records)
        self.watcher.begin(len(self.plan.cells), self._told)
        for place in self._problems:
            self._tell(place, {})

    def compute(self) -> None:
        """Compute all other cells, those that can share a call of the learner together."""
        waiting = [place for place in range(len(self.plan.cells)) if not self._ended(place)]
        cells = [self.plan.cells[place] for place in waiting]
        efforts = dict(zip(waiting, efforts_of(cells), strict=True))
        for batch in in_batches(cells, together=self.workshop.builder.runtime.device.type != "cpu"):
            self._compute([waiting[index] for index in batch], efforts)

    def _compute(self, batch: Sequence[int], efforts: dict[int, int]) -> None:
        begin = time.perf_counter()
        try:
            records = self.workshop.compute([self.plan.cells[place] for place in batch])
        except Exception as error:
            if len(batch) == 1:
                self._fail(batch[0], error)
                self._tell(batch[0], efforts)
            else:  # whose fault is it?
                for place in batch:
                    self._compute([place], efforts)
            return
        seconds = (time.perf_counter() - begin) / len(batch)
        for place, record in zip(batch, records, strict=True):
            finished = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
            record |= {"seconds": round(seconds, 3), "time": finished}
            self.store.save(self._keys[place], record)
            self._records[place] = record
            self.computed += 1
            self._estimate.learn(efforts[place], seconds)
            self._tell(place, efforts)

    def _ended(self, place: int) -> bool:
        return place in self._records or place in self._problems

    def _fail(self, place: int, error: Exception) -> None:
        """Record why a cell has no result; raise what is no fault of its own, as a full disk, or a bug to be seen."""
        if isinstance(error, StoreError) or (self.debug and not isinstance(error, LascaError)):
            raise error
        if not isinstance(error, LascaError):
            error = ContractError(f"{type(error).__name__}: {' '.join(str(error).split())}")
        self.errors.append(error)
        self._problems[place] = str(error)

    def _tell(self, place: int, efforts: Mapping[int, int]) -> None:
        self._told += 1
        remaining = self._estimate.of([effort for other, effort in efforts.items() if not self._ended(other)])
        record, problem = self._records.get(place), self._problems.get(place, "")
        self.watcher.ended(News(self.plan.cells[place], self._told, len(self.plan.cells), remaining, record, problem))


def _write_state(folder: Path, about: dict[str, Any], progress: _Progress, status: str) -> None:
    state = {
        **about,
        "status": status,
        "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "cells": len(progress.plan.cells),
        "finished": len(progress.results),
        "failed": [{"axes": cell.labels, "problem": problem} for cell, problem in progress.failed],
    }
    write_json(folder / "sweep.json", state)
