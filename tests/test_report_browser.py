"""The report's pages in a real browser: they open from disk, fit a phone, work with keys, and run nothing foreign."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lasca_core.report.media_page import media_page
from lasca_core.report.media_player import player
from lasca_core.report.run_page import run_page
from lasca_core.report.source import FinishedRun, Predictions
from lasca_core.steps.media import open_media

sys.path.append(str(Path(__file__).parent))  # what two test files share is no package that is installed

from made_up_timeline import timeline

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
    scores: Any = {"features": {**score, "auc": 0.75}, "fused": {**score, "accuracy": 0.72}}
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
            "evaluate": {"split": "folds", "folds": 2, "seeds": 1, "confidence": 0.95},
        },
        metrics={
            "targets": {
                "valence": {
                    "pairs": {"kept": len(subject), "rising": 1500, "dropped": {"change too small": 5}},
                    "subjects": SUBJECTS,
                    "variants": scores,
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


# --- the timeline of a recording --------------------------------------------------------------------------------------

CLIP = Path(__file__).parents[2] / "shared/data/crema-d/crema_1001_NEU-HAP-ANG-SAD-FEA-DIS.mp4"
WINDOWS = 1000


def watched(browser: Any, content: str, path: Path, **settings: Any) -> Any:
    """A tab with the page, opened from disk, that keeps what it says and asks for in ``said`` and ``asked``."""
    path.write_text(content, encoding="utf-8")
    tab = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **settings})
    tab.said, tab.asked = [], []
    tab.on("console", lambda message: tab.said.append(message.text))
    tab.on("pageerror", lambda error: tab.said.append(str(error)))
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.goto(path.as_uri())
    return tab


@pytest.fixture
def talk(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The timeline of twelve windows, of a recording that is not shown."""
    tab = watched(browser, media_page(timeline()), tmp_path / "talk.html")
    yield tab
    assert tab.said == []
    assert tab.asked == [(tmp_path / "talk.html").as_uri()]
    tab.close()


def over(tab: Any, place: int, count: int = 12) -> tuple[float, float]:
    """A point in the lanes over the middle of a window."""
    box = tab.locator("#time").bounding_box()
    return box["x"] + box["width"] * (place + 0.5) / count, box["y"] + 60


@pytest.mark.parametrize("width", [1280, 390])
def test_the_timeline_is_no_wider_than_the_screen(talk: Any, width: int) -> None:
    talk.set_viewport_size({"width": width, "height": 800})
    for summary in talk.locator("summary").all():
        summary.click()
    inner, outer = talk.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert inner == outer == width
    assert talk.locator("#lanes").bounding_box()["width"] > 340


def test_the_window_under_the_pointer_is_explained_and_the_chosen_one_again_when_it_leaves(talk: Any) -> None:
    panel = talk.locator("#panel")
    assert "Window 1 of 12: 0:00.0 to 0:02.0" in panel.inner_text()
    assert "nothing is said of a direction" in panel.inner_text()
    talk.mouse.move(*over(talk, 3))
    text = panel.inner_text()
    assert "Window 4 of 12: 0:06.0 to 0:08.0" in text
    assert "Compared with 0:04.0 to 0:06.0." in text
    assert "The person shows sentence 3." in text
    talk.mouse.move(5, 5)
    assert "Window 1 of 12" in panel.inner_text()


def test_bars_point_to_the_side_of_their_sign_and_the_lines_say_what_they_add_up_to(talk: Any) -> None:
    talk.mouse.move(*over(talk, 3))
    found = timeline().windows[3].explanations["valence"]
    lines = talk.locator("#panel .why").first.locator("li")
    shown = [(line.locator(".value").inner_text(), line.locator(".bar span")) for line in lines.all()]
    assert len(shown) == 6 + 1 + 1 + 4 + 1 + 1, "features, others, all words, cues, interaction, bias"
    assert [text for text, _ in shown[:6]] == [
        f"{'−' if part.contribution < 0 else '+'}{abs(part.contribution):.2f}" for part in found.features[:6]
    ]
    for text, bar in shown:
        middle = bar.evaluate("(bar) => bar.offsetLeft + bar.offsetWidth / 2 - bar.parentElement.clientWidth / 2")
        if abs(float(text.replace("−", "-"))) > 0.02:
            assert (middle > 0) == text.startswith("+"), text
    assert f"the logit of a probability of {1 / (1 + math.exp(-found.logit)):.2f} that valence rises" in (
        talk.locator("#panel").inner_text()
    )
    assert "Not accounted for: +0.0004" in talk.locator("#panel").inner_text()


