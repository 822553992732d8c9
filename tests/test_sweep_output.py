"""What a sweep ends in: tidy Parquet, tables beside published ones, learning curves, sentences; and its command."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings
from lasca_core.experiment.sweep import labels
from lasca_core.experiment.sweep.curves import _STYLES, learning_curves, make_figure
from lasca_core.experiment.sweep.definition import read_definition
from lasca_core.experiment.sweep.published import literature
from lasca_core.experiment.sweep.run import Finished, run_sweep
from lasca_core.experiment.sweep.statements import rules
from lasca_core.experiment.sweep.tidy import correct_for_all
from lasca_core.experiment.tables import Row, Table, to_latex, to_markdown
from lasca_core.testing import make_registry, make_runtime

HERE = Path(__file__).parent
FIXED = """
[run]
dataset = "toyland"
extractors = ["toy"]
lexicon = "names"
learner = "logistic"
[toyland]
subjects = 14
seconds = 60
[fusion]
wording = "sentence"
[evaluate]
folds = 3
bootstrap = 200
"""
GRID = "[sweep.axes]\nwindows.length = [3, 5]\npairs.tau = [0.1, 0.2]\nrun.encoder = ['hashing', 'nameless']\n" + FIXED
CURVE = (
    "[sweep.axes]\nevaluate.train_subjects = [0, 2, 'all']\n[sweep.groups.recipe]\n"
    "plain.fusion.scale = 'column'\nblock.fusion.scale = 'block'\n" + FIXED + "seeds = 2\n"
)


@pytest.fixture(scope="module")
def plugins() -> Sequence[ModuleType]:
    """The toy plugin and that of failing encoders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        import sweep_plugin
        import test_sweep_run
        import toy_plugin

        return toy_plugin, sweep_plugin, test_sweep_run


def sweep(folder: Path, plugins: Sequence[ModuleType], text: str) -> Finished:
    """Run the sweep in ``text``."""
    path = folder / "study.toml"
    path.write_text(text)
    toy, failing, helpers = plugins
    registry, runtime = make_registry(toy, failing), make_runtime(folder / "cache")
    return run_sweep(read_definition(path), registry, runtime, folder / "study", helpers.Witness())


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, plugins: Sequence[ModuleType]) -> Finished:
    """Windows x thresholds x encoders, one of which cannot be had."""
    return sweep(tmp_path_factory.mktemp("grid"), plugins, GRID)


