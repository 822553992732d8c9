"""`lasca lexicon measure`: words that speak of a dataset's rule are told from words that do not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings
from lasca_core.testing import make_registry

lexicons = pytest.importorskip("lasca_lexicons.format", reason="lasca-lexicons is not installed")
pytest.importorskip("lasca_preference", reason="lasca-preference is not installed")

Measure = Callable[..., tuple[int, dict[str, Any], str]]
GOOD = {"smile": "joy delight", "frown": "grief anger", "pitch_angle": "a head", "noise": "a flicker"}
ANCHORS = {
    "valence": {
        "high": ["joy delight", "joy and delight", "delight in joy", "the joy of delight", "joy with delight"],
        "low": ["grief anger", "grief and anger", "anger in grief", "the grief of anger", "grief with anger"],
    }
}
"""The toy dataset's valence is the smile minus the frown, and its encoder adds up words."""


def write(folder: Path, entries: dict[str, str], *, anchors: bool = True) -> Path:
    """A lexicon of the toy features."""
    language = {"template": "Seen: {cues}.", "separator": "; ", "empty": "Nothing."}
    header = {
        "format": 2,
        "id": "mine",
        "version": "1.0.0",
        "license": "CC0-1.0",
        "provenance": {"author": "me", "date": "2026-11-22", "reviewer": "you"},
        "languages": {"en": {**language, **({"anchors": "en/anchors.toml"} if anchors else {})}},
        "entries": [{"language": "en", "features": "toy", "file": "en/toy.toml"}],
    }
    lexicons.write_lexicon(
        folder, header, {"en/toy.toml": entries, **({"en/anchors.toml": ANCHORS} if anchors else {})}
    )
    return folder


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Measure:
    """Call ``lasca lexicon measure`` on the toy dataset of 12 people: exit code, the results as JSON, stderr."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    monkeypatch.setenv("LASCA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    fixed = ["--dataset", "toyland", "--extractor", "toy", "--encoder", "hashing", "-o", "dataset.subjects=12"]

    def call(*arguments: object, as_json: bool = True) -> Any:
        settings = Settings()
        settings.registry = make_registry(toy_plugin)
        more = [*fixed, "--json"] if as_json else fixed
        monkeypatch.setattr(sys, "argv", ["lasca", "lexicon", "measure", *map(str, arguments), *more])
        code = cli._guarded(settings)
        out, err = capsys.readouterr()
        return code, json.loads(out) if as_json and out else out, err

    return call


def test_words_that_speak_of_the_rule_beat_names_and_shuffled_words_without_any_label(
    measure: Measure, tmp_path: Path
) -> None:
    code, found, err = measure(write(tmp_path / "mine", GOOD), "--shuffles", 19)
    assert code == 0, err
    result = found["uses"]["zero-shot"]["valence"]
    own = result["variants"]["zero-shot"]
    assert own["accuracy_pooled"] > 0.9
    assert own["accuracy_interval"][0] > 0.85
    assert result["subjects"] == 12
    assert len(result["shuffled"]["accuracies"]) == 19
    as_good = sum(accuracy >= own["accuracy_pooled"] for accuracy in result["shuffled"]["accuracies"])
    assert result["shuffled"]["as_good"] == as_good
    assert result["shuffled"]["p"] == (1 + as_good) / 20
    assert result["comparisons"]["zero-shot - zero-shot-names"]["shown"] is True
    assert result["comparisons"]["zero-shot - zero-shot-shuffled"]["difference"] > 0.2
    assert found["synthetic"] is True


def test_words_without_anchors_abstain(measure: Measure, tmp_path: Path) -> None:
    code, found, err = measure(write(tmp_path / "mine", GOOD, anchors=False), "--shuffles", 3)
    assert code == 0, err
    result = found["uses"]["zero-shot"]["valence"]
    assert result["variants"]["zero-shot"]["abstains"] is True
    assert result["variants"]["zero-shot"]["accuracy_pooled"] == 0.5
    assert result["shuffled"]["p"] == 1.0


def test_every_shuffle_is_another_one_and_the_same_seed_repeats_them(measure: Measure, tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", GOOD)
    accuracies = [
        measure(folder, "--shuffles", 8, "--seed", seed)[1]["uses"]["zero-shot"]["valence"]["shuffled"]["accuracies"]
        for seed in (1, 1, 2)
    ]
    assert len(set(accuracies[0])) > 1
    assert accuracies[0] == accuracies[1]
    assert accuracies[0] != accuracies[2]


def test_words_are_also_measured_in_training(measure: Measure, tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", GOOD)
    arguments = ("--use", "fused", "--shuffles", 2, "--learner", "logistic", "-o", "evaluate.folds=3")
    code, found, err = measure(folder, *arguments)
    assert code == 0, err
    result = found["uses"]["fused"]["valence"]
    assert set(result["variants"]) == {"features", "fused", "names"}
    assert set(result["comparisons"]) == {"fused - features", "fused - names", "fused - shuffled"}
    assert len(result["shuffled"]["accuracies"]) == 2


def test_the_results_are_readable(measure: Measure, tmp_path: Path) -> None:
    code, out, _ = measure(write(tmp_path / "mine", GOOD), "--shuffles", 3, as_json=False)
    assert code == 0
    assert "valence (synthetic data), zero-shot: " in out
    assert "shuffled, 3 times" in out
    assert "zero-shot - zero-shot-names = +" in out
    assert "of 3 shuffled lexicons do as well (p = " in out


def test_a_dataset_that_lacks_the_target_is_one_sentence(measure: Measure, tmp_path: Path) -> None:
    code, _, err = measure(write(tmp_path / "mine", GOOD), "--target", "dominance")
    assert code == 2
    assert err.splitlines()[-1].startswith("lasca: run.targets: dominance is not annotated in this dataset")
