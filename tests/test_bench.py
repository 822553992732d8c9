"""Benchmarks: what is timed and how, that a wrong answer has no time, and that every installed one runs and agrees."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lasca_core.api import (
    Agreement,
    Benchmark,
    BenchmarkSpec,
    ContractError,
    Goal,
    OptionError,
    StoreError,
    hookimpl,
)
from lasca_core.bench import growth, timing
from lasca_core.bench.data import Data
from lasca_core.bench.record import Record, Result, describe, load, reached
from lasca_core.bench.run import benchmarks, choose, lacking, run, run_one
from lasca_core.bench.table import HEAD, growth_rows, markdown, row, with_tables
from lasca_core.bench.timing import Spread, interleave
from lasca_core.experiment.artifacts import write_json
from lasca_core.host.plugins import Registered, discover
from lasca_core.host.runtime import HostRuntime, SilentReporter, default_cache
from lasca_core.testing import make_registry, make_runtime, write_recording

ROOT = Path(__file__).parents[1]
CREMA_D = ROOT.parent / "shared/data/crema-d"
WEIGHTS = default_cache() / "weights"


# --- the clock --------------------------------------------------------------------------------------------------------


class Workshop:
    """Two ways to work, by a clock that only they move."""

    def __init__(self, *, ours: float, reference: float) -> None:
        self.now = 0.0
        self.log: list[str] = []
        self.cost = {"ours": ours, "reference": reference}

    def way(self, name: str) -> Callable[[], None]:
        def work() -> None:
            self.log.append(name)
            self.now += self.cost[name]

        return work

    def outside(self, name: str) -> Callable[[], None]:
        def pass_time() -> None:
            self.log.append(name)

        return pass_time

    def times(self, rounds: int, settled: float = 0.0) -> timing.Times:
        return interleave(
            self.way("ours"),
            self.way("reference"),
            rounds=rounds,
            before=self.outside("before"),
            synchronize=self.outside("wait"),
            settled=settled,
            clock=lambda: self.now,
        )


def test_both_ways_take_turns_and_the_device_is_waited_for_before_the_clock_is_read() -> None:
    workshop = Workshop(ours=1.0, reference=3.0)
    found = workshop.times(2)
    one = ["before", "wait", "ours", "wait", "before", "wait", "reference", "wait"]
    assert workshop.log == one * 2
    assert found.ours == (1.0, 1.0)
    assert found.reference == (3.0, 3.0)
    assert found.ratios == (3.0, 3.0)


def test_short_work_is_repeated_until_each_way_has_been_timed_long_enough() -> None:
    assert len(Workshop(ours=0.25, reference=1.0).times(2, settled=2.0).ours) == 8
    assert len(Workshop(ours=1e-6, reference=1e-6).times(2, settled=2.0).ours) == timing.MOST_ROUNDS


def test_long_work_ends_with_two_rounds() -> None:
    assert len(Workshop(ours=100.0, reference=200.0).times(5).ours) == 2


def test_work_without_a_reference_is_timed_alone() -> None:
    workshop = Workshop(ours=1.0, reference=0.0)
    found = interleave(workshop.way("ours"), None, rounds=3, settled=0.0, clock=lambda: workshop.now)
    assert found == timing.Times((1.0, 1.0, 1.0))


@pytest.mark.parametrize("values", [[1.0, 2.0, 4.0, 8.0, 16.0], [3.0, 1.0], [5.0]])
def test_the_spread_is_numpys_quartiles(values: list[float]) -> None:
    found = Spread.of(values)
    np.testing.assert_allclose((found.low, found.median, found.high), np.percentile(values, [25, 50, 75]))


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (Goal("ratio", 2.0), 3.0, True),
        (Goal("ratio", 4.0), 3.0, False),
        (Goal("rate", 20.0), 20.0, True),
        (Goal("rate", 21.0), 20.0, False),
        (Goal("milliseconds", 500.0), 500.0, True),
        (Goal("milliseconds", 499.0), 500.0, False),
    ],
)
def test_a_goal_is_judged_by_the_median(goal: Goal, value: float, met: bool) -> None:
    found = reached(goal, seconds=(0.4, 0.5, 9.0), ratios=(1.0, 3.0, 4.0), units=10)
    assert found["reached"] == pytest.approx(value)
    assert found["met"] is met


# --- what a spec promises ---------------------------------------------------------------------------------------------


def spec(target: str = "toy_bench:Right", **changes: Any) -> BenchmarkSpec:
    usual = {"name": "toy", "stage": "toys", "unit": "toys", "summary": "a toy", "reference": "another toy"}
    return BenchmarkSpec(**{**usual, "target": target, **changes})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "Toy"}, "must match"),
        ({"target": "toy"}, "is not of the form"),
        ({"reference": "", "goals": (Goal("ratio", 2),)}, "needs a reference"),
        ({"threads": 0}, "must be at least 1"),
    ],
)
def test_a_spec_that_cannot_be_right_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        spec(**changes)


def test_a_goal_needs_a_known_measure_and_a_positive_value() -> None:
    with pytest.raises(ValueError, match="is no measure"):
        Goal("speed", 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be positive"):
        Goal("ratio", 0)


# --- running them -----------------------------------------------------------------------------------------------------


class Right(Benchmark):
    """Agrees with its reference, and remembers how it was used."""

    calls: list[str]
    threads: int

    def prepare(self) -> None:
        Right.calls = ["prepare"]
        self.work, self.units = "seven toys", 7

    def reset(self) -> None:
        Right.calls.append("reset")

    def ours(self) -> int:
        Right.calls.append("ours")
        Right.threads = torch.get_num_threads()
        return 1

    def reference(self) -> int:
        Right.calls.append("reference")
        return 1

    def compare(self, ours: int, reference: int | None) -> Agreement:
        return Agreement("toys", float(abs(ours - (reference or 1))), 0.5)

    def close(self) -> None:
        Right.calls.append("close")


class Wrong(Right):
    """Gives something else than its reference."""

    def reference(self) -> int:
        return 3


class NotANumber(Right):
    """Compares with NaN."""

    def compare(self, ours: int, reference: int | None) -> Agreement:
        return Agreement("toys", float("nan"), 0.5)


class Broken(Right):
    """Fails while it works."""

    def ours(self) -> int:
        raise ZeroDivisionError("toys are out")


class Unavailable(Right):
    """Lacks something that the person can get."""

    def prepare(self) -> None:
        super().prepare()
        raise OptionError("fetch the toys with: lasca weights pull toys")


class Faulty(Right):
    """Breaks the contract."""

    def prepare(self) -> None:
        super().prepare()
        raise ContractError("a toy gave NaN")


def measured(target: type[Benchmark], tmp_path: Path, **changes: Any) -> Result:
    module = types.ModuleType("toy_plugin_bench")
    wanted = spec(f"{__name__}:{target.__name__}", **changes)

    @hookimpl
    def lasca_register_benchmarks() -> Iterator[BenchmarkSpec]:
        yield wanted

    module.lasca_register_benchmarks = lasca_register_benchmarks  # type: ignore[attr-defined]
    registry = make_registry(module, installed=False)
    assert registry.warnings == []
    runtime = make_runtime(tmp_path)
    found = choose(benchmarks(registry), ["toy"])
    (result,) = run(found, Data(registry, runtime), runtime, rounds=2, settled=0.0)
    return result


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module under the name that targets give it."""
    import sys

    module = types.ModuleType(__name__)
    module.__dict__.update(globals())
    monkeypatch.setitem(sys.modules, __name__, module)


