"""Temperature scaling, what it may see, and accuracy by confidence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from lasca_core.api import ContractError
from lasca_core.experiment.config import resolve
from lasca_core.experiment.evaluate import plans_of
from lasca_core.experiment.heads import train
from lasca_core.experiment.material import gather
from lasca_core.experiment.model import load
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import Representations
from lasca_core.experiment.results import coverage, cues_by_direction
from lasca_core.experiment.run import Finished, run
from lasca_core.experiment.splits import some_subjects
from lasca_core.experiment.trial import Trial
from lasca_core.host.runtime import SilentTask
from lasca_core.steps.calibration import LIMITS, at_temperature, fit_temperature, logit
from lasca_core.testing import make_problem, make_registry, make_runtime


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    return toy_plugin


def sample(factor: float, count: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities whose logits are ``factor`` times as large as they should be, and what came true."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(count, generator=generator) * 1.5
    label = (torch.rand(count, generator=generator) < logits.sigmoid()).float()
    return (logits * factor).sigmoid(), label


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_a_model_too_sure_or_too_shy(factor: float) -> None:
    assert fit_temperature(*sample(factor)) == pytest.approx(factor, rel=0.05)


def test_the_temperature_is_that_of_a_general_minimiser() -> None:
    probability, label = sample(2.0, count=300)
    logits, truth = probability.double().logit().numpy(), label.numpy()

    def loss(log_inverse: float) -> float:
        scaled = logits * np.exp(log_inverse)
        return float(np.logaddexp(0, np.where(truth > 0.5, -scaled, scaled)).sum() + log_inverse**2 / (2 * 0.5**2))

    best = minimize_scalar(loss, bounds=(-3, 1.6), method="bounded", options={"xatol": 1e-9}).x
    assert fit_temperature(probability, label) == pytest.approx(np.exp(-best), rel=1e-4)


def test_a_few_pairs_hardly_move_the_temperature_and_none_leave_it_at_one() -> None:
    assert fit_temperature(torch.zeros(0), torch.zeros(0)) == pytest.approx(1.0, abs=1e-5)
    few = fit_temperature(torch.tensor([0.9, 0.8]), torch.tensor([0.0, 0.0]))
    assert 1.0 < few < 2.0


def test_perfect_and_absurd_predictions_stay_within_the_limits() -> None:
    sure = torch.tensor([0.6, 0.4] * 5000)
    assert fit_temperature(sure, sure.round()) == pytest.approx(LIMITS[0])
    assert fit_temperature(1 - sure, sure.round()) == pytest.approx(LIMITS[1])


def test_a_temperature_changes_no_direction_and_no_order() -> None:
    probability = torch.rand(500, generator=torch.Generator().manual_seed(1))
    cooler = at_temperature(probability, 2.5)
    assert torch.equal(cooler > 0.5, probability > 0.5)
    assert torch.equal(cooler.argsort(), probability.argsort())
    assert ((cooler - 0.5).abs() <= (probability - 0.5).abs() + 1e-6).all()


def test_sure_probabilities_stay_apart_when_they_cool_down() -> None:
    sure = torch.tensor([0.99, 0.9999, 0.999999, 1.0])
    assert (at_temperature(sure, 3.0).diff() > 0).all()
    assert at_temperature(torch.tensor([0.5]), 3.0).tolist() == [0.5]


def test_some_subjects_are_whole_subjects_and_never_all() -> None:
    groups = torch.arange(10).repeat_interleave(7)
    held = some_subjects(groups, 0.2, torch.Generator().manual_seed(3))
    assert held.sum() == 14
    assert not set(groups[held].tolist()) & set(groups[~held].tolist())
    assert not some_subjects(torch.tensor([0, 0, 1, 1]), 0.2, torch.Generator()).any()


SMALL_MLP = ("run.learner=mlp", "mlp.max_iter=5")


def opened(folder: Path, toy: ModuleType, *assignments: str) -> tuple[Trial, dict[str, list[float]]]:
    """A trained trial of the toy dataset, and the temperatures of each variant's folds."""
    chosen = {"dataset": "toyland", "extractors": ("toy",), "encoder": "hashing", "lexicon": "names"}
    config = resolve(chosen=chosen, assignments=["evaluate.folds=3", *assignments])
    pipeline = Pipeline(config, make_registry(toy), make_runtime(folder / "cache", seed=0))
    recordings = list(toy.ToyDataset(toy.ToyOptions(), pipeline.runtime).sessions())
    material = gather(pipeline, recordings, ["valence"])
    pairs = material.pairs("valence", config.pairs, 1)
    (plan,) = plans_of(pipeline, {"valence": pairs}, material).values()
    trial = Trial(pipeline, Representations.of(pipeline, material), "valence", pairs, plan)
    openings = [trial.begin(variant) for variant in ("majority", "features", "fused", "mask")]
    train(trial.pending(openings), pipeline.fit, SilentTask())
    return trial, {opening.outcome.variant: opening.outcome.temperature for opening in openings}


