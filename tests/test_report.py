"""`lasca report` as a user runs it: the page of a real run says what the run found, and bad input is one sentence."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings
from lasca_core.experiment.representations import RECIPES
from lasca_core.experiment.results import compared, sentence
from lasca_core.report.source import read_run
from lasca_core.report.variants import MEANING, QUESTION
from lasca_core.testing import make_registry

JOB = (
    *("run", "--dataset", "facs", "--lexicon", "names", "--encoder", "hashing", "--device", "cpu"),
    *("-o", "facs.people=8", "-o", "facs.segments=14", "-o", "evaluate.folds=2", "-o", "evaluate.bootstrap=100"),
)
HOSTILE = "</td><script>window.owned = 1</script><img src=x onerror=\"window.owned = 1\"> & 'quoted' \u202e"


@dataclass(frozen=True)
class Lasca:
    """Calls ``lasca``, with the toy plugin beside the installed ones, in a working folder."""

    work: Path

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.syspath_prepend(str(Path(__file__).parent))
            import toy_plugin

            patch.chdir(self.work)
            patch.setattr(sys, "argv", ["lasca", *map(str, arguments)])
            settings = Settings(cache=self.work / "cache", offline=True)
            settings.registry = make_registry(toy_plugin)
            code = cli._guarded(settings)
        return code, out.getvalue(), err.getvalue()


class Page(HTMLParser):
    """What a page holds: its elements, in order, with their attributes, and its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.text.append(data)

    @property
    def words(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.text).split())

    def count(self, tag: str) -> int:
        """How many elements of a name there are."""
        return sum(name == tag for name, _ in self.elements)