def test_a_benchmark_is_prepared_compared_and_timed_and_then_closed(tmp_path: Path) -> None:
    found = measured(Right, tmp_path)
    assert (found.status, found.work, found.units) == ("measured", "seven toys", 7)
    assert len(found.ours) == len(found.theirs) == len(found.ratios) == 2
    assert found.agreement == {"what": "toys", "difference": 0.0, "tolerance": 0.5, "holds": True}
    once = ["reset", "ours", "reset", "reference"]
    assert Right.calls == ["prepare", *once, *once, *once, "close"]


def test_torch_has_the_threads_of_the_stage_and_gets_its_own_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert measured(Right, tmp_path, threads=1).threads == 1
        assert Right.threads == 1
        assert torch.get_num_threads() == 2
        assert measured(Right, tmp_path).threads == 2
        assert Right.threads == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("target", [Wrong, NotANumber])
def test_a_benchmark_of_a_wrong_answer_has_no_time(target: type[Benchmark], tmp_path: Path) -> None:
    found = measured(target, tmp_path)
    assert found.status == "differs"
    assert "toys differs by" in found.problem
    assert found.ours == found.ratios == ()
    assert Right.calls[-1] == "close"


@pytest.mark.parametrize(
    ("target", "status", "problem"),
    [
        (Broken, "failed", "ZeroDivisionError: toys are out"),
        (Unavailable, "not measured", "fetch the toys with: lasca weights pull toys"),
        (Faulty, "failed", "a toy gave NaN"),
    ],
)
def test_what_goes_wrong_is_a_row(target: type[Benchmark], status: str, problem: str, tmp_path: Path) -> None:
    found = measured(target, tmp_path)
    assert (found.status, found.problem) == (status, problem)
    assert Right.calls[-1] == "close"


