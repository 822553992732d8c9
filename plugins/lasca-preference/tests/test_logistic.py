"""The learner `logistic` against scikit-learn's LogisticRegression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lasca_preference.logistic import Logistic, LogisticModel
from lasca_preference.options import LogisticOptions
from sklearn.linear_model import LogisticRegression

from lasca_core.api import DatasetError, ModelError, Problem
from lasca_core.testing import make_runtime


def problem(pairs: int, columns: int, noise: float = 1.0, seed: int = 0) -> Problem:
    generator = torch.Generator().manual_seed(seed)
    delta = torch.randn(pairs, columns, generator=generator)
    rule = torch.randn(columns, generator=generator)
    label = (delta @ rule / columns**0.5 + noise * torch.randn(pairs, generator=generator) > 0).float()
    return Problem(delta, label, torch.zeros(pairs).long(), (), seed)


def fit(task: Problem, tmp_path: Path, strength: float = 1.0) -> LogisticModel:
    (model,) = Logistic(LogisticOptions(C=strength), make_runtime(tmp_path)).fit_many([task])
    return model


@pytest.mark.parametrize("strength", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(("pairs", "columns"), [(300, 20), (40, 200), (100, 100), (2, 5)])
def test_coefficients_are_scikit_learns_within_a_thousandth(
    pairs: int, columns: int, strength: float, tmp_path: Path
) -> None:
    task = problem(pairs, columns)
    reference = LogisticRegression(C=strength, fit_intercept=False, solver="newton-cg", tol=1e-10, max_iter=10_000)
    expected = reference.fit(task.delta.double().numpy(), task.label.numpy()).coef_[0]
    ours = fit(task, tmp_path, strength).weight.numpy()
    assert np.linalg.norm(ours - expected) < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_separable_pairs_of_any_scale_reach_the_minimum(scale: float, tmp_path: Path) -> None:
    task = problem(80, 6, noise=0)
    task = Problem(task.delta * scale, task.label, task.group, ())
    w = fit(task, tmp_path, 1e4).weight.double().requires_grad_()
    logits = task.delta.double() @ w
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, task.label.double(), reduction="sum")
    (slope,) = torch.autograd.grad(w @ w / 2 + 1e4 * losses, w)
    data_part = (slope - w).norm()  # at the minimum the two parts of the gradient cancel
    assert slope.norm() < 1e-3 * data_part


def test_repeated_and_constant_columns_share_or_get_no_weight(tmp_path: Path) -> None:
    task = problem(60, 3)
    delta = torch.cat([task.delta, task.delta[:, :1], torch.zeros(60, 1)], dim=1)
    weight = fit(Problem(delta, task.label, task.group, ()), tmp_path).weight
    torch.testing.assert_close(weight[0], weight[3], rtol=1e-5, atol=0)
    assert weight[4] == 0


def test_swapped_windows_swap_the_answer_and_flipped_labels_the_weights(tmp_path: Path) -> None:
    task = problem(60, 8)
    model = fit(task, tmp_path)
    forth, back = model.predict(task.delta).probability, model.predict(-task.delta).probability
    torch.testing.assert_close(forth, 1 - back, rtol=0, atol=1e-6)
    flipped = fit(Problem(task.delta, 1 - task.label, task.group, ()), tmp_path)
    torch.testing.assert_close(flipped.weight, -model.weight, rtol=1e-4, atol=1e-6)


def test_fitting_is_repeatable_and_forgets(tmp_path: Path) -> None:
    learner = Logistic(LogisticOptions(), make_runtime(tmp_path))
    first, other, again = learner.fit_many([problem(60, 8), problem(60, 8, seed=1), problem(60, 8)])
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_the_state_restores_the_model_exactly(tmp_path: Path) -> None:
    model = fit(problem(60, 8), tmp_path)
    learner = Logistic(LogisticOptions(), make_runtime(tmp_path))
    restored = learner.from_state(model.state())
    new = problem(20, 8, seed=4).delta
    assert torch.equal(restored.predict(new).probability, model.predict(new).probability)
    assert (model.parameters, restored.parameters) == (8, 8)
    with pytest.raises(ModelError, match="train it again"):
        learner.from_state({})
    with pytest.raises(ModelError, match="trained on 8 columns"):
        model.predict(new[:, :7])


def test_one_direction_only_is_one_sentence(tmp_path: Path) -> None:
    task = Problem(torch.ones(5, 2), torch.ones(5), torch.zeros(5).long(), ())
    with pytest.raises(DatasetError, match="all 5 training pairs rise"):
        fit(task, tmp_path)
