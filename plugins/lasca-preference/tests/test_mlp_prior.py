"""Networks that begin from the learner `prior`, and ensembles of networks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from lasca_preference.mlp import Mlp, MlpModel
from lasca_preference.options import MlpOptions
from lasca_preference.prior import PriorModel

from lasca_core.api import Block, Knowledge, ModelError, Problem
from lasca_core.testing import make_runtime

WIDTH = 6


def problem(people: int = 40, each: int = 20, *, bent: float = 0.0, told: bool = True, seed: int = 0) -> Problem:
    """Pairs whose direction follows one column, and (``bent``) one that counts only where another is large."""
    generator = torch.Generator().manual_seed(seed)
    delta = torch.randn(people * each, WIDTH, generator=generator)
    logit = 2 * delta[:, 0] + bent * 4 * torch.tanh(3 * delta[:, 4]) * (delta[:, 5].abs() > 0.8)
    label = (torch.rand(len(logit), generator=generator) < logit.sigmoid()).float()
    knowledge = Knowledge(torch.eye(WIDTH)[0] * WIDTH**0.5, torch.eye(WIDTH), 0.9) if told else None
    group = torch.arange(people).repeat_interleave(each)
    return Problem(delta, label, group, (Block("features", 0, WIDTH),), seed, knowledge)


def fit(given: Problem, folder: Path, **options: object) -> MlpModel:
    (model,) = Mlp(MlpOptions(**options), make_runtime(folder)).fit_many([given])  # type: ignore[arg-type]
    assert isinstance(model, MlpModel)
    return model


def right(model: MlpModel | PriorModel, given: Problem) -> float:
    rises = model.predict(given.delta).probability > 0.5
    return float((rises == (given.label > 0.5)).float().mean())


def test_a_network_that_may_learn_nothing_says_what_the_prior_says(tmp_path: Path) -> None:
    given = problem()
    model = fit(given, tmp_path, prior=True, alpha=1e6)
    (prior,) = model.priors
    said = model.predict(given.delta).probability
    torch.testing.assert_close(said, prior.predict(given.delta).probability, atol=0.01, rtol=0)


def test_the_network_learns_what_the_prior_leaves_open(tmp_path: Path) -> None:
    given, new = problem(100, bent=1.0), problem(100, bent=1.0, seed=7)
    model = fit(given, tmp_path, prior=True, alpha=0.1, max_iter=60, n_iter_no_change=15)
    assert right(model, new) > right(model.priors[0], new) + 0.02


def test_with_few_people_the_prior_helps_the_network(tmp_path: Path) -> None:
    new = problem(100, seed=7)
    few = [problem(2, 6, seed=seed) for seed in range(6)]
    few = [given for given in few if 0 < float(given.label.mean()) < 1]
    with_prior = sum(right(fit(given, tmp_path, prior=True), new) for given in few) / len(few)
    alone = sum(right(fit(given, tmp_path), new) for given in few) / len(few)
    assert with_prior > alone + 0.05


def test_the_prior_has_not_seen_the_pairs_that_decide_when_to_stop(tmp_path: Path) -> None:
    from lasca_preference.training import split_of

    options = MlpOptions(prior=True)  # type: ignore[call-arg]
    given = problem()
    _, held, held_by, _ = split_of(given, options)
    assert held_by == "group"
    other = given.label.clone()
    other[held] = 1 - other[held]
    learner = Mlp(options, make_runtime(tmp_path))
    first, second = learner._priors([dataclasses.replace(given, label=label) for label in (given.label, other)])
    assert torch.equal(first.logits(given.delta), second.logits(given.delta))


def test_an_ensemble_averages_the_logits_of_its_members(tmp_path: Path) -> None:
    given = problem()
    ensemble = fit(given, tmp_path, ensemble=3)
    alone = [
        fit(dataclasses.replace(given, seed=given.seed + number * 1_000_003), tmp_path).predict(given.delta)
        for number in range(3)
    ]
    mean = torch.stack([scores.probability.logit() for scores in alone]).mean(dim=0)
    torch.testing.assert_close(ensemble.predict(given.delta).probability, mean.sigmoid(), atol=1e-5, rtol=0)
    assert ensemble.parameters == 3 * fit(given, tmp_path).parameters


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("ensemble", [1, 3])
def test_a_saved_network_says_the_same(tmp_path: Path, prior: bool, ensemble: int) -> None:
    given = problem()
    model = fit(given, tmp_path, prior=prior, ensemble=ensemble, hidden=(5, 3))
    again = Mlp(MlpOptions(), make_runtime(tmp_path)).from_state(model.state())  # type: ignore[call-arg]
    assert torch.equal(again.predict(given.delta).probability, model.predict(given.delta).probability)
    assert again.parameters == model.parameters
    state = dict(model.state())
    del state["bias_1"]
    with pytest.raises(ModelError, match="incomplete"):
        MlpModel.from_state(state, torch.device("cpu"))


def test_a_network_with_a_prior_less_than_it_was_saved_with_is_refused(tmp_path: Path) -> None:
    state = dict(fit(problem(), tmp_path, prior=True, ensemble=2).state())
    for name in [name for name in state if name.startswith("prior_1/")]:
        del state[name]
    with pytest.raises(ModelError, match="2 networks and 1 priors"):
        MlpModel.from_state(state, torch.device("cpu"))
