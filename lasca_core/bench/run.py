"""Runs benchmarks one after the other: prepare, compare the two results, then time; what goes wrong is a row."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from lasca_core.bench.data import Data
from lasca_core.bench.own import own_benchmarks
from lasca_core.bench.record import Result, Status, reached
from lasca_core.bench.timing import REST_SECONDS, interleave
from lasca_core.contract.errors import LascaError, OptionError
from lasca_core.contract.protocols import Benchmark
from lasca_core.contract.specs import BenchmarkSpec
from lasca_core.host.plugins import Registered, Registry, load_target
from lasca_core.host.runtime import HostRuntime, torch_threads


def benchmarks(registry: Registry) -> list[Registered]:
    """All benchmarks, by stage: those of plugins by name, then the core's own."""
    found = [*registry.all("benchmark"), *own_benchmarks()]
    return sorted(found, key=lambda registered: _STAGES.get(registered.spec.stage, len(_STAGES)))


_STAGES = {"features": 0, "saliency": 1, "text": 2, "heads": 3}
"""The stages in the order of the pipeline; others follow."""


def choose(found: Sequence[Registered], wanted: Sequence[str]) -> list[Registered]:
    """The benchmarks that are named, by themselves or by their stage; all if nothing is.

    Raises ``OptionError`` for a name that is neither.
    """
    import difflib

    known = {name for registered in found for name in (registered.spec.name, registered.spec.stage)}
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
            raise OptionError(f"--only {name}: there is no such benchmark; {hint}")
    return [
        registered for registered in found if not wanted or {registered.spec.name, registered.spec.stage} & {*wanted}
    ]


def lacking(spec: BenchmarkSpec) -> list[str]:
    """The distributions that a benchmark needs and that are not installed."""
    return [name for name in spec.needs if _version(name) is None]


def needed_versions(found: Sequence[Registered]) -> dict[str, str]:
    """The versions of all that the references are made of."""
    names = {name for registered in found for name in registered.spec.needs}
    return {name: version for name in sorted(names) if (version := _version(name)) is not None}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def run(
    chosen: Sequence[Registered], data: Data, runtime: HostRuntime, *, rounds: int, settled: float, debug: bool = False
) -> Iterator[Result]:
    """Time each benchmark; one result each, as soon as it is known.

    A benchmark that fails is a row that says why, and the others go on; with ``debug`` its error is raised.
    """
    for registered in chosen:
        try:
            result = run_one(registered, data, runtime, rounds=rounds, settled=settled)
        except LascaError as error:
            if debug:
                raise
            status: Status = "not measured" if error.exit_code == 2 else "failed"
            result = Result.of(registered.spec, status, problem=str(error))
        except Exception as error:
            if debug:
                raise
            text = " ".join(str(error).split())
            result = Result.of(registered.spec, "failed", problem=f"{type(error).__name__}: {text[:300]}")
        yield result


def run_one(registered: Registered, data: Data, runtime: HostRuntime, *, rounds: int, settled: float) -> Result:
    """Time one benchmark. Raises what it raises."""
    spec: BenchmarkSpec = registered.spec
    if missing := lacking(spec):
        raise OptionError(f"needs {' and '.join(missing)} (pip install {' '.join(missing)})")
    with _used(load_target(registered, spec.target)(data, runtime)) as benchmark, _threads(spec) as threads:
        with runtime.report.task(f"{spec.name}: prepare, warm up and compare"):
            benchmark.prepare()
            ours = _once(benchmark, benchmark.ours)
            theirs = _once(benchmark, benchmark.reference) if spec.reference else None
            agreement = benchmark.compare(ours, theirs)
        del ours, theirs
        about: dict[str, Any] = {
            "work": benchmark.work,
            "units": float(benchmark.units),
            "threads": threads,
            "agreement": {**asdict(agreement), "holds": agreement.holds},
        }
        if not agreement.holds:
            problem = f"{agreement.what} differs by {agreement.difference:.3g}, more than {agreement.tolerance:.3g}"
            return Result.of(spec, "differs", problem=problem, **about)
        with runtime.report.task(f"{spec.name}: time {benchmark.work}"):
            times = interleave(
                benchmark.ours,
                benchmark.reference if spec.reference else None,
                rounds=rounds,
                before=benchmark.reset,
                synchronize=_synchronizer(runtime),
                rest=(lambda: time.sleep(REST_SECONDS)) if spec.reference and not data.quick else (lambda: None),
                settled=settled,
            )
    ratios = times.ratios if spec.reference else ()
    goals = [] if data.quick else [goal for goal in spec.goals if goal.device == runtime.device.type]
    return Result.of(
        spec,
        "measured",
        **about,
        ours=times.ours,
        theirs=times.reference,
        ratios=ratios,
        goals=tuple(reached(goal, times.ours, ratios, about["units"]) for goal in goals),
    )


def _once(benchmark: Benchmark, way: Callable[[], Any]) -> Any:
    benchmark.reset()
    return way()


@contextmanager
def _used(benchmark: Benchmark) -> Iterator[Benchmark]:
    try:
        yield benchmark
    finally:
        benchmark.close()


@contextmanager
def _threads(spec: BenchmarkSpec) -> Iterator[int]:
    """The number of threads torch computes with inside this block."""
    import torch

    if spec.threads is None:
        yield torch.get_num_threads()
        return
    with torch_threads(spec.threads):
        yield spec.threads


def _synchronizer(runtime: HostRuntime) -> Callable[[], None]:
    """Waits until the device has done what it was given."""
    import torch

    if runtime.device.type == "cuda":
        return lambda: torch.cuda.synchronize(runtime.device)
    if runtime.device.type == "mps":
        return torch.mps.synchronize
    return lambda: None