def test_a_reference_that_is_not_installed_is_named_with_its_pip_line(tmp_path: Path) -> None:
    found = measured(Right, tmp_path, needs=("numpy", "no-such-toys"))
    assert found.status == "not measured"
    assert found.problem == "needs no-such-toys (pip install no-such-toys)"


def test_only_goals_for_the_device_at_hand_are_judged(tmp_path: Path) -> None:
    found = measured(Right, tmp_path, goals=(Goal("rate", 1e-9), Goal("rate", 1e12, "cuda")))
    assert [(goal["device"], goal["met"]) for goal in found.goals] == [("cpu", True)]


def test_debug_raises_what_a_benchmark_raises(tmp_path: Path) -> None:
    registered = Registered(spec(f"{__name__}:Broken"), discover().plugins[0])
    runtime = make_runtime(tmp_path)
    with pytest.raises(ZeroDivisionError):
        list(run([registered], Data(discover(), runtime), runtime, rounds=2, settled=0.0, debug=True))


def test_benchmarks_are_chosen_by_name_and_by_stage() -> None:
    found = benchmarks(discover())
    assert [one.spec.name for one in choose(found, ["mfcc"])] == ["mfcc"]
    assert {one.spec.stage for one in choose(found, ["path", "saliency"])} == {"path", "saliency"}
    assert choose(found, []) == found
    with pytest.raises(OptionError, match=r"--only otso: there is no such benchmark; did you mean otsu"):
        choose(found, ["otso"])


# --- the record and its tables ----------------------------------------------------------------------------------------


def record(tmp_path: Path) -> Record:
    good = Result.of(
        spec(),
        "measured",
        work="7 toys | blocks",
        units=7.0,
        threads=1,
        ours=(0.001, 0.002, 0.003),
        theirs=(0.004, 0.004, 0.003),
        ratios=(4.0, 2.0, 1.0),
        agreement={"what": "toys", "difference": 0.0, "tolerance": 0.0, "holds": True},
        goals=({"measure": "ratio", "value": 4.0, "device": "cpu", "reached": 2.0, "met": False},),
    )
    absent = Result.of(spec(name="absent"), "not measured", problem="needs toys (pip install toys)")
    longer = {
        "hours": 10.0, "sessions": 60, "windows": 12_000, "pairs": 800, "seconds": {"windows": 1.5, "train": 2.5},
        "sentence_ms": 1.25, "start_mib": 300.0, "peak_mib": 512.4, "device_mib": None,
    }  # fmt: skip
    fallen = {"hours": 100.0, "problem": "ended by signal 9"}
    about = describe(make_runtime(tmp_path), ["lasca", "bench", "--media", "/data/talk.mp4"], quick=False)
    return Record(about, (good, absent), (longer, fallen))


def test_a_record_is_the_same_after_saving_and_says_where_it_was_measured(tmp_path: Path) -> None:
    saved = record(tmp_path)
    write_json(tmp_path / "bench.json", saved.as_json())
    again = load(tmp_path / "bench.json")
    assert again.results == saved.results
    assert again.as_json() == saved.as_json()
    assert again.about["command"] == ["lasca", "bench", "--media", "talk.mp4"], "no folder is published"
    assert again.about["versions"]["torch"] == importlib.metadata.version("torch")
    assert again.about["threads"]["torch"] == torch.get_num_threads()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "results": [{}], "growth": []}'])
def test_a_file_that_is_no_record_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(OptionError, match=r"other\.json is not a file that `lasca bench` wrote"):
        load(path)


def test_a_record_of_a_later_version_or_none_at_all_is_named(tmp_path: Path) -> None:
    path = tmp_path / "later.json"
    path.write_text('{"format": 99, "results": [], "growth": []}')
    with pytest.raises(OptionError, match="has format 99"):
        load(path)
    with pytest.raises(OptionError, match="does not exist"):
        load(tmp_path / "none.json")


