"""What a report computes and draws: numbers against scikit-learn, drawings that stand where their numbers do."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix

from lasca_core.report import analysis, charts
from lasca_core.report.charts import Curve, Estimate, Point, Scale
from lasca_core.report.markup import Markup, Number, element, number, table
from lasca_core.report.source import Predictions


@pytest.fixture
def predictions() -> Predictions:
    """Probabilities that know something, of 7 subjects in 2 repetitions."""
    random = np.random.default_rng(3)
    change = random.normal(size=400)
    noisy = change + random.normal(size=400)
    subject = np.array([f"person {place}" for place in random.integers(7, size=400)], dtype=object)
    return Predictions(
        seed=np.repeat([0.0, 1.0], 200),
        subject=subject,
        length=np.full(400, 3.0),
        change=change,
        rises=change > 0,
        probability=1 / (1 + np.exp(-2 * noisy)),
    )


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_calibration_bins_are_those_of_scikit_learn(predictions: Predictions) -> None:
    found = analysis.calibration(predictions.rises, predictions.probability)
    observed, predicted = calibration_curve(predictions.rises, predictions.probability, n_bins=10, strategy="uniform")
    assert [row.observed for row in found] == pytest.approx(observed.tolist(), abs=1e-12)
    assert [row.predicted for row in found] == pytest.approx(predicted.tolist(), abs=1e-12)
    assert sum(row.count for row in found) == 400


def test_calibration_error_is_the_mean_distance_over_pairs(predictions: Predictions) -> None:
    found = analysis.calibration_error(analysis.calibration(predictions.rises, predictions.probability))
    place = np.digitize(predictions.probability, np.linspace(0, 1, 11)[1:-1])
    gap = np.empty(400)
    for bin_number in range(10):
        own = place == bin_number
        gap[own] = abs(predictions.rises[own].mean() - predictions.probability[own].mean()) if own.any() else 0
    assert found == pytest.approx(gap.mean(), abs=1e-12)


def test_certain_and_right_is_perfectly_calibrated() -> None:
    rises = np.array([True, False, True])
    found = analysis.calibration(rises, rises.astype(float))
    assert [(row.low, row.high, row.count) for row in found] == [(0.0, 0.1, 1), (0.9, 1.0, 2)]
    assert analysis.calibration_error(found) == 0


def test_the_brier_score_is_that_of_scikit_learn(predictions: Predictions) -> None:
    found = analysis.brier(predictions.rises, predictions.probability)
    assert found == pytest.approx(brier_score_loss(predictions.rises, predictions.probability), abs=1e-12)


def test_accuracy_by_subject_is_that_of_the_subjects_pairs(predictions: Predictions) -> None:
    found = analysis.by_subject(predictions)
    assert list(found) == [f"person {place}" for place in range(7)]
    for name, (pairs, share) in found.items():
        own = predictions.subject == name
        assert pairs == own.sum()
        assert share == pytest.approx(accuracy_score(predictions.rises[own], predictions.probability[own] > 0.5))


def test_confusion_is_that_of_scikit_learn_and_a_half_is_undecided() -> None:
    rises = np.array([True, True, True, False, False, False])
    probability = np.array([0.9, 0.2, 0.5, 0.4, 0.6, 0.7])
    found = analysis.confusion(rises, probability)
    decided = probability != 0.5
    falls, rights = confusion_matrix(rises[decided], probability[decided] > 0.5).tolist()
    assert [found.falling_right, found.falling_wrong] == falls
    assert [found.rising_wrong, found.rising_right] == rights
    assert (found.undecided, found.count) == (1, 6)


def test_bins_of_change_hold_equally_many_pairs_and_every_pair_once(predictions: Predictions) -> None:
    found = analysis.by_change(predictions)
    assert [row.confusion.count for row in found] == [80] * 5
    size = np.abs(predictions.change)
    for row in found:
        own = (size >= row.low) & (size <= row.high)
        assert own.sum() == row.confusion.count
        assert row.accuracy == pytest.approx(accuracy_score(predictions.rises[own], predictions.probability[own] > 0.5))
    assert all(earlier.high < later.low for earlier, later in itertools.pairwise(found))


@pytest.mark.parametrize("sizes", [[1.0] * 8, [1.0] * 7 + [2.0], [0.1]])
def test_equal_changes_share_a_bin(sizes: list[float]) -> None:
    count = len(sizes)
    same = np.array(["a"] * count, dtype=object)
    predictions = Predictions(
        np.zeros(count), same, np.ones(count), np.array(sizes), np.ones(count, bool), np.full(count, 0.7)
    )
    found = analysis.by_change(predictions)
    assert sum(row.confusion.count for row in found) == count
    assert len({row.low for row in found}) == len(found)


# --- markup -----------------------------------------------------------------------------------------------------------


@given(st.text())
def test_any_text_comes_out_of_an_element_as_it_went_in(text: str) -> None:
    allowed = re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd]", "?", text)  # what XML, which reads it back, can hold
    found = ET.fromstring(element("p", allowed, title=allowed))
    assert (found.text or "") == allowed
    assert " ".join((found.get("title") or "").split()) == " ".join(allowed.split())


def test_markup_is_kept_inside_elements_but_not_inside_attributes() -> None:
    inner = element("b", "1 < 2")
    assert element("p", inner) == "<p><b>1 &lt; 2</b></p>"
    assert element("p", title=Markup('"><script>')) == '<p title="&quot;&gt;&lt;script&gt;"></p>'


def test_text_that_utf8_cannot_hold_does_not_break_the_page() -> None:
    assert element("p", "caf\udce9").encode("utf-8") == b"<p>caf?</p>"


def test_attributes_are_left_out_where_there_is_nothing_to_say() -> None:
    assert element("g", None, class_=None, hidden=False, open=True, x=1.5, y=2.0) == '<g open x="1.5" y="2"></g>'


def test_numbers_in_tables_sort_by_their_value_and_a_dash_has_none() -> None:
    found = table("things", ("name", "size"), [("a", number(1234.5, ",.0f")), ("b", number(None))], sortable=True)
    assert '<td class="number" data-value="1234.5">1,234</td>' in found
    assert '<td class="number">–</td>' in found
    assert number(float("nan")) == Number(None, "–")


# --- drawings ---------------------------------------------------------------------------------------------------------


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 9))
def test_ticks_are_few_round_and_inside(low: float, width: float, most: int) -> None:
    high = low + width
    if high - low < 1e-3 * max(abs(low), 1):
        return  # too narrow for numbers of a few digits
    found = charts.ticks(low, high, most)
    assert 1 <= len(found) <= most
    assert all(low - 1e-6 * width <= value <= high + 1e-6 * width for value in found)
    steps = np.diff(found)
    if len(steps):
        assert np.allclose(steps, steps[0])
        digits = f"{steps[0]:.6e}"
        assert re.match(r"[125]\.0{5}|(1|4)\.9{5}|0\.9{5}", digits), digits


def test_ticks_between_nought_and_one_are_what_a_person_would_write() -> None:
    assert charts.ticks(0, 1) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def test_a_scale_maps_its_ends_and_cuts_what_lies_beyond() -> None:
    scale = Scale(0.5, 1.0, 100.0, 200.0)
    assert [scale(value) for value in (0.4, 0.5, 0.75, 1.0, 1.1)] == [100, 100, 150, 200, 200]


def parsed(drawing: Markup) -> ET.Element:
    """The drawing, which must be well-formed."""
    return ET.fromstring(drawing)


def having(root: ET.Element, name: str, kind: str) -> list[ET.Element]:
    """The elements of a name and class."""
    return [found for found in root.iter(name) if kind in (found.get("class") or "").split()]


def test_estimates_stand_where_their_numbers_do_and_say_them() -> None:
    rows = [Estimate("fused", 0.7, 0.6, 0.8), Estimate("features", 0.6)]
    root = parsed(charts.estimates("accuracy", rows, reference=0.5, axis="accuracy", strong="fused"))
    (reference,) = having(root, "line", "reference")
    (bar,) = having(root, "line", "interval")
    first, second = (float(dot.get("cx", "")) for dot in having(root, "circle", "dot"))
    at = float(reference.get("x1", ""))
    assert first - at == pytest.approx(2 * (second - at), abs=0.05), "0.7 is twice as far from 0.5 as 0.6"
    assert float(bar.get("x1", "")) == pytest.approx(second, abs=0.02), "the interval begins at 0.6"
    assert float(bar.get("x2", "")) - first == pytest.approx(first - float(bar.get("x1", "")), abs=0.03)
    assert [mark.get("data-tip") for mark in having(root, "g", "said")] == [
        "fused: 0.700, interval 0.600 to 0.800",
        "features: 0.600",
    ]
    assert [dot.get("class") for dot in having(root, "circle", "dot")] == ["dot strong", "dot"]


def test_distributions_show_quartiles_and_each_value_unless_there_are_too_many() -> None:
    few, many = [0.0, 0.25, 0.5, 0.75, 1.0], list(np.linspace(0, 1, 151))
    root = parsed(charts.distributions("by fold", [("few", few), ("many", many)], reference=0.5, axis="accuracy"))
    assert len(having(root, "circle", "point")) == len(few)
    (extent, _), (box, _) = having(root, "line", "range"), having(root, "rect", "box")
    low, high = float(extent.get("x1", "")), float(extent.get("x2", ""))
    assert float(box.get("x", "")) == pytest.approx(low + (high - low) / 4, abs=0.02)
    assert float(box.get("width", "")) == pytest.approx((high - low) / 2, abs=0.02)
    assert "few: 5 values from 0.000 to 1.000, the middle half from 0.250 to 0.750, median 0.500" in [
        mark.get("data-tip") for mark in having(root, "g", "said")
    ]


def test_bars_are_as_long_as_their_values() -> None:
    root = parsed(charts.bars("time", [("train", 8.0, "8 s"), ("test", 2.0, "2 s"), ("none", 0.0, "0 s")], axis="s"))
    lengths = [float(bar.get("width", "")) for bar in having(root, "rect", "bar")]
    assert lengths[0] == pytest.approx(4 * lengths[1], abs=0.05)
    assert lengths[2] == 0


def test_bars_of_nothing_at_all_are_drawn() -> None:
    parsed(charts.bars("time", [("train", 0.0, "0 s")], axis="s"))


def test_differences_lie_on_the_side_of_their_sign_as_long_as_they_are() -> None:
    root = parsed(
        charts.differences("cues", [("smile", 0.4, "+"), ("frown", -0.2, "-"), ("blink", 0.0, "0")], axis="d")
    )
    up, down, none = having(root, "rect", "bar")
    (zero,) = having(root, "line", "reference")
    middle = float(zero.get("x1", ""))
    assert float(up.get("x", "")) == pytest.approx(middle, abs=0.02)
    assert float(down.get("x", "")) + float(down.get("width", "")) == pytest.approx(middle, abs=0.02)
    assert float(up.get("width", "")) == pytest.approx(2 * float(down.get("width", "")), abs=0.05)
    assert float(none.get("width", "")) == 0
    assert [mark.get("data-tip") for mark in having(root, "g", "said")] == ["smile: +", "frown: -", "blink: 0"]


def test_curves_have_a_mark_of_their_own_and_the_right_height() -> None:
    found = [Curve(name, [Point(0.0, 0.0, "a"), Point(1.0, height, "b", 0.2, 0.9)]) for name, height in
             (("one", 0.25), ("two", 0.5), ("three", 1.0))]  # fmt: skip
    root = parsed(charts.curves("calibration", found, x=(0, 1), y=(0, 1), x_axis="said", y_axis="true", diagonal=True))
    round_, square, triangle = (having(root, kind, "mark") for kind in ("circle", "rect", "polygon"))
    assert [len(marks) for marks in (round_, square, triangle)] == [2, 2, 2]
    low, high = (float(mark.get("cy", "")) for mark in round_)
    assert low - (float(square[1].get("y", "")) + 4) == pytest.approx(2 * (low - high), abs=0.05)
    assert having(root, "g", "said")[1].get("aria-label") == "one: b"
    assert len(having(root, "line", "whisker")) == 3


# --- colours ----------------------------------------------------------------------------------------------------------


def _luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2, 1.4.3)."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_stand_out_from_the_page(scheme: str) -> None:
    style = (resources.files("lasca_core.report") / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colors = dict(re.findall(r"--([\w-]+): (#\w{6});", blocks[0 if scheme == "light" else 1]))
    for name in ("ink", "soft", "strong"):
        assert _contrast(colors[name], colors["paper"]) >= 4.5, name
    for name in ("first", "second", "third"):
        assert _contrast(colors[name], colors["paper"]) >= 3, name
    assert _contrast(colors["warn-ink"], colors["warn"]) >= 4.5
