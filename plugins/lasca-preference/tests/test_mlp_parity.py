"""Parity of the learner `mlp` with scikit-learn's MLPClassifier under the same hyper-parameters."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from lasca_preference import training
from lasca_preference.mlp import Mlp
from lasca_preference.network import Network
from lasca_preference.options import MlpOptions
from lasca_preference.training import train
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.utils import shuffle

from lasca_core.api import Problem
from lasca_core.testing import make_runtime

CPU = torch.device("cpu")


def problem(pairs: int, noise: float = 0.3, seed: int = 0) -> Problem:
    """Pairs whose direction a linear rule of 12 columns decides, up to noise."""
    generator = torch.Generator().manual_seed(seed)
    delta = torch.randn(pairs, 12, generator=generator)
    rule = torch.randn(12, generator=torch.Generator().manual_seed(99))
    label = (delta @ rule / 12**0.5 + noise * torch.randn(pairs, generator=generator) > 0).float()
    return Problem(delta, label, torch.arange(pairs) % 8, (), seed)


def small(**options: object) -> MlpOptions:
    return MlpOptions(**{"hidden": (9, 5), **options})


# --- step by step -----------------------------------------------------------------------------------------------------


class Prescribed(MLPClassifier):
    """scikit-learn's network, beginning with the weights in ``first`` in place of its own random ones."""

    def _init_coef(self, fan_in: int, fan_out: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
        (weights, biases) = next(layer for layer in self.first if layer[0].shape == (fan_in, fan_out))
        return weights.astype(dtype), biases.astype(dtype)


def prescribed(network: Network, flat: torch.Tensor, **options: object) -> Prescribed:
    classifier = Prescribed(network.hidden, **options)
    classifier.first = [(weights[0].numpy(), bias[0, 0].numpy()) for weights, bias in network.layers(flat[None])]
    return classifier


def splits_of_scikit_learn(label: np.ndarray, seed: int) -> list[torch.Tensor]:
    """The rows that ``Prescribed(random_state=seed)`` trains on and those it holds out."""
    generator = np.random.RandomState(seed)
    parts = train_test_split(np.arange(len(label)), random_state=generator, test_size=0.1, stratify=label)
    return [torch.from_numpy(part) for part in parts]


def flattened(classifier: MLPClassifier) -> torch.Tensor:
    layers = zip(classifier.coefs_, classifier.intercepts_, strict=True)
    return torch.from_numpy(np.concatenate([part.ravel() for layer in layers for part in layer]))


@pytest.mark.parametrize("alpha", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("steps", [1, 20])
def test_full_batch_steps_from_equal_weights_give_scikit_learns_weights(alpha: float, steps: int) -> None:
    task = problem(150)
    options = small(alpha=alpha, max_iter=steps, mirror=False, early_stopping=False)
    first = Network(12, (9, 5)).initial(torch.Generator().manual_seed(task.seed))
    classifier = prescribed(Network(12, (9, 5)), first, alpha=alpha)
    for _ in range(steps):
        classifier.partial_fit(task.delta.numpy(), task.label.numpy(), classes=[0, 1])
    trained = train([task], options, CPU).weights[0]
    assert (trained - first).abs().max() > 5e-4 * steps, "training moved the weights"
    torch.testing.assert_close(trained, flattened(classifier), rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_early_stopping_takes_scikit_learns_decisions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal weights at first, equal split, one batch an epoch: the two run in step, and stop and restore alike."""
    task = problem(150, noise=2.0, seed=seed)
    network = Network(12, (9, 5))
    label = task.label.numpy()
    rows, held = splits_of_scikit_learn(label, seed)
    monkeypatch.setattr(training, "hold_out", lambda *_: (rows, held, "pair"))
    options = small(mirror=False, learning_rate=0.02, max_iter=40)
    classifier = prescribed(
        network,
        network.initial(torch.Generator().manual_seed(seed)),
        learning_rate_init=0.02,
        alpha=1,
        early_stopping=True,
        n_iter_no_change=3,
        max_iter=40,
        random_state=seed,
    ).fit(task.delta.numpy(), label)
    trained = train([task], options, CPU)
    assert 4 <= classifier.n_iter_ < 40, "scikit-learn stopped early, so that there is something to compare"
    assert trained.epochs == [classifier.n_iter_]
    torch.testing.assert_close(trained.weights[0], flattened(classifier), rtol=0, atol=1e-4)


# --- over 15 folds ----------------------------------------------------------------------------------------------------


def two_digits() -> tuple[np.ndarray, np.ndarray]:
    """3 against 8, 8 x 8 pixels."""
    x, y = load_digits(return_X_y=True)
    chosen = (y == 3) | (y == 8)
    return x[chosen], (y[chosen] == 8).astype(int)


def changes_of_faces() -> tuple[np.ndarray, np.ndarray]:
    """Synthetic: differences of 20 features that are mostly at rest, of people who differ in what the features mean."""
    generator = np.random.default_rng(0)
    people, each, features = 40, 20, 20
    windows = generator.gamma(0.5, 1.0, (people, each + 1, features)) * (generator.random((1, 1, features)) < 0.8)
    change = np.diff(windows, axis=1)
    meaning = generator.normal(size=features) + 0.4 * generator.normal(size=(people, 1, features))
    logit = 1.5 * (change * meaning).sum(axis=-1)
    rises = generator.random(logit.shape) < 1 / (1 + np.exp(-logit))
    return change.reshape(-1, features), rises.reshape(-1).astype(int)


DATA = {
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    "digits 3 and 8": two_digits,
    "changes of faces": changes_of_faces,
}
SEEDS = {"breast cancer": 24, "digits 3 and 8": 80, "changes of faces": 40}
RECIPE = {"alpha": 1, "max_iter": 25, "early_stopping": True, "n_iter_no_change": 3}


def folds(name: str, seed: int) -> Iterator[tuple[Problem, np.ndarray, np.ndarray]]:
    """15 training problems, standardised, without groups, and what each is tested on."""
    x, y = DATA[name]()
    parts = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=seed).split(x, y)
    for fold, (fitted, tested) in enumerate(parts, start=seed):
        spread = x[fitted].std(0)
        scaled = ((x - x[fitted].mean(0)) / np.where(spread > 0, spread, 1)).astype(np.float32)
        label = torch.from_numpy(y[fitted]).float()
        yield (
            Problem(torch.from_numpy(scaled[fitted]), label, torch.zeros(len(label)).long(), (), fold),
            scaled[tested],
            y[tested],
        )


def fitted(classifier: MLPClassifier, task: Problem) -> MLPClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return classifier.fit(task.delta.numpy(), task.label.numpy().astype(int))


def orders_of_scikit_learn(label: np.ndarray, seed: int) -> Iterator[torch.Tensor]:
    """The order in which ``Prescribed(random_state=seed)`` sees its examples, epoch by epoch."""
    generator = np.random.RandomState(seed)
    part, _ = train_test_split(np.arange(len(label)), random_state=generator, test_size=0.1, stratify=label)
    order = np.arange(len(part))
    while True:
        order = shuffle(order, random_state=generator)
        yield torch.from_numpy(order)[None]


@pytest.mark.parametrize("name", DATA)
def test_parity_of_accuracy_over_15_folds_from_equal_weights_splits_and_batches(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left to chance but rounding, which may turn a pair or two: at most 0.002 of the accuracy."""
    learner = Mlp(MlpOptions(mirror=False), make_runtime(tmp_path))
    ours, theirs = [], []
    for task, x, y in folds(name, 0):
        network, label = Network(x.shape[1], (256, 64)), task.label.numpy()
        first = network.initial(torch.Generator().manual_seed(task.seed))
        classifier = fitted(prescribed(network, first, random_state=task.seed, **RECIPE), task)
        rows, held = splits_of_scikit_learn(label, task.seed)
        orders = orders_of_scikit_learn(label, task.seed)
        monkeypatch.setattr(training, "hold_out", lambda *_, rows=rows, held=held: (rows, held, "group"))
        monkeypatch.setattr(training._Stack, "_shuffled", lambda _, orders=orders: next(orders))
        (model,) = learner.fit_many([task])
        theirs.append(classifier.score(x, y))
        ours.append((model.predict(torch.from_numpy(x)).rises.numpy() == y).mean())
    assert np.mean(theirs) > 0.7
    assert abs(np.mean(ours) - np.mean(theirs)) < 0.002


def accuracies(name: str, seed: int, tmp_path: Path) -> tuple[float, float]:
    """Mean accuracy over 15 folds of ours and of scikit-learn's, each with weights, splits and batches of its own."""
    learner = Mlp(MlpOptions(mirror=False), make_runtime(tmp_path))
    ours, theirs = [], []
    for task, x, y in folds(name, seed):
        theirs.append(fitted(MLPClassifier((256, 64), random_state=task.seed, **RECIPE), task).score(x, y))
        (model,) = learner.fit_many([task])
        ours.append((model.predict(torch.from_numpy(x)).rises.numpy() == y).mean())
    return float(np.mean(ours)), float(np.mean(theirs))


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_parity_of_accuracy_over_15_folds_with_random_numbers_of_its_own(name: str, tmp_path: Path) -> None:
    """Averaged over so many seeds that the standard error leaves room for no difference beyond 0.005."""
    found = np.array([accuracies(name, 100 * seed, tmp_path) for seed in range(SEEDS[name])])
    difference = found[:, 0] - found[:, 1]
    assert difference.std(ddof=1) / len(found) ** 0.5 < 0.002
    assert abs(difference.mean()) < 0.005


# --- first weights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [0, 1])
def test_first_weights_are_spread_as_scikit_learns(layer: int) -> None:
    network = Network(40, (500,))
    weights, biases = network.layers(network.initial(torch.Generator().manual_seed(0))[None])[layer]
    drawn = MLPClassifier(500, random_state=0).partial_fit(np.zeros((2, 40)), [0, 1], classes=[0, 1]).coefs_[layer]
    bound = (6 / sum(network.shapes[layer])) ** 0.5
    assert np.abs(drawn).max() < bound + 2e-3, "scikit-learn's weights, moved by one step, keep within the same bound"
    assert 0.9 * bound < weights.abs().max() <= bound
    assert biases.abs().max() <= bound
    assert weights.std() == pytest.approx(bound / 3**0.5, rel=0.15)
