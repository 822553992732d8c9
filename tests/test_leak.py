"""Nothing of the people who are tested reaches training: the proof, and that the proof would notice.

The people of one fold's test set are replaced by quite different ones. What the learner is then given for that fold
(differences, labels, groups, knowledge) and what it predicts for the others must not move by a bit.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from lasca_core.api import Problem, Recording
from lasca_core.experiment.config import resolve
from lasca_core.experiment.evaluate import _plan
from lasca_core.experiment.material import gather
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import Representations
from lasca_core.experiment.results import Outcome
from lasca_core.experiment.trial import Opening, Trial
from lasca_core.testing import make_registry, make_runtime

VARIANTS = ("features", "mask", "text", "fused", "names", "shuffled")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    toy_plugin.ENCODED.clear()
    toy_plugin.FAIL_AFTER.clear()
    return toy_plugin


def problems(folder: Path, toy: ModuleType, strategy: str, disturbed: set[str]) -> dict[str, Problem]:
    """The training problem of the first fold, for each variant, with the people ``disturbed`` made others."""
    chosen = {"dataset": "toyland", "extractors": ("toy",), "encoder": "hashing", "lexicon": "names"}
    config = resolve(
        chosen=chosen, assignments=[f"normalize.strategy={strategy}", "evaluate.folds=3", "fusion.components=3"]
    )
    runtime = make_runtime(folder / "cache", seed=0)
    pipeline = Pipeline(config, make_registry(toy), runtime)
    recordings = [
        _disturbed(recording) if recording.subject in disturbed else recording
        for recording in toy.ToyDataset(toy.ToyOptions(), runtime).sessions()
    ]
    material = gather(pipeline, recordings, ["valence"])
    representations = Representations.of(pipeline, material)
    pairs = material.pairs("valence", config.pairs, 1)
    trial = Trial(pipeline, representations, "valence", pairs, _plan(pipeline, "valence", pairs, material))
    fold = trial.plan[0]
    tested = {material.subjects[number] for number in trial.group[fold.test].tolist()}
    assert not disturbed or disturbed == tested
    openings = [Opening(Outcome("valence", variant), [fold]) for variant in VARIANTS]
    found = {head.outcome.variant: head.work.problem for head in trial.pending(openings)}
    problems.tested = tested  # type: ignore[attr-defined]
    return found


def _disturbed(recording: Recording) -> Recording:
    """The same session with features ten times as large, shifted and reversed in time. The annotation stays, so that
    the pairs, and with them the folds, are the same."""
    (track,) = recording.features.values()
    values = (track.values.flip(0) * 10 + 3) * track.valid[:, None]
    return dataclasses.replace(recording, features={"toy": dataclasses.replace(track, values=values)})


def difference(first: dict[str, Problem], second: dict[str, Problem]) -> list[str]:
    """The variants whose training problems differ."""
    return [variant for variant in first if not _equal(first[variant], second[variant])]


def _equal(first: Problem, second: Problem) -> bool:
    def same(left: Any, right: Any) -> bool:
        return torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right

    return all(
        same(getattr(first, name), getattr(second, name)) for name in ("delta", "label", "group", "blocks", "seed")
    )


@pytest.mark.parametrize("strategy", ["session", "subject", "global", "none"])
def test_other_people_in_the_test_set_change_nothing_that_is_trained_on(
    tmp_path: Path, toy: ModuleType, strategy: str
) -> None:
    before = problems(tmp_path, toy, strategy, set())
    after = problems(tmp_path, toy, strategy, problems.tested)  # type: ignore[attr-defined]
    assert len(before["features"].label) > 10
    assert difference(before, after) == []


def test_the_proof_fails_when_normalisation_is_fitted_on_all_data(
    tmp_path: Path, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Representations, "given", lambda self, train_windows: self.whole)
    before = problems(tmp_path, toy, "global", set())
    after = problems(tmp_path, toy, "global", problems.tested)  # type: ignore[attr-defined]
    assert "features" in difference(before, after)


def test_the_proof_fails_when_columns_are_fitted_on_all_data(
    tmp_path: Path, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lasca_core.experiment import trial

    whole: dict[str, torch.Tensor] = {}

    def remember(blocks: Any, columns: Any, pairs: Any) -> Any:
        whole["delta"], layout = differences(blocks, columns, pairs)
        return whole["delta"], layout

    differences, fit_columns = trial.differences, trial.fit_columns
    monkeypatch.setattr(trial, "differences", remember)

    def of_all(delta: Any, layout: Any, *, rows: Any = None, **options: Any) -> Any:
        return fit_columns(whole["delta"], layout, **options)

    monkeypatch.setattr(trial, "fit_columns", of_all)
    before = problems(tmp_path, toy, "session", set())
    after = problems(tmp_path, toy, "session", problems.tested)  # type: ignore[attr-defined]
    assert set(difference(before, after)) == set(VARIANTS)
