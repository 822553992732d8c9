"""The learner `prior`: words first, labels as they come, never much worse than the features alone."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from lasca_preference.believer import SIMILARITIES, Strength, make_design, narrowed, unit_weight
from lasca_preference.laplace import calibrate, moderated
from lasca_preference.newton import covariance_of, curvature_at, find_modes
from lasca_preference.options import PriorOptions
from lasca_preference.prior import Prior, PriorModel
from lasca_preference.strength import Search, Stack, train

from lasca_core.api import Block, Knowledge, ModelError, Problem
from lasca_core.testing import make_runtime

WIDTH = 12


@pytest.fixture
def learner(tmp_path: Path) -> Prior:
    return Prior(PriorOptions(), make_runtime(tmp_path))


def truth(seed: int = 0) -> torch.Tensor:
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(100 + seed))


def knowledge(weight: torch.Tensor) -> Knowledge:
    return Knowledge(weight / weight.square().mean().sqrt(), torch.eye(len(weight)), 0.9)


def problem(
    people: int, each: int, *, told: torch.Tensor | None = None, noise: int = 0, seed: int = 0, spread: float = 0.7
) -> Problem:
    """Pairs of people who each follow the truth in their own way; ``noise`` adds a block of words without sense."""
    generator = torch.Generator().manual_seed(seed)
    delta = torch.randn(people * each, WIDTH + noise, generator=generator)
    group = torch.arange(people).repeat_interleave(each)
    own = truth() + spread * torch.randn(people, WIDTH, generator=generator)
    logit = (delta[:, :WIDTH] * own[group]).sum(dim=1)
    label = (torch.rand(len(logit), generator=generator) < logit.sigmoid()).float()
    blocks = (Block("features", 0, WIDTH),) + ((Block("text", WIDTH, WIDTH + noise),) if noise else ())
    return Problem(delta, label, group, blocks, seed, None if told is None else knowledge(told))


def accuracy(learner: Prior, trained_on: Problem, tested_on: Problem) -> float:
    (model,) = learner.fit_many([trained_on])
    rises = model.predict(tested_on.delta).probability > 0.5
    return float((rises == (tested_on.label > 0.5)).float().mean())


def without_labels(given: Problem) -> Problem:
    return dataclasses.replace(given, delta=given.delta[:0], label=given.label[:0], group=given.group[:0])


# --- the approximation ------------------------------------------------------------------------------------------------


def posterior(
    x: torch.Tensor, label: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance of one regression under the prior N(mean, diag(variance))."""
    rows, sign, precision = x[None], (2 * label - 1)[None, None], (1 / variance).diag()[None, None]
    w = find_modes(rows, sign, mean[None], precision)
    return w[0, 0], covariance_of(curvature_at(rows, sign, w), precision)[0, 0]


@pytest.mark.parametrize("variance", [0.1, 1.0, 10.0])
def test_the_mode_is_scikit_learns_ridge_logistic_regression(variance: float) -> None:
    from sklearn.linear_model import LogisticRegression

    given = problem(10, 20)
    x, label = given.delta.double(), given.label.double()
    found, _ = posterior(x, label, torch.zeros(WIDTH).double(), torch.full((WIDTH,), variance).double())
    reference = LogisticRegression(C=variance, fit_intercept=False, tol=1e-10, max_iter=10_000)
    reference.fit(x.numpy(), label.numpy())
    np.testing.assert_allclose(found.numpy(), reference.coef_[0], atol=1e-5)


def test_the_covariance_is_the_inverse_of_the_second_derivative_that_autograd_finds() -> None:
    given = problem(4, 15)
    x, label = given.delta.double(), given.label.double()
    mean, variance = torch.linspace(-1, 1, WIDTH).double(), torch.linspace(0.2, 2, WIDTH).double()

    def loss(w: torch.Tensor) -> torch.Tensor:
        fit = torch.nn.functional.binary_cross_entropy_with_logits(x @ w, label, reduction="sum")
        return fit + ((w - mean) ** 2 / variance).sum() / 2

    mode, covariance = posterior(x, label, mean, variance)
    torch.testing.assert_close(torch.func.grad(loss)(mode), torch.zeros(WIDTH).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.linalg.inv(torch.func.hessian(loss)(mode)), covariance)