def test_windows_that_were_not_measured_say_so(talk: Any) -> None:
    talk.mouse.move(*over(talk, 5))
    assert "Not measured" in talk.locator("#panel").inner_text()
    assert talk.locator("#readout").inner_text() == "Window 6 of 12, 0:10.0 to 0:12.0, not measured"


def test_keys_move_between_windows_and_screen_readers_are_told(talk: Any) -> None:
    lanes = talk.get_by_role("slider", name="Windows of the recording")
    lanes.focus()
    assert talk.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for key, place in (("ArrowRight", 2), ("ArrowUp", 3), ("ArrowLeft", 2), ("End", 12), ("PageDown", 2), ("Home", 1)):
        talk.keyboard.press(key)
        assert lanes.get_attribute("aria-valuenow") == str(place), key
    talk.keyboard.press("ArrowRight")
    rises, probability = timeline().windows[1].directions["valence"]
    said = lanes.get_attribute("aria-valuetext")
    assert said.startswith("Window 2 of 12, 0:02.0 to 0:04.0, valence")
    assert f"valence {'rises' if rises else 'falls'} ({probability:.2f})" in said
    assert "Window 2 of 12" in talk.locator("#panel").inner_text()


def test_everything_on_the_timeline_can_be_reached_with_the_tab_key(talk: Any) -> None:
    talk.locator("summary", has_text="Table: 12 windows").click()
    talk.locator("nav a").last.focus()
    reached = []
    for _ in range(40):
        talk.keyboard.press("Tab")
        reached.append(talk.evaluate("document.activeElement.id || document.activeElement.className"))
    assert reached[0] == "lanes"
    assert reached.count("go") == 12


def test_a_row_of_the_table_leads_to_its_window(talk: Any) -> None:
    talk.locator("summary", has_text="Table: 12 windows").click()
    talk.locator("button.go").nth(7).click()
    assert talk.evaluate("document.activeElement.id") == "lanes"
    assert "Window 8 of 12" in talk.locator("#panel").inner_text()


def test_sentences_that_are_markup_stay_sentences(browser: Any, tmp_path: Path) -> None:
    about = timeline()
    windows = [replace(window, sentence=f"{HOSTILE}</script>{HOSTILE}") for window in about.windows]
    tab = watched(browser, media_page(replace(about, windows=windows)), tmp_path / "hostile.html")
    assert HOSTILE in tab.locator("#panel .sentence").inner_text()
    assert tab.evaluate("window.owned") is None
    assert tab.said == []
    tab.close()


def test_a_finger_scrolls_and_chooses_with_a_tap(browser: Any, tmp_path: Path) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    tab = watched(browser, media_page(timeline(count=200)), tmp_path / "phone.html", **phone)
    tab.locator("#closer").tap()
    assert tab.locator("#closer").get_attribute("aria-pressed") == "true"
    tab.locator("#lanes").scroll_into_view_if_needed()
    box = tab.locator("#lanes").bounding_box()
    tab.touchscreen.tap(box["x"] + 14 * 9.5, box["y"] + 60)
    assert "Window 10 of 200" in tab.locator("#panel").inner_text()
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert tab.said == []
    tab.close()


def test_a_recording_of_a_thousand_windows_answers_at_once(browser: Any, tmp_path: Path) -> None:
    tab = watched(browser, media_page(timeline(count=WINDOWS)), tmp_path / "long.html")
    nodes, drawn = tab.evaluate("['*', '#lanes *'].map((of) => document.querySelectorAll(of).length)")
    assert drawn < 400, "lanes are few drawings, not one for each window"
    assert nodes < 12 * WINDOWS, "the table behind the fold is all that grows"
    answered = tab.evaluate(
        """() => {
          const lanes = document.getElementById("lanes"), box = lanes.getBoundingClientRect(), panel = [];
          const spent = [];
          for (let step = 0; step < 100; step += 1) {
            const begun = performance.now();
            const where = { clientX: box.left + (box.width * step) / 100, clientY: box.top + 60, bubbles: true };
            const event = step % 2 ? "pointermove" : "click";
            lanes.dispatchEvent(new PointerEvent(event, { ...where, pointerType: "mouse" }));
            panel.push(document.getElementById("panel").innerText.slice(0, 20)); // forces the layout too
            spent.push(performance.now() - begun);
          }
          return [spent.sort((one, other) => one - other)[50], new Set(panel).size];
        }"""
    )
    assert answered[1] == 100, "each of the hundred places shows another window"
    assert answered[0] < 100, "half of the answers take less than a tenth of a second, on a machine that is busy"
    tab.locator("#lanes").focus()
    tab.keyboard.press("End")
    assert "Window 1,000 of 1,000" in tab.locator("#panel").inner_text()
    assert tab.said == []
    tab.close()