@pytest.fixture(scope="module")
def curve(tmp_path_factory: pytest.TempPathFactory, plugins: Sequence[ModuleType]) -> Finished:
    """A learning curve under two recipes."""
    return sweep(tmp_path_factory.mktemp("curve"), plugins, CURVE.replace("[run]", "[run]\nencoder = 'hashing'"))


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file."""
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_there_is_one_row_for_each_cell_target_variant_seed_and_fold(grid: Finished, curve: Finished) -> None:
    rows = rows_of(grid.folder / "results.parquet")
    variants = grid.results[0][0].config.evaluate.variants
    assert len(rows) == 4 * 1 * len(variants) * 3
    assert {(row["windows.length"], row["pairs.tau"], row["run.encoder"]) for row in rows} == {
        (length, tau, "hashing") for length in (3, 5) for tau in (0.1, 0.2)
    }
    assert all(row["synthetic"] and row["dataset"] == "toyland" for row in rows)
    sizes = {
        (row["evaluate.train_subjects"], row["train_subjects"]) for row in rows_of(curve.folder / "results.parquet")
    }
    assert sizes == {("0", 0), ("2", 2), ("all", 9), ("all", 10)}


def test_the_summary_follows_from_the_rows(grid: Finished) -> None:
    folds = rows_of(grid.folder / "results.parquet")
    summary = rows_of(grid.folder / "summary.parquet")
    for row in summary:
        here = [fold for fold in folds if all(fold[key] == row[key] for key in ("windows.length", "pairs.tau"))]
        scores = {
            name: np.array([fold["accuracy"] for fold in here if fold["variant"] == name])
            for name in row["name"].split(" - ")
        }
        values = list(scores.values())
        if row["kind"] == "variant":
            assert row["mean"] == pytest.approx(values[0].mean())
            assert row["sd"] == pytest.approx(values[0].std(ddof=1))
        else:
            assert row["sd"] == pytest.approx((values[0] - values[1]).std(ddof=1))
            assert row["low"] <= row["mean"] <= row["high"]
    assert {row["kind"] for row in summary} == {"variant", "comparison"}


def test_p_values_are_corrected_over_all_cells(grid: Finished) -> None:
    rows = [row for row in rows_of(grid.folder / "summary.parquet") if row["kind"] == "comparison"]
    assert len(rows) == 4 * 8
    highest = 0.0
    for rank, row in enumerate(sorted(rows, key=lambda row: row["p"])):
        highest = max(highest, min(1.0, row["p"] * (len(rows) - rank)))
        assert row["p_holm"] == pytest.approx(highest)
    shown = [row for row in rows if row["shown"]]
    assert {row["name"] for row in shown} >= {"fused - majority"}


def test_every_table_and_figure_says_that_the_data_are_synthetic(grid: Finished, curve: Finished) -> None:
    for finished in (grid, curve):
        for table in finished.output.tables:
            assert "synthetic data" in table.caption
            assert labels.SYNTHETIC in table.notes
        page, paper = ((finished.folder / name).read_text() for name in ("tables.md", "tables.tex"))
        assert page.count("(synthetic data)") >= len(finished.output.tables)
        assert paper.count("(synthetic data)") == len(finished.output.tables)
    for line in learning_curves(read_definition(curve.folder.parent / "study.toml"), curve.output.summaries):
        assert "synthetic data" in make_figure(line).get_suptitle()


def test_published_rows_stand_beside_ours_and_are_never_taken_for_ours(grid: Finished) -> None:
    table = grid.output.tables[0]
    assert "visual (toy)" in table.caption
    ours = [row for row in table.rows if not row.published]
    published = [row for row in table.rows if row.published]
    assert {row.labels[-1] for row in ours} == {"ours"}
    assert {row.labels[-1] for row in published} == {"published, Aff-Wild2", "published, SEWA"}
    (swinface,) = (row for row in published if row.labels[0] == "SwinFace" and "Aff-Wild2" in row.labels[-1])
    assert dict(zip(table.columns, swinface.cells, strict=True))["5 s, 20 %", "valence"] == "0.73"
    assert sum(cell != labels.MISSING for cell in swinface.cells) == 1, "our data have valence alone"
    assert any("arXiv 2604.07193, on other recordings than ours; none of them was computed here" in note
               for note in table.notes)  # fmt: skip
    assert not any("published" in name for row in rows_of(grid.folder / "summary.parquet") for name in row)


def test_the_published_numbers_are_those_of_the_paper() -> None:
    rows = [
        (row.data, row.modality, row.condition, row.method, row.scores["arousal"], row.scores["valence"])
        for row in literature().results
    ]
    at = "5 s, 20 %"
    assert rows == [
        ("Aff-Wild2", "visual", at, "VGGFace2", 0.71, 0.72),
        ("Aff-Wild2", "visual", at, "SwinFace", 0.74, 0.73),
        ("Aff-Wild2", "visual", at, "MAE-Face", 0.72, 0.71),
        ("Aff-Wild2", "visual", at, "LaScA", 0.74, 0.74),
        ("Aff-Wild2", "audio", at, "Wav2Vec2", 0.71, 0.60),
        ("Aff-Wild2", "audio", at, "MAE-Audio", 0.69, 0.60),
        ("Aff-Wild2", "audio", at, "LaScA", 0.72, 0.58),
        ("Aff-Wild2", "audio+visual", at, "HiCMAE", 0.75, 0.63),
        ("Aff-Wild2", "audio+visual", at, "MMA-DFER", 0.75, 0.63),
        ("Aff-Wild2", "audio+visual", at, "LaScA", 0.74, 0.61),
        ("SEWA", "visual", at, "SwinFace", 0.71, 0.82),
        ("SEWA", "visual", at, "MAE-Face", 0.70, 0.81),
        ("SEWA", "visual", at, "LaScA", 0.70, 0.83),
    ]
    ablations = [(row.variant, row.scores["arousal"], row.scores["valence"]) for row in literature().ablations]
    assert ablations == [
        ("features", 0.55, 0.52),
        ("text", 0.60, 0.67),
        ("fused", 0.74, 0.74),
        ("names", 0.74, 0.61),
        ("fused", 0.74, 0.63),
    ]


def test_a_corpus_of_the_paper_is_shown_with_the_published_rows_of_that_corpus() -> None:
    assert {row.data for row in literature().beside("sewa", "visual")} == {"SEWA"}
    assert {row.data for row in literature().beside("affwild2", "visual")} == {"Aff-Wild2"}
    assert {row.data for row in literature().beside("manifest", "visual")} == {"SEWA", "Aff-Wild2"}
    assert literature().beside("manifest", None) == []


def test_cells_that_failed_are_marked_and_variants_without_words_fill_one_row(grid: Finished) -> None:
    table = grid.output.tables[0]
    by_label = {row.labels[:2]: row.cells for row in table.rows}
    assert ("features", "any") in by_label
    assert set(by_label["fused", "nameless"]) <= {"failed", labels.MISSING}
    assert all(re.match(r"[01]\.\d{3} ± 0\.\d{3}", cell) for cell in by_label["fused", "hashing"])
    assert "the model of nameless is not on this machine" in (grid.folder / "tables.md").read_text()


def test_the_ablations_show_ours_and_the_published_ones_in_columns(grid: Finished) -> None:
    table = grid.output.tables[-1]
    assert "5 s, 20 %, hashing: ablations" in table.caption
    assert table.columns == (("visual (toy)", "valence"), ("published", "valence"))
    assert [(row.labels[2], row.cells[1]) for row in table.rows] == [
        ("features", "0.52"), ("text", "0.67"), ("fused", "0.74"), ("names", "0.61"), ("fused", "0.63"),
    ]  # fmt: skip


def test_a_learning_curve_begins_at_chance_and_rises(curve: Finished) -> None:
    tables = {table.caption: table for table in curve.output.tables}
    assert len(tables) == 4, "accuracies and differences for two recipes"
    first = curve.output.tables[0]
    assert first.columns == (("0",), ("2",), ("all (9-10)",))
    scores = {row.labels[0]: [float(cell[:5]) for cell in row.cells if cell[0].isdigit()] for row in first.rows}
    assert scores["features"][0] == 0.5
    assert scores["features"][0] < scores["features"][1] < scores["features"][2]
    assert {path.name for path in curve.output.files if path.suffix in (".svg", ".png")} == {
        f"learning-curve-{recipe}.{suffix}" for recipe in ("plain", "block") for suffix in ("svg", "png")
    }
    assert all(path.stat().st_size > 5000 for path in curve.output.files if path.suffix in (".svg", ".png"))


def test_the_figure_shows_each_variant_by_dashes_and_marker_and_intervals_as_bands(curve: Finished) -> None:
    definition = read_definition(curve.folder.parent / "study.toml")
    (panel,) = make_figure(learning_curves(definition, curve.output.summaries)[0]).axes
    named = {line.get_label(): line for line in panel.get_lines()}
    assert set(named) == set(curve.results[0][0].config.evaluate.variants)
    assert next(iter(named["features"].get_ydata())) == 0.5
    assert len(panel.collections) == 3, "bands of fused, features and zero-shot"
    assert len({(dashes, marker) for _, dashes, marker in _STYLES.values()}) == len(_STYLES), "told apart in grey"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["0", "2", "all (9-10)"]


def test_a_comparison_is_judged_among_all_of_its_sweep() -> None:
    rows = [
        {"p": p, "low": 0.01, "high": 0.1, "confidence": 0.95, "subjects": subjects}
        for p, subjects in ((0.01, 20), (0.04, 20), (0.03, 20), (0.005, 7))
    ]
    correct_for_all(rows)
    assert [row["p_holm"] for row in rows] == pytest.approx([0.03, 0.06, 0.06, 0.02])  # by hand, after Holm (1979)
    assert [row["shown"] for row in rows] == [True, False, False, False], "the last one has too few subjects"
    assert [row["least_p"] for row in rows] == pytest.approx([4 * 2**-19] * 3 + [4 * 2**-6])


def test_it_is_said_when_so_few_subjects_can_show_nothing(grid: Finished) -> None:
    assert "no p-value is below" not in rules(grid.output.summaries)
    first = grid.output.summaries[0]
    few = [{**row, "subjects": 8} for row in first.rows if row["kind"] == "comparison"]
    correct_for_all(few)
    assert "With 8 subjects no p-value is below 0.0078" in rules([replace(first, rows=few)])


TABLE = Table(
    "50 % of A_B & C",
    ("method", "source"),
    (("3 s", "arousal"), ("3 s", "valence"), ("5 s", "arousal")),
    (
        Row(("fused", "ours"), ("0.7 ± 0.1 ↑", "0.6", "–")),
        Row(("X|Y", "published"), ("–", "–", "0.75"), published=True),
    ),
    ("a note",),
)


def test_markdown_is_aligned_and_escaped() -> None:
    lines = to_markdown(TABLE).splitlines()
    assert lines[0] == "**50 % of A_B & C**"
    assert lines[2] == "| method | source    | 3 s, arousal | 3 s, valence | 5 s, arousal |"
    assert lines[3] == "| ------ | --------- | -----------: | -----------: | -----------: |"
    assert lines[5] == r"| X\|Y   | published |            – |            – |         0.75 |"
    assert len({len(line) for line in lines[2:6]}) == 1
    assert lines[-1] == "a note"


def test_latex_joins_headings_escapes_and_sets_published_rows_apart() -> None:
    text = to_latex(TABLE)
    assert r"\caption{50 \% of A\_B \& C}" in text
    assert r" &  & \multicolumn{2}{c}{3 s} & 5 s \\" in text
    assert r"\cmidrule(lr){3-4} \cmidrule(lr){5-5}" in text
    assert r"method & source & arousal & valence & arousal \\" in text
    assert r"fused & ours & 0.7 $\pm$ 0.1 $\uparrow$ & 0.6 & – \\" in text
    assert "\\midrule\n" + r"\textit{X|Y} & \textit{published} & \textit{–} & \textit{–} & \textit{0.75} \\" in text
    assert text.count("{") == text.count("}")


def call(folder: Path, plugins: Sequence[ModuleType], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``lasca`` with the toy plugins."""
    settings = Settings()
    settings.__dict__["registry"] = make_registry(*plugins[:2])
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setenv("LASCA_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["lasca", *map(str, arguments)])
        code = cli._guarded(settings)
    return code, out.getvalue(), err.getvalue()


def test_the_command_lists_runs_resumes_and_answers_in_json(tmp_path: Path, plugins: Sequence[ModuleType]) -> None:
    (tmp_path / "study.toml").write_text(GRID)
    small = ("study.toml", "--device", "cpu", "-o", "pairs.tau=0.1", "-o", "evaluate.variants=['features', 'fused']")
    code, out, err = call(tmp_path, plugins, "sweep", *small, "--dry-run")
    assert code == 0, err
    assert re.search(r"^1 +3 +nameless +the model of nameless", out, re.MULTILINE)
    assert "4 cells (0 excluded" in out
    assert "at most 24 heads for each target" in out
    assert not (tmp_path / "sweeps").exists()

    code, out, err = call(tmp_path, plugins, "sweep", *small)
    assert code == 0, err
    assert re.search(r"^\[1/4\] length 3, encoder nameless: failed: the model of nameless", err, re.MULTILINE)
    assert re.search(
        r"^\[3/4, about \d+ s left\] length 3, encoder hashing: valence: features 0\.\d+, fused", err, re.M
    )
    assert re.search(r"^\[4/4\] length 5, encoder hashing", err, re.MULTILINE)
    assert "**toyland (synthetic data), visual (toy): accuracy" in out
    assert "published, Aff-Wild2" in out
    assert "failed: 2 cells, the first being length 3, encoder nameless: the model of nameless is not" in out
    assert "cells: 2 computed, 0 stored before, 2 failed\nsweep: sweeps/study\n" in out

    code, out, err = call(tmp_path, plugins, "-q", "sweep", *small, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["computed"], found["finished"], len(found["failed"])) == (0, 2, 2)
    assert {row["name"] for row in found["summary"]} == {"features", "fused", "fused - features"}


def test_the_command_says_in_one_sentence_what_is_wrong(tmp_path: Path, plugins: Sequence[ModuleType]) -> None:
    (tmp_path / "study.toml").write_text(GRID)
    for arguments, words in (
        (["nowhere.toml"], "nowhere.toml does not exist"),
        (["study.toml", "-o", "windows.lenth=3"], "windows.lenth does not exist; did you mean windows.length?"),
        (["study.toml", "-o", "run.encoder=nameless"], "the model of nameless is not on this machine"),
        (["study.toml", "--dataset", "toylan"], "no dataset 'toylan'; did you mean toyland"),
    ):
        code, out, err = call(tmp_path, plugins, "sweep", *arguments)
        assert (code, out) == (2, "")
        assert words in err.splitlines()[-1]
