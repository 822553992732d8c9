"""What a benchmark run leaves behind: machine, versions and every time, as one JSON file that can be shown again."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from lasca_core import __version__
from lasca_core.bench.timing import Spread
from lasca_core.contract.errors import OptionError
from lasca_core.contract.specs import BenchmarkSpec, Goal
from lasca_core.experiment.artifacts import versions
from lasca_core.host.runtime import HostRuntime, default_workers

FORMAT = 1

Status = Literal["measured", "not measured", "differs", "failed"]


@dataclass(frozen=True)
class Result:
    """One row: what was timed, and how it went.

    ``status`` is ``measured``; ``not measured``, where something it needs is not there; ``differs``, where the two ways
    did not give the same; or ``failed``; ``problem`` says why. Times are in seconds, ``agreement`` says what was
    compared, and ``goals`` are those for the device at hand, each with what was reached.
    """

    name: str
    stage: str
    summary: str
    reference: str
    unit: str
    status: Status
    problem: str = ""
    work: str = ""
    units: float = 0.0
    threads: int = 0
    ours: tuple[float, ...] = ()
    theirs: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    agreement: Mapping[str, Any] = field(default_factory=dict)
    goals: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, spec: BenchmarkSpec, status: Status, **more: Any) -> Result:
        """The row of a spec."""
        about = {name: getattr(spec, name) for name in ("name", "stage", "summary", "reference", "unit")}
        return cls(**about, status=status, **more)


def reached(goal: Goal, seconds: Sequence[float], ratios: Sequence[float], units: float) -> dict[str, Any]:
    """A goal, what the median reached of it, and whether that meets it."""
    if goal.measure == "ratio":
        value = Spread.of(ratios).median
    elif goal.measure == "rate":
        value = units / Spread.of(seconds).median
    else:
        value = 1000 * Spread.of(seconds).median
    met = value <= goal.value if goal.measure == "milliseconds" else value >= goal.value
    return {**asdict(goal), "reached": value, "met": met}


@dataclass(frozen=True)
class Record:
    """All rows of a run of `lasca bench`, and where and with what they were measured.

    ``results`` are benchmarks; ``growth`` are the costs of longer corpora, one entry for each length.
    """

    about: Mapping[str, Any]
    results: tuple[Result, ...] = ()
    growth: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "format": FORMAT,
            **self.about,
            "results": [asdict(result) for result in self.results],
            "growth": [dict(entry) for entry in self.growth],
        }


def describe(runtime: HostRuntime, command: Sequence[str], *, quick: bool) -> dict[str, Any]:
    """Where, when and with what is measured; of absolute paths the name alone, so that a record may be published."""
    import torch

    return {
        "lasca": __version__,
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": [Path(word).name if Path(word).is_absolute() else word for word in command],
        "quick": quick,
        "device": runtime.describe_device(),
        "machine": {
            "processor": processor(),
            "cores": default_workers(),
            "memory_gib": _memory(),
        },
        "threads": {
            "workers": runtime.workers,
            "torch": torch.get_num_threads(),
            **{name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ},
        },
        "versions": versions(),
    }


def processor() -> str:
    """The processor's name, as the system states it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next((name for name in named if name), platform.processor() or platform.machine())


def _memory() -> float | None:
    """Main memory in GiB, where the system states it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None


def load(path: Path) -> Record:
    """A record that was saved. Raises ``OptionError`` naming the file if it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content.pop("format")
        if stated != FORMAT:
            raise OptionError(f"{path} has format {stated}, and this lasca reads format {FORMAT}; measure again")
        results = tuple(_result(row) for row in content.pop("results"))
        growth = tuple(content.pop("growth"))
    except FileNotFoundError:
        raise OptionError(f"{path} does not exist; `lasca bench` writes such a file") from None
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        raise OptionError(f"{path} is not a file that `lasca bench` wrote") from None
    return Record(content, results, growth)


def _result(row: Mapping[str, Any]) -> Result:
    lists = ("ours", "theirs", "ratios", "goals")
    given: dict[str, Any] = {name: tuple(value) if name in lists else value for name, value in row.items()}
    return Result(**given)