# --- the recording itself ---------------------------------------------------------------------------------------------


def shown_clip(page: Path, way: Any = None) -> Any:
    """A made-up timeline of six windows beside the real clip; skips where there is none, or the browser lacks H.264."""
    if not CLIP.exists():
        pytest.skip(f"the CREMA-D clip is not at {CLIP}")
    return timeline(count=6, player=player(open_media(CLIP), page, way), path=CLIP)


def require_h264(tab: Any) -> None:
    if not tab.evaluate("document.createElement('video').canPlayType('video/mp4; codecs=avc1.640028')"):
        pytest.skip("this Chromium does not play H.264")


def wait_until(tab: Any, condition: str) -> None:
    """Wait, at most ten seconds, until a JavaScript condition on ``player`` and ``lanes`` holds. (Playwright's own way
    evaluates text in the page, which its policy forbids.)"""
    tab.evaluate(
        f"""() => new Promise((done, failed) => {{
          const [player, lanes] = ["player", "lanes"].map((id) => document.getElementById(id));
          const look = (left) => {{
            if ({condition}) done();
            else if (left) setTimeout(look, 20, left - 1);
            else failed(new Error({condition!r}));
          }};
          look(500);
        }})"""
    )


def moved_to(tab: Any) -> float:
    """Where the player stands once it has arrived."""
    wait_until(tab, "!player.seeking && player.readyState >= 1")
    return float(tab.evaluate("document.getElementById('player').currentTime"))


@pytest.mark.parametrize("way", [None, "link"])
def test_clicking_a_window_takes_the_player_there(browser: Any, tmp_path: Path, way: Any) -> None:
    path = tmp_path / "clip.html"
    tab = watched(browser, media_page(shown_clip(path, way)), path)
    require_h264(tab)
    wait_until(tab, "player.readyState >= 1")
    assert tab.evaluate("document.getElementById('player').duration") == pytest.approx(12.87, abs=0.05)
    tab.mouse.click(*over(tab, 2, 6))
    assert moved_to(tab) == pytest.approx(4.0)
    tab.locator("#lanes").focus()
    tab.keyboard.press("ArrowRight")
    assert moved_to(tab) == pytest.approx(4.0), "moving alone does not move the player"
    tab.keyboard.press(" ")
    assert moved_to(tab) == pytest.approx(6.0)
    assert tab.locator("#cursor").is_visible()
    assert tab.said == []
    assert {url for url in tab.asked if not url.startswith("data:")} == {path.as_uri()} | (
        {CLIP.resolve().as_uri()} if way else set()
    )
    tab.close()


def test_the_players_own_controls_choose_the_window_and_a_chosen_window_stays_chosen(
    browser: Any, tmp_path: Path
) -> None:
    about = shown_clip(tmp_path / "clip.html")
    overlapping = [replace(window, start=float(place), end=place + 4.0) for place, window in enumerate(about.windows)]
    tab = watched(browser, media_page(replace(about, windows=overlapping)), tmp_path / "clip.html")
    require_h264(tab)
    wait_until(tab, "player.readyState >= 1")
    lanes = tab.locator("#lanes")
    lanes.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        tab.keyboard.press(key)
    assert moved_to(tab) == pytest.approx(2.0)
    assert lanes.get_attribute("aria-valuenow") == "3", "its middle lies at 4 s; the one around 2 s is the first"
    tab.evaluate("document.getElementById('player').currentTime = 6.2")
    wait_until(tab, "lanes.getAttribute('aria-valuenow') === '5'")
    tab.close()


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_playing_moves_the_cursor_and_the_chosen_window(browser: Any, tmp_path: Path, motion: str) -> None:
    path = tmp_path / "clip.html"
    tab = watched(browser, media_page(shown_clip(path)), path, reduced_motion=motion)
    require_h264(tab)
    tab.evaluate("document.getElementById('player').muted = true")
    tab.locator("#lanes").focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    moved_to(tab)
    tab.evaluate("(player => { player.playbackRate = 4; return player.play(); })(document.getElementById('player'))")
    wait_until(tab, "Number(lanes.getAttribute('aria-valuenow')) >= 3")
    assert float(tab.evaluate("parseFloat(document.getElementById('cursor').style.left)")) > 100 * 2 / 12.9
    assert tab.said == []
    tab.close()
