"""The learner `mlp`: the promises of its options. What it owes to scikit-learn is in test_mlp_parity.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lasca_preference.mlp import Mlp
from lasca_preference.network import Network
from lasca_preference.options import LogisticOptions, MlpOptions
from lasca_preference.plugin import lasca_register_learners
from lasca_preference.training import _Stack, train
from pydantic import ValidationError

from lasca_core.api import DatasetError, Model, ModelError, Problem
from lasca_core.testing import make_runtime

CPU = torch.device("cpu")


def problem(pairs: int = 120, columns: int = 12, groups: int = 8, seed: int = 0, noise: float = 0.3) -> Problem:
    """Pairs whose direction a linear rule decides, up to noise."""
    generator = torch.Generator().manual_seed(seed)
    delta = torch.randn(pairs, columns, generator=generator)
    rule = torch.randn(columns, generator=torch.Generator().manual_seed(99))
    label = (delta @ rule / columns**0.5 + noise * torch.randn(pairs, generator=generator) > 0).float()
    return Problem(delta, label, torch.arange(pairs) % groups, (), seed)


def fit(task: Problem, tmp_path: Path, **options: object) -> Model:
    (model,) = Mlp(MlpOptions(**options), make_runtime(tmp_path)).fit_many([task])
    return model


def small(**options: object) -> MlpOptions:
    return MlpOptions(**{"hidden": (9, 5), **options})


# --- the gradient ---------------------------------------------------------------------------------------------------


def test_the_gradient_is_autograds() -> None:
    generator = torch.Generator().manual_seed(0)
    network = Network(7, (6, 4))
    flat = torch.stack([network.initial(generator) for _ in range(3)]).double().requires_grad_()
    x = torch.randn(3, 10, 7, generator=generator, dtype=torch.float64)
    label = (torch.rand(3, 10, generator=generator) > 0.5).double()
    counts = torch.tensor([10.0, 6.0, 1.0], dtype=torch.float64)
    offset = torch.randn(3, 10, generator=generator, dtype=torch.float64)
    for r, count in enumerate([10, 6, 1]):  # written for one network at a time, without padding
        logits = network.logits(flat[r : r + 1], x[r : r + 1, :count])[0] + offset[r, :count]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, label[r, :count], reduction="sum")
        penalty = sum(weights.square().sum() for weights, _ in network.layers(flat[r : r + 1]))
        ((loss + 0.7 / 2 * penalty) / count).backward()
    slope = torch.empty_like(flat)
    share = (torch.arange(10) < counts[:, None]) / counts[:, None]
    with torch.no_grad():
        network.gradient(flat, x, label, share, 0.7 / counts, slope, offset)
    torch.testing.assert_close(slope, flat.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("inputs", "parameters"), [(442, 129_921), (826, 228_225)])
def test_the_published_range_of_parameter_counts_is_met(inputs: int, parameters: int, tmp_path: Path) -> None:
    model = fit(problem(12, inputs), tmp_path, max_iter=1)
    assert model.parameters == parameters
    trained = sum(tensor.numel() for name, tensor in model.state().items() if name != "antisymmetric")
    assert trained == parameters


# --- symmetry -------------------------------------------------------------------------------------------------------


def test_mirrored_training_makes_swapped_windows_swap_the_answer(tmp_path: Path) -> None:
    task, new = problem(400), problem(200, seed=5).delta
    gaps = {}
    for mirror in (True, False):
        model = fit(task, tmp_path, mirror=mirror, early_stopping=False)
        gaps[mirror] = (model.predict(new).probability - 1 + model.predict(-new).probability).abs().mean()
    assert gaps[True] < 0.05
    assert gaps[True] < gaps[False] / 2


def test_the_antisymmetric_score_swaps_exactly(tmp_path: Path) -> None:
    new = problem(200, seed=5).delta
    model = fit(problem(400), tmp_path, antisymmetric=True, mirror=False)
    forth, back = model.predict(new).probability, model.predict(-new).probability
    torch.testing.assert_close(forth, 1 - back, rtol=0, atol=1e-6)
    assert ((forth > 0.5) == (problem(200, seed=5).label > 0.5)).float().mean() > 0.8


def test_flipped_labels_flip_the_predictions(tmp_path: Path) -> None:
    task, new = problem(400), problem(200, seed=5).delta
    flipped = Problem(task.delta, 1 - task.label, task.group, (), task.seed)
    straight, upside_down = (fit(one, tmp_path, early_stopping=False).predict(new) for one in (task, flipped))
    assert (straight.rises != upside_down.rises).float().mean() > 0.97
    assert (straight.probability - 1 + upside_down.probability).abs().mean() < 0.05


# --- repeatability --------------------------------------------------------------------------------------------------


def test_the_problems_seed_alone_decides_the_result(tmp_path: Path) -> None:
    task, new = problem(), problem(seed=5).delta
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = fit(task, tmp_path).predict(new).probability
    assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"
    torch.manual_seed(2)
    assert torch.equal(fit(task, tmp_path).predict(new).probability, first)
    other = Problem(task.delta, task.label, task.group, (), task.seed + 1)
    assert not torch.equal(fit(other, tmp_path).predict(new).probability, first)


def test_fitting_again_forgets_what_was_learnt_before(tmp_path: Path) -> None:
    learner = Mlp(MlpOptions(), make_runtime(tmp_path))
    fresh = fit(problem(), tmp_path).state()
    learner.fit_many([problem(seed=3)])
    (again,) = learner.fit_many([problem()])
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in again.state().items())


def test_a_problem_does_not_depend_on_those_beside_it(tmp_path: Path) -> None:
    tasks = [problem(120), problem(60, 20, seed=1), problem(200, seed=2)]
    learner = Mlp(small(), make_runtime(tmp_path))
    for task, model in zip(tasks, learner.fit_many(tasks), strict=True):
        (alone,) = learner.fit_many([task])
        assert torch.equal(model.predict(task.delta).probability, alone.predict(task.delta).probability)


@pytest.mark.parametrize("options", [{}, {"antisymmetric": True, "mirror": False}, {"early_stopping": False}])
def test_training_together_equals_training_one_by_one(options: dict) -> None:
    """Sizes below, at and above one batch; three widths; runs that stop at different epochs; one that cannot hold pairs
    out."""
    sizes = [8, 50, 111, 120, 200, 333, 70, 120]
    tasks = [
        problem(pairs, columns=(12, 5, 30)[index % 3], groups=3 + index, seed=index, noise=1.0)
        for index, pairs in enumerate(sizes)
    ]
    chosen = small(batch_size=64, learning_rate=0.01, **options)
    together = train(tasks, chosen, CPU)
    alone = [train([task], chosen, CPU) for task in tasks]
    assert together.epochs == [one.epochs[0] for one in alone]
    assert together.held_by == [one.held_by[0] for one in alone]
    if chosen.early_stopping:
        assert len(set(together.epochs)) > 2, "the runs stop at different epochs"
        assert set(together.held_by) == {"group", "pair", "none"}
    for weights, one in zip(together.weights, alone, strict=True):
        torch.testing.assert_close(weights, one.weights[0], rtol=0, atol=1e-4)


def test_the_weights_of_columns_that_only_others_have_stay_exactly_zero() -> None:
    stack = _Stack([problem(90, columns=4), problem(90, columns=30)], small(learning_rate=0.05), CPU, None)
    stack.train()
    of_padding = stack.network.layers(stack.result)[0][0][0, 4:]
    assert of_padding.shape == (26, 9)
    assert not of_padding.any()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_cpus_networks(tmp_path: Path) -> None:
    tasks = [problem(pairs, seed=pairs) for pairs in (60, 120, 200)]
    on_cpu = Mlp(MlpOptions(early_stopping=False), make_runtime(tmp_path)).fit_many(tasks)
    on_gpu = Mlp(MlpOptions(early_stopping=False), make_runtime(tmp_path, device="cuda")).fit_many(tasks)
    for task, one, other in zip(tasks, on_cpu, on_gpu, strict=True):
        probability = other.predict(task.delta).probability.cpu()
        torch.testing.assert_close(probability, one.predict(task.delta).probability, rtol=0, atol=1e-3)


def test_the_state_restores_the_model_exactly(tmp_path: Path) -> None:
    learner = Mlp(small(antisymmetric=True), make_runtime(tmp_path))
    (model,) = learner.fit_many([problem()])
    restored = Mlp(MlpOptions(), make_runtime(tmp_path)).from_state(model.state())
    new = problem(seed=5).delta
    assert torch.equal(restored.predict(new).probability, model.predict(new).probability)
    assert restored.parameters == model.parameters
    assert all(tensor.is_contiguous() for tensor in model.state().values())


# --- bad input ------------------------------------------------------------------------------------------------------


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    learner = Mlp(small(), make_runtime(tmp_path))
    (model,) = learner.fit_many([problem()])
    state = model.state()
    with pytest.raises(ModelError, match="incomplete"):
        learner.from_state({name: tensor for name, tensor in state.items() if name != "bias_1"})
    with pytest.raises(ModelError, match="incomplete"):
        learner.from_state({})
    with pytest.raises(ModelError, match="does not fit"):
        learner.from_state({**state, "bias_0": state["bias_0"][:-1]})


def test_differences_of_another_width_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="trained on 12 columns"):
        fit(problem(), tmp_path).predict(torch.zeros(3, 11))


@pytest.mark.parametrize(
    ("pairs", "columns", "value", "message"),
    [
        (12, 4, 1.0, "all 12 training pairs rise"),
        (12, 4, 0.0, "all 12 training pairs fall"),
        (0, 4, 0.0, "there is no pair of windows"),
        (12, 0, 1.0, "no columns"),
    ],
)
def test_a_problem_that_teaches_nothing_is_one_sentence(
    pairs: int, columns: int, value: float, message: str, tmp_path: Path
) -> None:
    task = Problem(torch.zeros(pairs, columns), torch.full((pairs,), value), torch.zeros(pairs).long(), ())
    with pytest.raises(DatasetError, match=message):
        fit(task, tmp_path)


def test_two_pairs_and_constant_columns_can_be_learnt(tmp_path: Path) -> None:
    delta = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    task = Problem(delta, torch.tensor([1.0, 0.0]), torch.zeros(2).long(), ())
    assert fit(task, tmp_path).predict(delta).rises.tolist() == [True, False]


@pytest.mark.parametrize("options", [{"hidden": []}, {"hidden": [0]}, {"alpha": -1}, {"weight_decay": 1}])
def test_options_that_make_no_sense_are_refused(options: dict) -> None:
    with pytest.raises(ValidationError):
        MlpOptions(**options)


def test_the_plugin_registers_both_learners_under_importable_targets() -> None:
    specs = {spec.name: spec for spec in lasca_register_learners()}
    assert specs["mlp"].target == f"{Mlp.__module__}:{Mlp.__name__}"
    assert specs["mlp"].options == f"{MlpOptions.__module__}:{MlpOptions.__name__}"
    assert specs["logistic"].options == f"{LogisticOptions.__module__}:{LogisticOptions.__name__}"
