"""A sweep on a dataset whose rule is known: it agrees with single runs, shares, resumes, and survives failing cells."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lasca_core.contract.errors import DatasetError, StoreError, WeightsError
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.run import run
from lasca_core.experiment.sweep import work
from lasca_core.experiment.sweep.definition import forced_settings, read_definition
from lasca_core.experiment.sweep.plan import Builder, make_plan
from lasca_core.experiment.sweep.run import Finished, News, run_sweep
from lasca_core.experiment.sweep.work import Workshop
from lasca_core.host.runtime import SilentReporter, SilentTask
from lasca_core.testing import make_registry, make_runtime

HERE = Path(__file__).parent
FIXED = """
[run]
dataset = "toyland"
extractors = ["toy"]
encoder = "hashing"
lexicon = "names"
learner = "logistic"
[toyland]
subjects = 9
seconds = 60
[fusion]
wording = "sentence"
components = 0
[evaluate]
folds = 3
bootstrap = 200
"""
GRID = "[sweep.axes]\nwindows.length = [3, 5]\npairs.tau = [0.1, 0.2]\n" + FIXED


class Witness(SilentReporter):
    """Keeps the news of cells, and can be told what to do about one."""

    def __init__(self, then: Callable[[News], None] | None = None) -> None:
        super().__init__()
        self.news: list[News] = []
        self._then = then

    def training(self, heads: int) -> SilentTask:
        return SilentTask()

    def begin(self, total: int, stored: int) -> None:
        self.counts = total, stored

    def ended(self, news: News) -> None:
        self.news.append(news)
        if self._then is not None:
            self._then(news)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """The toy plugin and that of failing encoders, with their counters at zero."""
    monkeypatch.syspath_prepend(str(HERE))
    import sweep_plugin
    import toy_plugin

    toy_plugin.ENCODED.clear()
    toy_plugin.FAIL_AFTER.clear()
    sweep_plugin.CURED.clear()
    return toy_plugin, sweep_plugin


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many heads each call of the learner trained."""
    calls: list[int] = []
    whole = Pipeline.fit

    def counting(self: Pipeline, problems: Sequence[Any]) -> Any:
        calls.append(len(problems))
        return whole(self, problems)

    monkeypatch.setattr(Pipeline, "fit", counting)
    return calls


def sweep(
    folder: Path,
    plugins: Sequence[ModuleType],
    text: str,
    *assignments: str,
    witness: Witness | None = None,
    name: str = "study",
) -> Finished:
    """Run the sweep in ``text`` in ``folder``."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text)
    definition = read_definition(path).with_forced(forced_settings({}, assignments))
    runtime = make_runtime(folder / "cache")
    return run_sweep(definition, make_registry(*plugins), runtime, folder / name, witness or Witness())


def numbers(record: dict[str, Any]) -> dict[str, Any]:
    """What a cell found, without times."""
    found = json.loads(json.dumps(record["targets"]))
    for target in found.values():
        for row in target["variants"].values():
            row.pop("seconds")
    return found


def test_a_cell_has_the_numbers_of_a_single_run_with_its_configuration(
    tmp_path: Path, plugins: tuple[ModuleType, ModuleType]
) -> None:
    done = sweep(tmp_path, plugins, GRID)
    assert len(done.results) == 4
    for cell, record in done.results:
        single = run(cell.config, make_registry(*plugins), make_runtime(tmp_path / "other"), tmp_path / "runs", [])
        ours, theirs = record["targets"]["valence"], single.metrics["targets"]["valence"]
        assert ours["pairs"] == theirs["pairs"]
        for name, row in theirs["variants"].items():
            assert ours["variants"][name] | {"seconds": 0} == row | {"seconds": 0}
        for name, row in theirs["comparisons"].items():
            assert ours["comparisons"][name] == row


def test_windows_words_and_embeddings_are_made_once_for_all_cells_that_agree(
    tmp_path: Path, plugins: tuple[ModuleType, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[float] = []
    whole = work.gather
    monkeypatch.setattr(work, "gather", lambda p, *rest: lengths.append(p.config.windows.length) or whole(p, *rest))
    sweep(tmp_path, plugins, GRID)
    assert lengths == [3, 5]
    encoded = plugins[0].ENCODED
    assert len(encoded) == len(set(encoded)) > 0


def test_a_variant_without_words_is_trained_once_for_all_encoders(
    tmp_path: Path, plugins: tuple[ModuleType, ModuleType], fitted: list[int]
) -> None:
    text = "[sweep.axes]\nrun.encoder = ['hashing', 'second']\n" + FIXED
    done = sweep(tmp_path, plugins, text, "evaluate.variants=['majority', 'features', 'mask', 'text', 'fused']",
                 "evaluate.calibrate=false")  # fmt: skip
    assert fitted == [4 * 3, 2 * 3], "features and mask only for the first encoder"
    first, second = (record["targets"]["valence"]["variants"] for _, record in done.results)
    for name in ("majority", "features", "mask"):
        assert first[name] == second[name]
    assert first["text"]["accuracy_by_fold"] != second["text"]["accuracy_by_fold"]


def test_cells_trained_together_find_what_they_find_alone(
    tmp_path: Path, plugins: tuple[ModuleType, ModuleType], fitted: list[int]
) -> None:
    path = tmp_path / "study.toml"
    path.write_text("[sweep.axes]\npairs.tau = [0.1, 0.2]\nevaluate.train_subjects = [2, 'all']\n" + FIXED)
    found = []
    for size in (4, 1):
        builder = Builder(make_registry(*plugins), make_runtime(tmp_path / "cache"))
        cells = make_plan(read_definition(path), builder).cells
        workshop = Workshop(builder, Witness())
        batches = [cells[start : start + size] for start in range(0, 4, size)]
        found.append([record for batch in batches for record in workshop.compute(batch)])
        workshop.close()
    assert [numbers(record) for record in found[0]] == [numbers(record) for record in found[1]]
    assert len(fitted) == 1 + 4, "one call of the learner for the four cells together"
    assert fitted[0] == sum(fitted[1:]) > 4


KILLED = """
import os, signal, sys
sys.path[:0] = [{here!r}]
from pathlib import Path
import toy_plugin, sweep_plugin
import test_sweep_run as own

