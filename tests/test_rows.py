"""Predicted windows as they are printed, as JSON and as CSV."""

from __future__ import annotations

import csv
import io

import pytest

from lasca_core.cli.rows import Style
from lasca_core.experiment.explain import Contribution, Explanation
from lasca_core.experiment.predict import Cue, Reason, WindowPrediction

SMILE = Cue(feature="mouthSmileLeft", score=0.9, growth=1.2, words="a raised mouth corner", new=True)
WHY = Explanation(
    target="valence",
    logit=1.5,
    bias=0.1,
    features=(Contribution("mouthSmileLeft", 1.3, True, "a raised mouth corner"),),
    text=0.1,
    cues=(Contribution("mouthSmileLeft", 0.1, True, "a raised mouth corner"),),
    interaction=0.0,
    residual=0.0,
)
ROW = WindowPrediction(
    start=3.0,
    end=6.0,
    valid=True,
    directions={"valence": (True, 0.82), "arousal": (False, 0.61)},
    cues=(SMILE,),
    sentence="The person shows a raised mouth corner.",
    dropped=0,
    compared=True,
    reasons={"valence": (Reason("mouthSmileLeft", 1.3, True, "a raised mouth corner"),)},
    explanations={"valence": WHY},
)
UNMEASURED = WindowPrediction(6.0, 9.0, False, {}, (), "", 0)


def text(style: Style, row: WindowPrediction = ROW) -> str:
    return "\n".join(style.lines(row))


def test_a_direction_is_told_with_its_probability() -> None:
    assert "valence rises (0.82)   arousal falls (0.61)" in text(Style())


def test_a_direction_below_the_asked_confidence_is_withheld_and_its_probability_is_not() -> None:
    style = Style(least=0.7)
    assert "valence rises (0.82)   arousal is not sure enough (0.61)" in text(style)
    told = style.as_dict(ROW)["directions"]
    assert told == {
        "valence": {"direction": "rises", "probability": 0.82},
        "arousal": {"direction": None, "probability": 0.61},
    }


def test_csv_leaves_a_withheld_direction_empty(capsys: pytest.CaptureFixture[str]) -> None:
    Style(least=0.7).print_csv([ROW, UNMEASURED], ("valence", "arousal"))
    first, second = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (first["valence"], first["valence_probability"]) == ("rises", "0.8200")
    assert (first["arousal"], first["arousal_probability"]) == ("", "0.6100")
    assert (second["valid"], second["valence"]) == ("0", "")


def test_reasons_are_printed_and_a_full_explanation_takes_their_place() -> None:
    assert "valence +1.30: more mouthSmileLeft: a raised mouth corner" in text(Style())
    explained = text(Style(explained=True))
    assert "valence +1.30:" not in explained
    assert "valence: logit of a rise +1.50" in explained
    assert "+1.40 more mouthSmileLeft (change +1.30, words +0.10)" in explained
    assert "explanations" not in Style().as_dict(ROW)
    assert Style(explained=True).as_dict(ROW)["explanations"]["valence"]["bias"] == 0.1


def test_cues_are_limited_and_those_left_out_are_counted() -> None:
    assert "+ mouthSmileLeft: a raised mouth corner" in text(Style())
    assert "mouthSmileLeft: a raised mouth corner" not in text(Style(cues=0)).replace("more mouthSmileLeft", "")


def test_a_window_that_was_not_measured_says_so() -> None:
    assert text(Style(), UNMEASURED).endswith("not measured: too few valid frames (no face found, or no sound)")