def test_each_fold_is_calibrated_on_training_subjects_that_its_rehearsal_did_not_see(
    tmp_path: Path, toy: ModuleType
) -> None:
    trial, temperatures = opened(tmp_path, toy, *SMALL_MLP)
    assert all(value != 1.0 for variant in ("features", "fused") for value in temperatures[variant])
    assert temperatures["mask"] == temperatures["majority"] == [], "nobody reads their probabilities"
    for head in trial.pending([trial.begin("fused")]):
        assert head.rehearsal is not None
        seen = set(trial.group[head.rehearsal.fold.train].tolist())
        asked = set(trial.group[head.rehearsal.fold.test].tolist())
        tested = set(trial.group[head.work.fold.test].tolist())
        assert seen | asked == set(trial.group[head.work.fold.train].tolist())
        assert not seen & asked
        assert not (seen | asked) & tested


def test_calibration_can_be_left_out(tmp_path: Path, toy: ModuleType) -> None:
    assert opened(tmp_path, toy, *SMALL_MLP, "evaluate.calibrate=false")[1]["fused"] == []


def test_a_learner_that_calibrates_itself_is_left_as_it_is(tmp_path: Path, toy: ModuleType) -> None:
    assert opened(tmp_path, toy, "run.learner=prior")[1]["fused"] == []


def finished(folder: Path, toy: ModuleType, *assignments: str) -> Finished:
    """A whole run on the toy dataset."""
    chosen = {"dataset": "toyland", "extractors": ("toy",), "encoder": "hashing", "lexicon": "names"}
    config = resolve(chosen=chosen, assignments=["evaluate.folds=3", *assignments])
    return run(config, make_registry(toy), make_runtime(folder / "cache", seed=0), folder / "runs", [])


@pytest.mark.parametrize("variant", ["fused", "text"])
def test_the_saved_model_has_the_temperature_of_its_variants_folds(
    tmp_path: Path, toy: ModuleType, variant: str
) -> None:
    done = finished(tmp_path, toy, *SMALL_MLP, f"evaluate.variants=['majority', '{variant}']")
    row = done.metrics["targets"]["valence"]["variants"][variant]
    assert row["temperature"] != 1.0
    assert len(row["coverage"]) == 20
    assert load(done.folder).heads["valence"].temperature == pytest.approx(row["temperature"])


def test_a_model_trained_on_more_people_than_were_tested_is_not_calibrated(tmp_path: Path, toy: ModuleType) -> None:
    done = finished(tmp_path, toy, *SMALL_MLP, "evaluate.train_subjects=3", "evaluate.variants=['features', 'fused']")
    assert load(done.folder).heads["valence"].temperature == 1.0


def test_a_temperature_twice_as_high_halves_the_logit() -> None:
    probability = torch.tensor([0.9, 0.2])
    assert logit(at_temperature(probability, 2.0)) == pytest.approx(logit(probability).numpy() / 2, rel=1e-5)


def test_the_cues_of_rising_and_of_falling_pairs_are_told_apart(tmp_path: Path, toy: ModuleType) -> None:
    trial, _ = opened(tmp_path, toy)
    mask = trial.representations.whole.saliency.mask[trial.pairs.later]
    told = cues_by_direction(trial.representations, trial.pairs)
    rises = trial.pairs.label > 0.5
    for column, name in enumerate(trial.representations.material.windows.names):
        assert told[name]["rises"] == pytest.approx(float(mask[rises, column].float().mean()))
        assert told[name]["falls"] == pytest.approx(float(mask[~rises, column].float().mean()))
        assert told[name]["words"] == trial.representations.base.describe(name, 1)
    assert any(abs(row["rises"] - row["falls"]) > 0.05 for row in told.values())
    one_way = dataclasses.replace(trial.pairs, label=torch.ones_like(trial.pairs.label))
    assert {row["falls"] for row in cues_by_direction(trial.representations, one_way).values()} == {None}


def test_a_learner_that_gives_too_few_models_is_named(tmp_path: Path, toy: ModuleType) -> None:
    chosen = {"dataset": "toyland", "extractors": ("toy",), "encoder": "hashing", "lexicon": "names"}
    pipeline = Pipeline(resolve(chosen=chosen), make_registry(toy), make_runtime(tmp_path / "cache", seed=0))
    pipeline.learner.component.fit_many = lambda problems: []
    with pytest.raises(ContractError, match=r"learner 'prior' gave 0 models for 1 problems"):
        pipeline.fit([make_problem()])


def test_withholding_the_least_sure_predictions_shows_the_accuracy_of_the_rest() -> None:
    probability = np.array([0.95, 0.1, 0.7, 0.4, 0.55, 0.45, 0.52, 0.5])
    truth = np.array([1, 0, 1, 1, 0, 0, 1, 1])
    rows = coverage(truth, probability)
    assert rows[-1] == {"coverage": 1.0, "accuracy": pytest.approx(5.5 / 8), "least_confidence": 0.5}
    quarter = next(row for row in rows if row["coverage"] == 0.25)
    assert quarter == {"coverage": 0.25, "accuracy": 1.0, "least_confidence": pytest.approx(0.9)}
    shares = [row["coverage"] for row in rows]
    assert shares == sorted(shares)


def test_equally_sure_predictions_are_withheld_together() -> None:
    rows = coverage(np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.8, 0.8, 0.2, 0.6]))
    assert {row["coverage"] for row in rows} == {0.75, 1.0}