def then(news):
    if news.done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

own.sweep(Path({folder!r}), (toy_plugin, sweep_plugin), own.GRID, witness=own.Witness(then))
"""


def test_a_killed_sweep_goes_on_where_it_was_and_computes_nothing_twice(
    tmp_path: Path, plugins: tuple[ModuleType, ModuleType]
) -> None:
    script = KILLED.format(here=str(HERE), folder=str(tmp_path))
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "study/cells").iterdir()}
    assert len(before) == 2
    assert json.loads((tmp_path / "study/sweep.json").read_text())["status"] == "running"

    witness = Witness()
    done = sweep(tmp_path, plugins, GRID, witness=witness)
    assert witness.counts == (4, 2)
    assert [news.cell.labels["windows.length"] for news in witness.news] == ["5", "5"]
    assert (done.computed, len(done.results)) == (2, 4)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "study/cells").iterdir()}
    assert before.items() <= after.items()

    whole = sweep(tmp_path / "undisturbed", plugins, GRID)
    assert [numbers(record) for _, record in done.results] == [numbers(record) for _, record in whole.results]
    assert json.loads((tmp_path / "study/sweep.json").read_text())["status"] == "finished"

    again = sweep(tmp_path, plugins, GRID)
    assert again.computed == 0


def test_an_interrupted_sweep_leaves_tables_of_what_is_finished(
    tmp_path: Path, plugins: tuple[ModuleType, ModuleType]
) -> None:
    def interrupt(news: News) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, plugins, GRID, witness=Witness(interrupt))
    assert json.loads((tmp_path / "study/sweep.json").read_text())["status"] == "interrupted"
    assert "3 s, 10 %, valence" in (tmp_path / "study/tables.md").read_text()


def test_other_data_other_options_and_damaged_results_are_computed_anew(
    tmp_path: Path, plugins: tuple[ModuleType, ModuleType]
) -> None:
    first = sweep(tmp_path, plugins, GRID, "evaluate.variants=['features']")
    assert first.computed == 4
    assert sweep(tmp_path, plugins, GRID, "evaluate.variants=['features']", "toyland.seconds=70").computed == 4
    assert sweep(tmp_path, plugins, GRID, "evaluate.variants=['mask']").computed == 4
    longer = GRID.replace("[0.1, 0.2]", "[0.1, 0.2, 0.3]")
    assert sweep(tmp_path, plugins, longer, "evaluate.variants=['features']").computed == 2, "the new threshold's"
    for path in (tmp_path / "study/cells").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    witness = Witness()
    assert sweep(tmp_path, plugins, GRID, "evaluate.variants=['features']", witness=witness).computed == 4
    assert len([warning for warning in witness.warnings if "is damaged: the cell is computed anew" in warning]) == 4


def test_a_cell_that_fails_is_recorded_with_its_reason_and_the_others_go_on(
    tmp_path: Path, plugins: tuple[ModuleType, ModuleType]
) -> None:
    encoders = "[sweep.axes]\nrun.encoder = ['nameless', 'absent', 'broken', 'hashing']\npairs.tau = [0.1, 0.2]\n"
    witness = Witness()
    done = sweep(tmp_path, plugins, encoders + FIXED, "evaluate.variants=['features', 'text']", witness=witness)
    assert {cell.labels["run.encoder"] for cell, _ in done.results} == {"hashing"}
    reasons = {cell.labels["run.encoder"]: problem for cell, problem in done.failed}
    assert reasons == {
        "nameless": "the model of nameless is not on this machine",
        "absent": "the weights of absent are not here; run `lasca weights pull absent`",
        "broken": "IndexError: list index out of range",
    }
    assert [news.problem != "" for news in witness.news] == [True] * 6 + [False] * 2
    state = json.loads((tmp_path / "study/sweep.json").read_text())
    assert [entry["problem"] for entry in state["failed"]] == [problem for _, problem in done.failed]
    table = (tmp_path / "study/tables.md").read_text()
    assert table.count("failed") > 4

    plugins[1].CURED.append("absent")
    again = sweep(tmp_path, plugins, encoders + FIXED, "evaluate.variants=['features', 'text']")
    assert again.computed == 2, "what failed is tried again, what is finished is not"


def test_a_dataset_that_cannot_be_read_fails_its_own_cells_alone(
    tmp_path: Path, plugins: tuple[ModuleType, ModuleType]
) -> None:
    text = "[sweep.axes]\nrun.dataset = ['manifest', 'toyland']\npairs.tau = [0.1]\n[manifest]\npath = 'nowhere.csv'\n"
    done = sweep(tmp_path, plugins, text + FIXED, "evaluate.variants=['features']")
    assert [cell.labels["run.dataset"] for cell, _ in done.results] == ["toyland"]
    ((cell, problem),) = done.failed
    assert (cell.labels["run.dataset"], "nowhere.csv" in problem) == ("manifest", True)


def test_a_sweep_of_which_no_cell_can_be_computed_is_an_error(
    tmp_path: Path, plugins: tuple[ModuleType, ModuleType]
) -> None:
    text = "[sweep.axes]\nrun.encoder = ['nameless']\n" + FIXED
    with pytest.raises(WeightsError, match="the model of nameless is not on this machine"):
        sweep(tmp_path, plugins, text)
    with pytest.raises(DatasetError, match=r"only 0 pairs"):
        sweep(tmp_path, plugins, GRID, "pairs.tau=5")


def test_a_folder_that_cannot_be_written_ends_the_sweep(tmp_path: Path, plugins: tuple[ModuleType, ModuleType]) -> None:
    (tmp_path / "study").write_text("a file is in the way")
    with pytest.raises(StoreError, match="choose another folder with"):
        sweep(tmp_path, plugins, GRID)


def test_a_bug_is_a_traceback_where_one_is_asked_for(tmp_path: Path, plugins: tuple[ModuleType, ModuleType]) -> None:
    (tmp_path / "study.toml").write_text("[sweep.axes]\nrun.encoder = ['broken']\n" + FIXED)
    definition = read_definition(tmp_path / "study.toml")
    registry, runtime = make_registry(*plugins), make_runtime(tmp_path / "cache")
    with pytest.raises(IndexError):
        run_sweep(definition, registry, runtime, tmp_path / "study", Witness(), debug=True)


def test_the_remaining_time_is_estimated_from_cells_with_as_much_to_prepare() -> None:
    from lasca_core.experiment.sweep.run import Estimate

    estimate = Estimate()
    assert estimate.of([0, 1]) is None
    estimate.learn(2, 100.0)
    for seconds in (1.0, 3.0, 4.0, 8.0):
        estimate.learn(0, seconds)
    assert estimate.of([0, 0, 2]) == 5 + 5 + 100
    assert estimate.of([1]) == pytest.approx(105 / 2), "nothing like it has ended: between the others"
    assert estimate.of([]) is None
