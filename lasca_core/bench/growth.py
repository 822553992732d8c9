"""What longer corpora cost: seconds of each stage and peak memory for so many hours of synthetic features.

Each length is a Python of its own (``python -m lasca_core.bench.growth``), so that its peak memory is its own. Tracks
of 73 features are made when they are asked for, session by session, as extractors' tracks are read from the store; what
the run keeps of them is what a run keeps.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lasca_core.bench.data import FACE_AND_VOICE
from lasca_core.contract.errors import LascaError, OptionError
from lasca_core.contract.types import Recording, Saliency, Trace, Track
from lasca_core.experiment.config import resolve
from lasca_core.experiment.evaluate import learnable, plans_of
from lasca_core.experiment.material import gather
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import RECIPES, Blocks, Representations
from lasca_core.experiment.trial import Trial
from lasca_core.host.plugins import discover
from lasca_core.host.runtime import HostRuntime

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FRAMES_A_SECOND = 25
RATINGS_A_SECOND = 10
SESSION_SECONDS = 600.0
FEWEST_SESSIONS = 4
"""Folds keep subjects apart, and each session is of one subject."""
_WARM_UP_HOURS = 0.05
_WINDOWS_IN_WORDS = 1000


def parse_hours(text: str) -> tuple[float, ...]:
    """``"1,10,100"`` -> (1.0, 10.0, 100.0). Raises ``OptionError`` for what is not a list of positive numbers."""
    found = []
    for part in text.split(","):
        try:
            number = float(part)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            raise OptionError(
                f"--hours {text}: {part.strip()!r} is not a positive number; write, for instance, 1,10,100"
            )
        found.append(number)
    return tuple(found)


def measure(hours: Sequence[float], runtime: HostRuntime) -> Iterator[dict[str, Any]]:
    """The cost of each length, one after the other; one that fails says why."""
    with TemporaryDirectory(prefix="lasca-growth-") as folder:
        for number in hours:
            result = Path(folder) / "result.json"
            result.unlink(missing_ok=True)
            command = [sys.executable, "-m", "lasca_core.bench.growth", str(number), str(runtime.device)]
            command += [str(runtime.cache), str(int(runtime.offline)), str(result)]
            with runtime.report.task(f"{number:g} hours"):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.is_file():
                yield json.loads(result.read_text(encoding="utf-8"))
                continue
            last = done.stderr.strip().rpartition("\n")[2]
            died = f"ended by signal {-done.returncode}, as a system does that is out of memory"
            problem = died if done.returncode < 0 else last or f"exit code {done.returncode}"
            yield {"hours": number, "problem": problem}


# --- one length, in its own process -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made(Mapping[str, Track]):
    """Tracks of one session by extractor, made anew whenever one is asked for, and not kept."""

    extractors: Mapping[str, tuple[str, ...]]
    signed: Mapping[str, frozenset[str]]
    number: int
    seconds: float

    def __getitem__(self, name: str) -> Track:
        import torch

        names = self.extractors[name]
        count = round(self.seconds * FRAMES_A_SECOND)
        times = torch.arange(count, dtype=torch.float64) / FRAMES_A_SECOND
        values = _slow((self.number, name), self.seconds, count, len(names))
        return Track(names, values, times, torch.ones(count, dtype=torch.bool), self.signed[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.extractors)

    def __len__(self) -> int:
        return len(self.extractors)


def _slow(seed: tuple[object, ...], seconds: float, count: int, columns: int) -> Tensor:
    """float32 [count, columns] in [0, 1] that change over seconds, as faces do: random values every two seconds, joined
    by lines, and a little noise."""
    import torch
    from torch.nn.functional import interpolate

    digest = hashlib.sha256(repr(seed).encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:4]))  # of a longer seed, torch reads 4 bytes
    knots = torch.rand(1, columns, max(2, round(seconds / 2)), generator=generator)
    smooth = interpolate(knots, size=count, mode="linear", align_corners=True)[0].T
    return (smooth + 0.02 * torch.randn(count, columns, generator=generator)).clamp(0, 1).contiguous()


def recordings(hours: float, pipeline: Pipeline) -> list[Recording]:
    """Sessions of ten minutes (four shorter ones at least), each of another subject, rated ten times a second."""
    import torch

    count = max(FEWEST_SESSIONS, round(hours * 3600 / SESSION_SECONDS))
    seconds = hours * 3600 / count
    names = {built.spec.name: tuple(built.component.names) for built in pipeline.extractors}
    signed = {built.spec.name: frozenset(built.component.signed) for built in pipeline.extractors}
    ratings = round(seconds * RATINGS_A_SECOND)
    found = []
    for number in range(count):
        times = torch.arange(ratings, dtype=torch.float64) / RATINGS_A_SECOND
        values = 2 * _slow((number, "rating"), seconds, ratings, 1)[:, 0] - 1
        trace = Trace(times, values, torch.ones(ratings, dtype=torch.bool))
        found.append(
            Recording(
                session=f"made {number}",
                subject=f"subject {number}",
                features=Made(names, signed, number, seconds),
                annotations={"valence": trace},
            )
        )
    return found


def grow(hours: float, runtime: HostRuntime) -> dict[str, Any]:
    """Windows, normalisation, saliency, words, pairs, fusion and the training of one fold, by the default recipe.

    Everything is done once for a few minutes before, so that imports and the encoding of the descriptions, which cost
    the same whatever the hours, are neither in the seconds nor in what memory grows by.
    """
    import torch

    config = resolve(
        preset="best",
        chosen={"extractors": FACE_AND_VOICE},
        assignments=("evaluate.variants=['fused']", "evaluate.calibrate=false"),
    )
    registry = discover()
    _pass_through(_WARM_UP_HOURS, Pipeline(config, registry, runtime))
    start = memory_mib()
    if runtime.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(runtime.device)
    found = _pass_through(hours, Pipeline(config, registry, runtime))
    device = torch.cuda.max_memory_allocated(runtime.device) / 2**20 if runtime.device.type == "cuda" else None
    return {"hours": hours, **found, "start_mib": start, "peak_mib": memory_mib(), "device_mib": device}


def _pass_through(hours: float, pipeline: Pipeline) -> dict[str, Any]:
    sessions = recordings(hours, pipeline)
    clock = _Clock(pipeline.runtime.device)
    with clock.stage("windows"):
        material = gather(pipeline, sessions, ("valence",))
    clock.seconds["windows"] -= pipeline.stages["extract"].seconds  # in which the tracks are made
    representations = Representations.of(pipeline, material)
    with clock.stage("normalise"):
        blocks = representations.whole
    with clock.stage("saliency"):
        _ = blocks.saliency
    with clock.stage("words"):
        chosen = blocks.get(RECIPES["fused"])
    with clock.stage("pairs"):
        pairs = learnable(pipeline, material)
        plan = plans_of(pipeline, pairs, material)["valence"]
    trial = Trial(pipeline, representations, "valence", pairs["valence"], plan)
    with clock.stage("knowledge"):
        representations.knowledge("own", "valence")
    with clock.stage("fusion"):
        delta, layout = trial.delta_of(chosen)
        problem, _ = trial.problem(RECIPES["fused"], delta, layout, plan[0])
    with clock.stage("train"):
        pipeline.fit([problem])
    return {
        "sessions": len(sessions),
        "windows": len(material.windows),
        "pairs": len(pairs["valence"]),
        "seconds": clock.seconds,
        "sentence_ms": _sentence_ms(blocks),
    }


def _sentence_ms(blocks: Blocks) -> float:
    """Milliseconds to write the sentence of a window, which the default recipe does only to show it, over the first
    windows."""
    first = slice(_WINDOWS_IN_WORDS)
    salient = Saliency(blocks.saliency.mask[first], blocks.saliency.score[first])
    begin = time.perf_counter()
    words = blocks.pipeline.words(blocks.windows.names, salient, blocks.lexicons[0], blocks.normalized.state[first])
    return 1000 * (time.perf_counter() - begin) / len(words.index)


class _Clock:
    """Seconds by stage, the device having done what it was given."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        if self._device.type == "cuda":
            import torch

            torch.cuda.synchronize(self._device)
        self.seconds[name] = time.perf_counter() - begin


def memory_mib() -> float:
    """The most memory this process has had so far (resident set), in MiB."""
    try:
        import resource
    except ImportError:
        raise LascaError("--hours: this system does not state a process's peak memory") from None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def main(hours: str, device: str, cache: str, offline: str, result: str) -> None:
    """Measure one length and write it as JSON."""
    runtime = HostRuntime(cache=Path(cache), device_name=device, offline=bool(int(offline)))
    try:
        found = grow(float(hours), runtime)
    except LascaError as error:
        sys.exit(str(error))
    Path(result).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
