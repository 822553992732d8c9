"""The report's page in a real browser: it opens from disk, fits a phone, works with keys, and runs nothing foreign."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lasca_core.report.run_page import run_page
from lasca_core.report.source import FinishedRun, Predictions

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright's Python client is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")

HOSTILE = "<script>window.owned = 1</script><img src=x onerror='window.owned = 1'>"
SUBJECTS = 300


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with many subjects, one of them with a name that wants to be markup."""
    folder = tmp_path_factory.mktemp("run")
    path = folder / "report.html"
    path.write_text(run_page(made_up(folder), folder), encoding="utf-8")
    return path


def made_up(folder: Path) -> FinishedRun:
    """A run that nobody ran: two variants, and ten pairs of each subject."""
    random = np.random.default_rng(0)
    subject = np.repeat(np.array([f"person {place:03}" for place in range(SUBJECTS - 1)] + [HOSTILE], dtype=object), 10)
    change = random.normal(size=len(subject))
    variants = {name: 1 / (1 + np.exp(-change - random.normal(size=len(subject)))) for name in ("features", "fused")}
    predictions = {
        ("valence", name): Predictions(
            np.zeros(len(subject)), subject, np.full(len(subject), 3.0), change, change > 0, said
        )
        for name, said in variants.items()
    }
    score: Any = {
        "accuracy": 0.7, "accuracy_sd": 0.1, "accuracy_by_fold": [0.6, 0.8], "accuracy_pooled": 0.7,
        "accuracy_interval": (0.6, 0.8), "balanced_accuracy": 0.7, "auc": None, "abstains": False, "parameters": 20,
        "seconds": 1.5,
    }  # fmt: skip
    comparison: Any = {
        "difference": 0.02, "low": -0.01, "high": 0.05, "confidence": 0.95, "subjects": SUBJECTS, "p_corrected": 0.3,
        "shown": False,
    }  # fmt: skip
    return FinishedRun(
        folder=folder,
        record={
            "lasca": "0", "time": "now", "command": ["lasca", "run"], "config": {}, "preset": None, "seed": 0,
            "device": "cpu", "synthetic": True, "components": [], "licenses": {}, "versions": {},
            "stages": {"train": {"seconds": 2.0, "computed": 10, "stored": 0}},
            "data": {"sessions": 1, "subjects": SUBJECTS, "windows": 9, "valid_windows": 9, "skipped": {}},
        },
        protocol={
            "run": {"dataset": "made up", "extractors": ["au"], "lexicon": "llm", "encoder": "e", "learner": "l"},
            "evaluate": {"split": "folds", "folds": 2, "seeds": 1},
        },
        metrics={
            "targets": {
                "valence": {
                    "pairs": {"kept": len(subject), "rising": 1500, "dropped": {"change too small": 5}},
                    "subjects": SUBJECTS,
                    "variants": {"features": {**score, "auc": 0.75}, "fused": {**score, "accuracy": 0.72}},
                    "comparisons": {"fused - features": comparison},
                }
            },
        },
        predictions=predictions,
        text="{}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        try:
            found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"Chromium does not start: {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture
def opened(browser: Any, page_file: Path) -> Iterator[Any]:
    """The page, opened from disk; nothing that it does may ask for anything or complain."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page_file.as_uri())
    yield tab
    tab.close()
    assert said == []
    assert asked == [page_file.as_uri()]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_no_wider_than_the_screen(opened: Any, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    for summary in opened.locator("summary").all():
        summary.click()
    inner, outer = opened.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert inner == outer == width
    drawn = opened.locator("svg.chart").first.bounding_box()
    assert drawn["width"] > 340, "letters of a drawing stay about as large as they are drawn"


def test_light_and_dark_follow_the_system(opened: Any) -> None:
    def brightness() -> float:
        color = opened.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        return float(sum(color[:3]))

    opened.emulate_media(color_scheme="light")
    light = brightness()
    opened.emulate_media(color_scheme="dark")
    assert brightness() < light / 4


def test_a_mark_says_its_numbers_under_the_pointer(opened: Any) -> None:
    tip, mark = opened.locator("#tip"), opened.locator("[data-tip]").first
    assert not tip.is_visible()
    mark.hover()
    assert tip.inner_text() == mark.get_attribute("data-tip") == "features: 0.700, interval 0.600 to 0.800"
    opened.mouse.move(2, 2)
    assert not tip.is_visible()


def test_a_mark_says_its_numbers_to_the_keyboard_and_escape_hides_them(opened: Any) -> None:
    opened.locator("nav a").last.focus()
    opened.keyboard.press("Tab")
    assert opened.locator("#tip").inner_text().startswith("features: 0.700")
    opened.keyboard.press("Escape")
    assert not opened.locator("#tip").is_visible()


def test_a_table_sorts_by_a_column_with_the_keyboard_and_what_is_missing_comes_last(opened: Any) -> None:
    table = opened.locator("table.sortable").first

    def names() -> list[str]:
        found: list[str] = table.locator("tbody th").all_inner_texts()
        return found

    def sort(column: str) -> None:
        table.get_by_role("button", name=column, exact=True).focus()
        opened.keyboard.press("Enter")

    sort("accuracy")
    assert names() == ["features", "fused"]
    sort("accuracy")
    assert names() == ["fused", "features"]
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    for _ in range(2):
        sort("AUC")
        assert names() == ["features", "fused"], "fused has no AUC"


def test_the_subjects_are_behind_a_fold_that_keys_open(opened: Any) -> None:
    fold = opened.locator("summary", has_text="Table: accuracy by subject")
    fold.focus()
    opened.keyboard.press("Enter")
    rows = opened.locator("details[open] tbody tr")
    assert rows.count() == SUBJECTS
    opened.locator("details[open] th button", has_text="fused").click()
    shares = [float(text) for text in opened.locator("details[open] tbody td:last-child").all_inner_texts()]
    assert shares == sorted(shares)


def test_a_name_that_is_markup_stays_a_name(opened: Any) -> None:
    opened.locator("summary", has_text="Table: accuracy by subject").click()
    assert opened.get_by_text(HOSTILE).is_visible()
    assert opened.evaluate("window.owned") is None


def test_even_a_script_that_slipped_in_would_not_run(browser: Any, page_file: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.html"
    content = page_file.read_text(encoding="utf-8")
    spoilt.write_text(content.replace("<main>", "<main><script>window.owned = 1</script>"), encoding="utf-8")
    tab = browser.new_page()
    refusals: list[str] = []
    tab.on("console", lambda message: refusals.append(message.text))
    tab.goto(spoilt.as_uri())
    assert tab.evaluate("window.owned") is None
    assert any("Content Security Policy" in text for text in refusals)
    tab.close()