def test_a_row_tells_times_ratio_spread_rate_and_what_is_missing_of_the_goal(tmp_path: Path) -> None:
    good, absent = (dict(zip(HEAD, row(result), strict=True)) for result in record(tmp_path).results)
    assert (good["ours"], good["reference"], good["ratio"]) == ("2 ms", "4 ms", "2")
    assert (good["middle half"], good["rounds"], good["rate"]) == ("1.5-3", "3", "3,500 toys/s")
    assert good["goal"] == "at least 4: missed by 50%"
    assert absent["ratio"] == "-"
    assert absent["work"] == "not measured: needs toys (pip install toys)"


def test_longer_corpora_have_a_column_for_each_stage_and_a_failed_length_says_why(tmp_path: Path) -> None:
    head, (longer, fallen) = growth_rows(record(tmp_path))
    found = dict(zip(head, longer, strict=True))
    assert (found["hours"], found["windows s"], found["train s"], found["whole s"]) == ("10", "1.50", "2.50", "4.00")
    assert (found["start MiB"], found["peak MiB"], found["device MiB"]) == ("300", "512", "-")
    assert len(fallen) == len(head)
    assert fallen[-1] == "failed: ended by signal 9"


def test_markdown_has_the_command_beside_each_row_and_names_the_device(tmp_path: Path) -> None:
    text = markdown(record(tmp_path))
    assert re.search(r"^\| toy \|.*\| `lasca bench --only toy` \|$", text, re.MULTILINE)
    assert r"7 toys \| blocks" in text
    assert "- device: cpu (2 threads)" in text
    tables = text.split("\n\n")[:2]
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, "every row has all cells"


def test_tables_are_renewed_between_their_marks_alone(tmp_path: Path) -> None:
    page = (
        "before\n<!-- bench: a.json -->\nold\n<!-- /bench -->\nbetween\n<!-- bench: b.json -->\nkept\n<!-- /bench -->\n"
    )
    renewed = with_tables(page, record(tmp_path), "a.json")
    assert "old" not in renewed
    assert renewed.startswith("before\n<!-- bench: a.json -->\n\n| benchmark |")
    assert renewed.endswith("<!-- /bench -->\nbetween\n<!-- bench: b.json -->\nkept\n<!-- /bench -->\n")
    assert with_tables(renewed, record(tmp_path), "a.json").count("| toy |") == 1
    with pytest.raises(OptionError, match=r"no marks <!-- bench: c\.json -->"):
        with_tables(page, record(tmp_path), "c.json")


def test_the_tables_in_the_documentation_are_those_of_the_records_beside_it() -> None:
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    names = re.findall(r"<!-- bench: (\S+) -->", page)
    assert names
    for name in names:
        found = load(ROOT / "docs" / name)
        assert not found.about["quick"], name
        assert with_tables(page, found, name) == page, (
            f"renew it: lasca bench --show docs/{name} --into docs/performance.md"
        )


# --- the installed ones -----------------------------------------------------------------------------------------------

INSTALLED = benchmarks(discover())


@pytest.mark.parametrize("registered", INSTALLED, ids=lambda found: found.spec.name)
def test_what_a_benchmark_names_can_be_imported_without_its_reference(registered: Registered) -> None:
    module, _, attribute = registered.spec.target.partition(":")
    assert issubclass(getattr(importlib.import_module(module), attribute), Benchmark)


def test_every_goal_of_the_project_has_its_benchmark() -> None:
    goals = {(one.spec.name, goal.measure, goal.value, goal.device) for one in INSTALLED for goal in one.spec.goals}
    assert goals >= {
        ("face", "ratio", 1.8, "cpu"), ("mfcc", "ratio", 2, "cpu"), ("otsu", "ratio", 20, "cpu"),
        ("encode", "ratio", 3, "cpu"), ("train", "ratio", 1, "cpu"), ("window-stored", "milliseconds", 2, "cpu"),
        ("window-new", "milliseconds", 80, "cpu"), ("face", "rate", 5000, "cuda"),
        ("window-new", "milliseconds", 5, "cuda"), ("grid", "ratio", 20, "cuda"),
    }  # fmt: skip


def recording(tmp_path: Path) -> Path:
    """A real recording where there is one."""
    return next(iter(sorted(CREMA_D.glob("*.mp4"))), None) or write_recording(tmp_path / "made.avi", seconds=8, fps=10)