def test_without_rows_the_posterior_is_the_prior() -> None:
    mean, variance = torch.linspace(-1, 1, 3).double(), torch.tensor([0.5, 1.0, 2.0]).double()
    mode, covariance = posterior(torch.zeros(0, 3).double(), torch.zeros(0).double(), mean, variance)
    torch.testing.assert_close(mode, mean)
    torch.testing.assert_close(covariance, variance.diag())


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 4.0), (1.0, 0.5), (-2.0, 3.0), (4.0, 9.0)])
def test_the_averaged_probability_is_that_of_numerical_integration_within_2_percent(
    mean: float, variance: float
) -> None:
    from scipy.integrate import quad

    def density(z: float) -> float:
        return math.exp(-((z - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance) / (1 + math.exp(-z))

    expected = quad(density, mean - 12 * variance**0.5, mean + 12 * variance**0.5)[0]
    logit = moderated(torch.ones(1, 1), torch.tensor([mean]), torch.tensor([[variance]]))
    assert float(logit.sigmoid()) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_calibration_finds_the_factor_that_scipy_finds(factor: float) -> None:
    from scipy.optimize import minimize_scalar

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(400, generator=generator).double()
    label = (torch.rand(400, generator=generator) < (factor * logits).sigmoid()).double()

    def loss(log_factor: float) -> float:
        scaled = logits * math.exp(log_factor)
        fit = torch.nn.functional.binary_cross_entropy_with_logits(scaled, label, reduction="sum")
        return float(fit) + log_factor**2 / (2 * 0.5**2)

    sign = torch.nn.functional.pad(2 * label - 1, (0, 7))[None]  # with seven rows of padding
    found, merit = (float(value) for value in calibrate(torch.nn.functional.pad(logits, (0, 7))[None], sign))
    reference = minimize_scalar(loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-6})
    assert math.log(found) == pytest.approx(reference.x, abs=2e-3)
    assert merit == pytest.approx(-reference.fun, abs=1e-3)


# --- words ------------------------------------------------------------------------------------------------------------


def test_without_a_label_the_words_predict_alone(learner: Prior) -> None:
    test = problem(20, 30, seed=5)
    assert accuracy(learner, without_labels(problem(1, 1, told=truth())), test) > 0.75
    assert accuracy(learner, without_labels(problem(1, 1, told=-truth())), test) < 0.25


def test_without_labels_and_without_words_it_says_one_half(learner: Prior) -> None:
    for told in (None, torch.zeros(WIDTH)):
        given = without_labels(problem(1, 1))
        if told is not None:
            given = dataclasses.replace(given, knowledge=Knowledge(told, torch.eye(WIDTH), 0.0, "it does not know"))
        (model,) = learner.fit_many([given])
        assert model.predict(torch.randn(4, WIDTH)).probability.tolist() == [0.5] * 4


def test_good_words_help_most_where_labels_are_fewest(learner: Prior) -> None:
    test = problem(60, 20, seed=9)
    told = truth() + 0.7 * torch.randn(WIDTH, generator=torch.Generator().manual_seed(3))
    gains = []
    for people in (1, 100):
        runs = range(8) if people == 1 else range(2)
        with_words = [accuracy(learner, problem(people, 10, told=told, seed=seed), test) for seed in runs]
        alone = [accuracy(learner, problem(people, 10, seed=seed), test) for seed in runs]
        gains.append(float(np.mean(with_words)) - float(np.mean(alone)))
    assert gains[0] > 0.03
    assert abs(gains[1]) < 0.01


@pytest.mark.parametrize("people", [8, 60])
def test_words_that_mislead_cost_little_once_there_are_labels(learner: Prior, people: int) -> None:
    test = problem(60, 20, seed=9)
    runs = range(4)
    misled = np.mean([accuracy(learner, problem(people, 12, told=-truth(), seed=seed), test) for seed in runs])
    alone = np.mean([accuracy(learner, problem(people, 12, seed=seed), test) for seed in runs])
    assert misled > alone - (0.03 if people == 8 else 0.01)


def test_a_block_of_words_without_sense_costs_little(learner: Prior) -> None:
    runs = range(4)
    test = problem(60, 20, noise=40, seed=9)
    narrow = problem(60, 20, seed=9)
    narrow = dataclasses.replace(narrow, delta=test.delta[:, :WIDTH], label=test.label)
    fused = np.mean([accuracy(learner, problem(20, 12, noise=40, seed=seed), test) for seed in runs])
    alone = np.mean([accuracy(learner, narrowed(problem(20, 12, noise=40, seed=seed)), narrow) for seed in runs])
    assert fused > alone - 0.01


def test_the_words_weight_has_unit_size_for_changes_that_go_together_as_described() -> None:
    similarity = torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    known = Knowledge(torch.tensor([1.2, 1.2, -0.4]), similarity, 1.0)
    generator = torch.Generator().manual_seed(0)
    changes = torch.randn(20_000, 3, generator=generator).double() @ torch.linalg.cholesky(similarity.double()).T
    assert float((changes @ unit_weight(known)).std()) == pytest.approx(1.0, abs=0.02)


def test_what_is_described_alike_is_corrected_alike() -> None:
    similarity = torch.eye(WIDTH)
    similarity[0, 1] = similarity[1, 0] = 0.95
    given = dataclasses.replace(problem(3, 10), knowledge=Knowledge(torch.ones(WIDTH), similarity, 1.0))
    design = make_design(given, 1.5, 1.0)
    assert design.similarities == SIMILARITIES == (0.0, 0.5)
    own = design.block >= 0
    assert torch.equal(design.basis[:, own], torch.eye(WIDTH).double())
    without, half = (torch.linalg.inv(precision[own][:, own]) for precision in design.precision)
    torch.testing.assert_close(without, torch.eye(WIDTH).double() / WIDTH)
    torch.testing.assert_close(half * WIDTH, 0.5 * torch.eye(WIDTH).double() + 0.5 * similarity.double())


def test_a_strength_scales_the_prior_of_its_block_and_never_that_of_the_gain() -> None:
    given = dataclasses.replace(problem(3, 10, noise=4), knowledge=knowledge(truth()))
    stack = Stack([given], [make_design(given, 1.5, 2.0)])
    (precision,) = stack.precision([[Strength((0.1, 3.0))]], [0])[0]
    variance = 1 / precision.diag()
    expected = torch.tensor([2.0**2] + [0.1**2 / WIDTH] * WIDTH + [3.0**2 / 4] * 4).double()
    torch.testing.assert_close(variance, expected)


# --- contract ---------------------------------------------------------------------------------------------------------


def test_nobody_who_is_tested_inside_training_is_trained_on() -> None:
    given = problem(7, 5)
    search = Search(Stack([given], [make_design(given, 1.5, 1.0)]))
    held = search.sign[0] == 0
    assert held.sum(dim=0).tolist() == [1] * 35, "everybody is left out once"
    for number, fold in enumerate(held):
        assert not set(given.group[fold].tolist()) & set(given.group[~fold].tolist())
        other = dataclasses.replace(given, label=torch.where(fold, 1 - given.label, given.label))
        again = Search(Stack([other], [make_design(other, 1.5, 1.0)]))
        for one in (search, again):
            one._try([[Strength((1.0,))]])
        torch.testing.assert_close(search.logits[0, fold], again.logits[0, fold])
        torch.testing.assert_close(search.modes[0, number], again.modes[0, number])


def test_one_person_alone_is_learnt_from_with_the_usual_strength() -> None:
    (trained,) = train([problem(1, 20, told=truth())], 1.5, 1.0)
    assert trained.held_out is None
    assert trained.factor == 1.0


def test_swapping_the_windows_swaps_the_answer(learner: Prior) -> None:
    (model,) = learner.fit_many([problem(6, 10, told=truth(), noise=5)])
    delta = torch.randn(50, WIDTH + 5)
    torch.testing.assert_close(model.predict(-delta).probability, 1 - model.predict(delta).probability)


def test_flipped_labels_flip_a_model_without_words(learner: Prior) -> None:
    given = problem(6, 10)
    flipped = dataclasses.replace(given, label=1 - given.label)
    first, second = learner.fit_many([given, flipped])
    delta = torch.randn(20, WIDTH)
    torch.testing.assert_close(
        second.predict(delta).probability, 1 - first.predict(delta).probability, atol=1e-5, rtol=0
    )


def test_training_pairs_of_one_direction_are_no_error(learner: Prior) -> None:
    given = problem(2, 5, told=truth())
    (model,) = learner.fit_many([dataclasses.replace(given, label=torch.ones(10))])
    assert model.predict(given.delta).probability.isfinite().all()


@pytest.mark.parametrize("noise", [0, 4])
@pytest.mark.parametrize("labels", [True, False])
def test_a_saved_model_says_the_same(learner: Prior, noise: int, labels: bool) -> None:
    given = problem(5, 8, told=truth(), noise=noise)
    (model,) = learner.fit_many([given if labels else without_labels(given)])
    again = learner.from_state(model.state())
    delta = torch.randn(30, WIDTH + noise)
    assert torch.equal(again.predict(delta).probability, model.predict(delta).probability)
    assert again.parameters == model.parameters


def test_a_saved_model_that_lacks_a_part_is_refused(learner: Prior) -> None:
    (model,) = learner.fit_many([problem(5, 8)])
    state = dict(model.state())
    del state["covariance_0"]
    with pytest.raises(ModelError, match="incomplete"):
        PriorModel.from_state(state, torch.device("cpu"))


def test_the_same_problem_gives_the_same_model_whatever_is_trained_beside_it(learner: Prior) -> None:
    given = problem(6, 10, told=truth())
    (alone,) = learner.fit_many([given])
    (_, beside) = learner.fit_many([problem(4, 4, seed=8), given])
    delta = torch.randn(10, WIDTH)
    torch.testing.assert_close(alone.predict(delta).probability, beside.predict(delta).probability, atol=1e-6, rtol=0)


def test_probabilities_are_calibrated_on_people_never_seen(learner: Prior) -> None:
    test = problem(200, 20, seed=9)
    (model,) = learner.fit_many([problem(60, 20, told=truth(), seed=1)])
    probability = model.predict(test.delta).probability
    sure = torch.maximum(probability, 1 - probability)
    right = ((probability > 0.5) == (test.label > 0.5)).float()
    for low, high in ((0.5, 0.65), (0.65, 0.8), (0.8, 0.95), (0.95, 1.0)):
        chosen = (sure >= low) & (sure < high)
        assert float(right[chosen].mean()) == pytest.approx(float(sure[chosen].mean()), abs=0.05)


def test_variants_share_the_regression_that_reads_the_features_alone(
    learner: Prior, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lasca_preference import prior

    solved: list[int] = []

    def counted(problems: list[Problem], *rest: float) -> object:
        solved.append(len(problems))
        return train(problems, *rest)

    monkeypatch.setattr(prior, "train", counted)
    fused = problem(6, 10, told=truth(), noise=5)
    features = narrowed(fused)
    other = dataclasses.replace(features, label=1 - features.label)
    models = learner.fit_many([features, fused, other, dataclasses.replace(fused, knowledge=knowledge(-truth()))])
    assert sum(solved) == 4, "the features of one labelling and of the other, and two believers"
    (alone,) = learner.fit_many([fused])
    delta = torch.randn(20, WIDTH + 5)
    torch.testing.assert_close(models[1].predict(delta).probability, alone.predict(delta).probability)