@pytest.fixture(scope="module")
def lasca(tmp_path_factory: pytest.TempPathFactory) -> Lasca:
    return Lasca(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def run(lasca: Lasca) -> Path:
    """The folder of a finished run, which tests must not change."""
    code, out, err = lasca(*JOB)
    assert code == 0, err
    (name,) = re.findall(r"^run: (.+)$", out, re.MULTILINE)
    return lasca.work / name


@pytest.fixture(scope="module")
def page(lasca: Lasca, run: Path) -> Page:
    """The page of that run."""
    code, _, err = lasca("report", run, "--output", "page.html")
    assert code == 0, err
    return Page((lasca.work / "page.html").read_text(encoding="utf-8"))


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A copy of the run's folder, which a test may change."""
    return shutil.copytree(run, tmp_path / "run")


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit a JSON file."""
    content = load(path)
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def change_targets(run: Path, **content: Any) -> None:
    """Replace parts of what a run's metrics.json says of every target."""

    def edit(metrics: dict[str, Any]) -> None:
        for target in metrics["targets"].values():
            target.update(content)

    change(run / "metrics.json", edit)


# --- what the page says -----------------------------------------------------------------------------------------------


def test_the_page_lies_in_the_runs_folder_unless_told_otherwise(lasca: Lasca, copy: Path) -> None:
    code, out, err = lasca("report", copy)
    assert (code, out, err) == (0, f"report: {copy / 'report.html'}\n", "")
    assert (copy / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_page_is_shown_in_the_browser_if_asked_for(
    lasca: Lasca, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("click.launch", shown.append)
    assert lasca("report", copy)[0] == 0
    assert shown == []
    assert lasca("report", copy, "--open")[0] == 0
    assert shown == [str(copy / "report.html")]


def test_the_page_says_at_the_top_that_the_data_are_synthetic(page: Page) -> None:
    assert page.words.index("Synthetic data.") < page.words.index("How often the direction is right")


def test_the_page_of_real_data_does_not(lasca: Lasca, copy: Path) -> None:
    change(copy / "run.json", lambda record: record.update(synthetic=False))
    assert lasca("report", copy)[0] == 0
    assert "ynthetic data" not in Page((copy / "report.html").read_text(encoding="utf-8")).words


def test_every_variant_comparison_and_dropped_pair_is_on_the_page(page: Page, run: Path) -> None:
    for target, found in load(run / "metrics.json")["targets"].items():
        assert target in page.words
        for name, row in found["variants"].items():
            said = f"{name} (abstains)" if row["abstains"] else name
            assert f"{said} {row['accuracy']:.3f} {row['accuracy_sd']:.3f} {row['accuracy_pooled']:.3f}" in page.words
        for name, row in found["comparisons"].items():
            assert sentence(name, row) in page.words
        for reason, count in found["pairs"]["dropped"].items():
            assert f"{reason} {count}" in page.words


def test_the_page_tells_words_time_licences_versions_and_every_option(page: Page, run: Path) -> None:
    record = load(run / "run.json")
    assert "no sentence met the encoder's token limit" in page.words
    for name, stage in record["stages"].items():
        assert f"{name} {stage['seconds']:.2f} {stage['computed']} {stage['stored']}" in page.words
    for part, licence in record["licenses"].items():
        assert f"{part} {licence}" in page.words
    for name, version in record["versions"].items():
        assert f"{name} {version}" in page.words
    assert "pairs.tau 0.1" in page.words


def test_the_headline_counts_tested_pairs_and_the_subjects_they_are_of(page: Page, run: Path) -> None:
    rows = [row for row in pq.read_table(run / "predictions.parquet").to_pylist() if row["variant"] == "fused"]
    for target in ("valence", "arousal"):
        tested = [row for row in rows if row["target"] == target]
        right = [(row["probability"] > 0.5) == row["rises"] for row in tested]
        said = (
            f"Of {len(tested)} tested pairs of consecutive windows from {len({r['subject'] for r in tested})} subjects"
        )
        assert f"{said}, fused told the direction of {target} right in {sum(right) / len(right):.1%}" in page.words


def test_only_folds_by_subject_are_said_to_keep_subjects_apart(lasca: Lasca, copy: Path, page: Page) -> None:
    promise = "no subject is in the training and the test part"
    assert promise in page.words
    change(copy / "run.json", lambda record: record["config"]["evaluate"].update(split="official"))
    assert lasca("report", copy)[0] == 0
    words = Page((copy / "report.html").read_text(encoding="utf-8")).words
    assert "the corpus's official parts" in words
    assert promise not in words


def test_sessions_that_were_left_out_are_named_with_the_reason(lasca: Lasca, copy: Path) -> None:
    change(copy / "run.json", lambda record: record["data"].update(skipped={"tape 7": "no frame could be read"}))
    assert lasca("report", copy)[0] == 0
    assert "tape 7 no frame could be read" in Page((copy / "report.html").read_text(encoding="utf-8")).words


def test_cut_sentences_are_counted(lasca: Lasca, copy: Path) -> None:
    words = {
        "windows": 112, "distinct_texts": 90, "salient_cues_mean": 7.25, "windows_with_dropped_cues": 12,
        "dropped_cues": 34, "max_tokens": 256,
    }  # fmt: skip
    change(copy / "metrics.json", lambda metrics: metrics.update(wording=words))
    assert lasca("report", copy)[0] == 0
    found = Page((copy / "report.html").read_text(encoding="utf-8")).words
    assert "112 valid windows are described by 90 distinct texts" in found
    assert "in 12 of 112 windows 34 least salient cues were left out" in found


def test_segments_of_their_own_are_told_by_their_range(lasca: Lasca, copy: Path, page: Page) -> None:
    assert "windows of 3 s" in page.words
    path = copy / "predictions.parquet"
    table = pq.read_table(path)
    ends = pa.array([start + 2 + place % 3 for place, start in enumerate(table["later_start"].to_pylist())])
    pq.write_table(table.set_column(table.schema.get_field_index("later_end"), "later_end", ends), path)
    assert lasca("report", copy)[0] == 0
    assert "windows of 2 to 4 s" in Page((copy / "report.html").read_text(encoding="utf-8")).words


def test_a_variant_that_abstains_says_so(page: Page, run: Path) -> None:
    assert load(run / "metrics.json")["targets"]["valence"]["variants"]["zero-shot"]["abstains"]
    assert "zero-shot (abstains)" in page.words
    assert "zero-shot abstains: the words say nothing of valence" in page.words


def test_too_few_subjects_are_no_verdict(lasca: Lasca, copy: Path) -> None:
    def few(metrics: dict[str, Any]) -> None:
        for row in metrics["targets"]["valence"]["comparisons"].values():
            row.update(subjects=3, shown=False)

    change(copy / "metrics.json", few)
    assert lasca("report", copy)[0] == 0
    words = Page((copy / "report.html").read_text(encoding="utf-8")).words
    assert "cannot be told from 3 subjects" in words
    assert "too few subjects to tell (3)" in words
    assert "Differences, without intervals, for which 3 subjects are too few" in words


def test_the_command_on_the_page_reproduces_the_run(lasca: Lasca, page: Page, run: Path) -> None:
    (line,) = (text for text in page.text if text.startswith("lasca run --config "))
    code, out, err = lasca(*shlex.split(line)[1:])
    assert code == 0, err
    (again,) = re.findall(r"^run: (.+)$", out, re.MULTILINE)
    for target, found in load(run / "metrics.json")["targets"].items():
        repeated = load(lasca.work / again / "metrics.json")["targets"][target]
        for name, row in found["variants"].items():
            assert repeated["variants"][name]["accuracy_by_fold"] == row["accuracy_by_fold"], (target, name)


def test_the_command_names_the_run_itself_and_not_the_link_to_the_latest(lasca: Lasca, run: Path) -> None:
    link = lasca.work / "runs" / "newest"
    link.symlink_to(run.name)
    assert lasca("report", "runs/newest", "--output", "linked.html")[0] == 0
    page = Page((lasca.work / "linked.html").read_text(encoding="utf-8"))
    assert f"lasca run --config runs/{run.name}/run.json" in page.words


def without_comparisons(lasca: Lasca, *options: str) -> Page:
    """The page of a run that compared nothing."""
    code, out, err = lasca(*JOB, *(part for option in options for part in ("-o", option)))
    assert code == 0, err
    (name,) = re.findall(r"^run: (.+)$", out, re.MULTILINE)
    assert lasca("report", lasca.work / name)[0] == 0
    return Page((lasca.work / name / "report.html").read_text(encoding="utf-8"))


def test_a_run_of_a_single_variant_has_nothing_to_compare_with(lasca: Lasca) -> None:
    page = without_comparisons(lasca, "evaluate.variants=['mask']")
    assert "There is nothing to compare mask with: it is the only variant of this run." in page.words
    assert "mask told the direction of valence right in" in page.words
    assert "Differences" not in page.words


def test_a_run_that_resampled_nothing_says_so(lasca: Lasca) -> None:
    words = without_comparisons(lasca, "evaluate.variants=['features','fused']", "evaluate.bootstrap=0").words
    assert "There is nothing to compare fused with. So nobody can tell" in words
    assert "without intervals, which this run did not compute (evaluate.bootstrap = 0)" in words


def test_figures_of_a_run_without_comparisons_leave_the_differences_out(lasca: Lasca, copy: Path) -> None:
    pytest.importorskip("matplotlib")
    change_targets(copy, comparisons={})
    code, out, err = lasca("report", copy, "--figures", copy / "figures")
    assert code == 0, err
    names = {Path(line).stem for line in re.findall(r"^figure: (.+)$", out, re.MULTILINE)}
    assert names == {"accuracy", "calibration", "change", "tables"}


def test_salient_cues_are_ordered_by_how_much_they_differ_between_rising_and_falling_pairs(
    lasca: Lasca, copy: Path
) -> None:
    cues = {
        "jaw": {"rises": 0.25, "falls": 0.35, "words": "a dropped jaw"},
        "smile": {"rises": 0.75, "falls": 0.25, "words": "a broad smile"},
        "blink": {"rises": 0.5, "falls": 0.5, "words": "a blink"},
    }
    pairs = {"kept": 9, "rising": 4, "dropped": {}}
    change(copy / "metrics.json", lambda metrics: metrics["targets"]["valence"].update(cues=cues, pairs=pairs))
    assert lasca("report", copy)[0] == 0
    page = Page((copy / "report.html").read_text(encoding="utf-8"))
    assert "Of 4 pairs that rise and 5 that fall" in page.words
    assert (
        "smile 75.0% 25.0% +0.500 a broad smile jaw 25.0% 35.0% -0.100 a dropped jaw blink 50.0% 50.0% +0.000 a blink"
        in page.words
    )
    said = [found["data-tip"] for _, found in page.elements if "data-tip" in found]
    assert "smile: a broad smile: salient in 75.0% of rising and 25.0% of falling pairs" in said


@pytest.mark.parametrize("cues", [{}, {"jaw": {"rises": None, "falls": 0.35, "words": "a dropped jaw"}}])
def test_nothing_is_said_of_cues_where_pairs_go_but_one_way_or_nothing_is_recorded(
    lasca: Lasca, copy: Path, cues: dict[str, Any]
) -> None:
    change_targets(copy, cues=cues)
    assert lasca("report", copy)[0] == 0
    words = Page((copy / "report.html").read_text(encoding="utf-8")).words
    assert "Which cues are salient when affect rises" not in words


def test_accuracy_is_told_by_the_share_that_is_not_withheld(lasca: Lasca, copy: Path) -> None:
    rows = [
        {"coverage": 0.1, "accuracy": 0.95, "least_confidence": 0.9},
        {"coverage": 1.0, "accuracy": 0.8, "least_confidence": 0.5},
    ]

    def record(metrics: dict[str, Any]) -> None:
        variants = metrics["targets"]["valence"]["variants"]
        variants["fused"].update(coverage=rows, temperature=1.25)
        variants["features"].update(coverage=None)

    change(copy / "metrics.json", record)
    assert lasca("report", copy)[0] == 0
    page = Page((copy / "report.html").read_text(encoding="utf-8"))
    assert "fused 10.0% 0.950 0.900 fused 100.0% 0.800 0.500" in page.words
    assert "features 10.0%" not in page.words.split("arousal")[0]
    said = [found["data-tip"] for _, found in page.elements if "data-tip" in found]
    assert "fused: 0.950 of the surest 10% of pairs, none less sure than 0.90" in said
    errors = re.search(r"fused (0\.\d{3}) (0\.\d{3}) 1\.25", page.words)
    assert errors is not None, "the temperature stands beside the calibration error and the Brier score"


# --- how the page is made ---------------------------------------------------------------------------------------------


def test_the_page_asks_for_nothing(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("img", "iframe", "object", "video", "audio", "base")
        for name in ("src", "href", "action", "srcset"):
            value = attributes.get(name) or ""
            assert value.startswith(("#", "data:,")) or not value, f"<{tag} {name}={value}>"
    (policy,) = (found["content"] for tag, found in page.elements if found.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_every_link_leads_to_a_heading_and_ids_are_unique(page: Page) -> None:
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    links = [(found["href"] or "")[1:] for tag, found in page.elements if tag == "a"]
    assert len(links) == 7
    assert set(links) <= set(ids)


def test_every_drawing_has_words_and_a_table_behind_it(page: Page) -> None:
    drawings = [found for _, found in page.elements if found.get("class") == "chart"]
    assert len(drawings) == 2 * 9 + 1
    assert all(found["aria-label"] for found in drawings)
    marks = [found for _, found in page.elements if "data-tip" in found]
    assert len(marks) > 100
    assert all(found["tabindex"] == "0" and found["aria-label"] == found["data-tip"] for found in marks)
    assert page.count("table") > len(drawings)


def test_names_cannot_become_markup(lasca: Lasca, copy: Path) -> None:
    path = copy / "predictions.parquet"
    table = pq.read_table(path)
    renamed = pa.array([f"{text} {HOSTILE}" for text in table["subject"].to_pylist()])
    pq.write_table(table.set_column(table.schema.get_field_index("subject"), "subject", renamed), path)

    def rename(record: dict[str, Any]) -> None:
        record["data"]["skipped"] = {HOSTILE: HOSTILE}
        record["components"][0].update(name=HOSTILE, note=HOSTILE)
        record["command"].append(HOSTILE)

    change(copy / "run.json", rename)
    assert lasca("report", copy)[0] == 0
    content = (copy / "report.html").read_text(encoding="utf-8")
    page = Page(content)
    assert content.count("<script") == page.count("script") == 1
    assert page.count("img") == 0
    assert HOSTILE in " ".join(page.text)


def test_every_variant_and_comparison_has_words() -> None:
    assert set(MEANING) == set(RECIPES)
    assert set(QUESTION) == {f"{first} - {second}" for first, second in compared(list(RECIPES))} - {
        "fused - zero-shot-names",
        "fused - zero-shot-shuffled",
    }


# --- bad input --------------------------------------------------------------------------------------------------------


def refused(lasca: Lasca, folder: Path) -> str:
    """The one sentence with which a folder is refused; nothing is written."""
    code, out, err = lasca("report", folder)
    assert (code, out) == (2, "")
    assert err.startswith("lasca: ")
    assert err.count("\n") == 1
    assert not (folder / "report.html").exists()
    return err


def test_a_folder_that_is_not_there(lasca: Lasca, tmp_path: Path) -> None:
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in refused(lasca, tmp_path / "nowhere")


def test_a_folder_that_is_no_run(lasca: Lasca, tmp_path: Path) -> None:
    assert "holds no run.json" in refused(lasca, tmp_path)


def test_a_file_in_place_of_a_folder(lasca: Lasca, run: Path) -> None:
    assert "is not the folder of a run" in refused(lasca, run / "run.json")


def test_a_run_that_failed(lasca: Lasca, copy: Path) -> None:
    change(copy / "run.json", lambda record: record.update(status="failed", error="MediaError: a.mp4:\nno frames"))
    assert "the run failed (MediaError: a.mp4: no frames)" in refused(lasca, copy)


def test_a_run_that_has_not_finished(lasca: Lasca, copy: Path) -> None:
    change(copy / "run.json", lambda record: record.update(status="running"))
    assert "has not finished" in refused(lasca, copy)


@pytest.mark.parametrize("name", ["metrics.json", "predictions.parquet"])
def test_a_file_that_is_missing(lasca: Lasca, copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert f"{copy / name} is missing" in refused(lasca, copy)


@pytest.mark.parametrize("name", ["run.json", "metrics.json", "predictions.parquet"])
@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"[1, 2", b"[]", b"[" * 100_000], ids=("empty", "binary", "cut", "list", "deep")
)
def test_a_file_that_is_damaged(lasca: Lasca, copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    assert f"{copy / name} is damaged" in refused(lasca, copy)


def test_a_file_that_was_cut_short(lasca: Lasca, copy: Path) -> None:
    path = copy / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-200])
    assert f"{path} is damaged" in refused(lasca, copy)


def test_a_field_that_is_missing_is_named(lasca: Lasca, copy: Path) -> None:
    change(copy / "metrics.json", lambda found: found["targets"]["valence"]["variants"]["fused"].pop("accuracy_sd"))
    assert "targets.valence.variants.fused.accuracy_sd: field required" in refused(lasca, copy)


def test_a_column_that_is_missing_or_has_holes_is_named(lasca: Lasca, copy: Path) -> None:
    path = copy / "predictions.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["change"]), path)
    assert "change" in refused(lasca, copy)
    place = table.schema.get_field_index("probability")
    holes = pa.array([None, *table["probability"].to_pylist()[1:]], pa.float32())
    pq.write_table(table.set_column(place, "probability", holes), path)
    assert "values are missing in probability" in refused(lasca, copy)


def test_files_of_different_runs_are_noticed(lasca: Lasca, copy: Path) -> None:
    path = copy / "predictions.parquet"
    table = pq.read_table(path)
    turned = pa.array([1 - value for value in table["probability"].to_pylist()], pa.float32())
    pq.write_table(table.set_column(table.schema.get_field_index("probability"), "probability", turned), path)
    assert "the files are of different runs or damaged" in refused(lasca, copy)


def test_a_page_that_cannot_be_written(lasca: Lasca, run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = lasca("report", run, "--output", tmp_path / "file" / "page.html")
    assert code == 2
    assert err.count("\n") == 1
    assert str(tmp_path / "file") in err


# --- figures ----------------------------------------------------------------------------------------------------------

MAGIC = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG"}


@pytest.fixture(scope="module")
def figures(lasca: Lasca, run: Path) -> Path:
    """The folder of the run's figures."""
    pytest.importorskip("matplotlib")
    code, out, err = lasca("report", run, "--output", "with-figures.html", "--figures", "figures")
    assert code == 0, err
    written = re.findall(r"^figure: (.+)$", out, re.MULTILINE)
    assert sorted(Path(name).name for name in written) == sorted(p.name for p in (lasca.work / "figures").iterdir())
    return lasca.work / "figures"


def test_each_figure_is_written_in_three_formats(figures: Path) -> None:
    for name in ("accuracy", "differences", "calibration", "change"):
        for suffix, magic in MAGIC.items():
            assert (figures / f"{name}{suffix}").read_bytes().startswith(magic)


def test_figures_need_no_colour(figures: Path) -> None:
    import matplotlib.image

    for path in figures.glob("*.png"):
        red, green, blue = (matplotlib.image.imread(path)[..., channel] for channel in range(3))
        assert (red == green).all()
        assert (green == blue).all()


def test_tables_for_papers_hold_the_runs_numbers(figures: Path, run: Path) -> None:
    markdown, latex = ((figures / name).read_text(encoding="utf-8") for name in ("tables.md", "tables.tex"))
    for found in load(run / "metrics.json")["targets"].values():
        for row in found["variants"].values():
            assert f"{row['accuracy']:.3f} ± {row['accuracy_sd']:.3f}" in markdown
            assert f"{row['accuracy']:.3f} $\\pm$ {row['accuracy_sd']:.3f}" in latex
        for row in found["comparisons"].values():
            assert f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]" in markdown
    assert "synthetic" in markdown
    assert "synthetic" in latex


def test_the_same_run_gives_the_same_figures_and_settings_stay_as_they_were(
    figures: Path, run: Path, tmp_path: Path
) -> None:
    import matplotlib

    from lasca_core.report.figures import write_figures

    before = dict(matplotlib.rcParams)
    for path in write_figures(read_run(run), tmp_path):
        assert path.read_bytes() == (figures / path.name).read_bytes(), path.name
    assert dict(matplotlib.rcParams) == before


def test_figures_without_matplotlib_are_one_sentence(
    lasca: Lasca, run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = lasca("report", run, "--output", tmp_path / "page.html", "--figures", tmp_path / "figures")
    assert code == 2
    assert "lasca[report]" in err
    assert err.count("\n") == 1