def quick(name: str, tmp_path: Path) -> Result:
    """A benchmark on little work, with the pretrained files that are there and a store of its own."""
    (registered,) = choose(INSTALLED, [name])
    if missing := lacking(registered.spec):
        pytest.skip(f"{name} needs {', '.join(missing)}")
    runtime = HostRuntime(cache=tmp_path, device_name="cpu", offline=True, workers=2, report=SilentReporter())
    if WEIGHTS.is_dir():
        (tmp_path / "weights").symlink_to(WEIGHTS, target_is_directory=True)
    data = Data(discover(), runtime, recording(tmp_path), quick=True)
    try:
        return run_one(registered, data, runtime, rounds=2, settled=0.0)
    finally:
        data.close()


@pytest.mark.parametrize("name", ["face", "mfcc", "otsu", "otsu-histogram", "train"])
def test_a_benchmark_runs_and_both_ways_agree(name: str, tmp_path: Path) -> None:
    if not WEIGHTS.is_dir():
        pytest.skip("pretrained files are absent: lasca weights pull face-landmarker minilm")
    found = quick(name, tmp_path)
    assert (found.status, found.problem) == ("measured", "")
    assert found.work
    assert found.units > 0
    assert found.agreement["holds"]
    assert len(found.ours) == len(found.ratios) == 2
    assert found.goals == (), "a goal is not judged on little work"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["encode", "encode-overlapping", "encode-stored", "grid", "window-stored", "window-new", "path-cold", "path-warm"],
)
def test_a_benchmark_that_takes_longer_runs_and_both_ways_agree(name: str, tmp_path: Path) -> None:
    if not WEIGHTS.is_dir():
        pytest.skip("pretrained files are absent: lasca weights pull face-landmarker minilm")
    found = quick(name, tmp_path)
    assert (found.status, found.problem) == ("measured", "")
    assert found.agreement["holds"]


def test_every_installed_benchmark_is_run_by_these_tests() -> None:
    marks = [*test_a_benchmark_runs_and_both_ways_agree.pytestmark, *(
        mark for mark in test_a_benchmark_that_takes_longer_runs_and_both_ways_agree.pytestmark if mark.args
    )]  # fmt: skip
    covered = set(itertools.chain.from_iterable(mark.args[1] for mark in marks))
    assert covered == {one.spec.name for one in INSTALLED}


# --- longer corpora ---------------------------------------------------------------------------------------------------


def test_hours_are_positive_numbers() -> None:
    assert growth.parse_hours("1, 10,0.5") == (1.0, 10.0, 0.5)
    for text in ("", "1,", "one", "0", "-1", "nan", "inf"):
        with pytest.raises(OptionError, match=r"--hours .*is not a positive number"):
            growth.parse_hours(text)


def test_made_tracks_are_the_same_whenever_they_are_asked_for_and_are_not_kept() -> None:
    made = growth.Made({"blendshape": ("a", "b")}, {"blendshape": frozenset({"b"})}, number=3, seconds=4.0)
    first, second = made["blendshape"], made["blendshape"]
    assert first is not second
    assert torch.equal(first.values, second.values)
    assert first.values.shape == (100, 2)
    other = growth.Made(made.extractors, made.signed, number=4, seconds=4.0)["blendshape"]
    assert not torch.equal(first.values, other.values)


def test_a_length_that_cannot_be_measured_is_an_entry_that_says_why(tmp_path: Path) -> None:
    (entry,) = growth.measure([0.05], make_runtime(tmp_path))  # no pretrained file, and offline
    assert entry["hours"] == 0.05
    assert "lasca weights pull" in entry["problem"]


@pytest.mark.slow
def test_longer_corpora_are_measured_stage_by_stage(tmp_path: Path) -> None:
    if not WEIGHTS.is_dir():
        pytest.skip("pretrained files are absent: lasca weights pull minilm")
    (tmp_path / "weights").symlink_to(WEIGHTS, target_is_directory=True)
    short, longer = growth.measure([0.1, 0.2], make_runtime(tmp_path))
    assert (short["windows"], longer["windows"]) == (120, 240)
    assert set(short["seconds"]) == {
        "windows",
        "normalise",
        "saliency",
        "words",
        "pairs",
        "knowledge",
        "fusion",
        "train",
    }
    assert all(seconds >= 0 for seconds in short["seconds"].values())
    assert short["peak_mib"] >= short["start_mib"] > 0


def test_a_page_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    from lasca_core.bench.table import write_into

    with pytest.raises(StoreError, match=r"--into .*none\.md: the page cannot be read"):
        write_into(tmp_path / "none.md", record(tmp_path), "a.json")
