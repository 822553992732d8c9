"""Metrics as scikit-learn counts them, and intervals that respect who the pairs come from."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from lasca_core.experiment.metrics import (
    Interval,
    accuracy,
    auc,
    balanced_accuracy,
    clustered_bootstrap,
    correct,
    holm,
    sign_flip_test,
)
from lasca_core.experiment.results import is_shown, sentence


def predictions(seed: int, count: int = 200, rising: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that know something of them, coarse enough to be tied, never exactly 1/2."""
    rng = np.random.default_rng(seed)
    label = (rng.random(count) < rising).astype(np.float32)
    probability = np.clip(0.3 * label + rng.random(count) * 0.7, 0, 1)
    return label, (np.floor(probability * 20) + 0.25) / 21


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_scikit_learn(seed: int) -> None:
    label, probability = predictions(seed)
    rises = probability > 0.5
    assert accuracy(label, probability) == pytest.approx(accuracy_score(label, rises))
    assert balanced_accuracy(label, probability) == pytest.approx(balanced_accuracy_score(label, rises))
    assert auc(label, probability) == pytest.approx(roc_auc_score(label, probability))


def test_an_undecided_prediction_counts_half() -> None:
    label = np.array([1.0, 0.0, 1.0, 0.0])
    assert accuracy(label, np.full(4, 0.5)) == 0.5
    assert accuracy(label, np.array([0.5, 0.1, 0.9, 0.9])) == pytest.approx(2.5 / 4)
    assert balanced_accuracy(label, np.array([0.5, 0.1, 0.9, 0.1])) == pytest.approx((0.75 + 1.0) / 2)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_with_one_direction_only_balanced_accuracy_and_auc_do_not_exist(value: float) -> None:
    label, probability = np.full(4, value), np.array([0.1, 0.4, 0.6, 0.9])
    assert balanced_accuracy(label, probability) is None
    assert auc(label, probability) is None
    assert accuracy(label, probability) == 0.5


# --- intervals --------------------------------------------------------------------------------------------------------


def two_models(
    rng: np.random.Generator, people: int, each: int, spread: float, gain: float = 0.1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, two models' probabilities, and who each pair is of.

    The first model is right in ``gain`` more of the pairs on average; by how much differs between people (``spread``).
    """
    person = np.repeat(np.arange(people), each)
    better = np.clip(0.7 + rng.normal(0, spread, people), 0, 1)[person]
    label = rng.integers(0, 2, people * each).astype(float)
    first = np.where(rng.random(len(label)) < better, label, 1 - label)
    second = np.where(rng.random(len(label)) < 0.7 - gain, label, 1 - label)
    return label, first, second, person


def interval(data: tuple[np.ndarray, ...], **changes: object) -> Interval:
    options: dict[str, object] = {"resamples": 1000, "confidence": 0.95, "seed": 0} | changes
    label, first, second, person = data
    return clustered_bootstrap(correct(label, first) - correct(label, second), person, **options)  # type: ignore[arg-type]


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        found = interval(two_models(rng, people=40, each=10, spread=0.1), seed=seed, resamples=400)
        covered += found.low <= 0.1 <= found.high
    assert 0.89 <= covered / 200 <= 0.99


def test_the_difference_is_that_of_the_accuracies() -> None:
    data = two_models(np.random.default_rng(1), people=20, each=7, spread=0.1)
    found = interval(data)
    assert found.difference == pytest.approx(accuracy(data[0], data[1]) - accuracy(data[0], data[2]))
    assert found.low <= found.difference <= found.high


def test_pairs_that_go_together_within_a_person_widen_the_interval() -> None:
    label, first, second, person = two_models(np.random.default_rng(2), people=30, each=40, spread=0.25)
    clustered = interval((label, first, second, person))
    single = interval((label, first, second, np.arange(len(label))))
    assert clustered.high - clustered.low > 1.5 * (single.high - single.low)


def test_with_one_pair_a_person_the_width_is_that_of_the_ordinary_standard_error() -> None:
    label, first, second, _ = two_models(np.random.default_rng(3), people=2000, each=1, spread=0.0)
    found = interval((label, first, second, np.arange(2000)), resamples=4000)
    gain = (first == label).astype(float) - (second == label)
    assert found.high - found.low == pytest.approx(2 * 1.96 * gain.std() / 2000**0.5, rel=0.05)


def test_names_of_people_and_their_order_do_not_matter() -> None:
    label, first, second, person = two_models(np.random.default_rng(4), people=15, each=6, spread=0.1)
    order = np.random.default_rng(5).permutation(len(label))
    names = np.array([f"person {number:02d}" for number in person])
    moved = interval(tuple(column[order] for column in (label, first, second, names)))
    found = interval((label, first, second, person))
    assert (moved.difference, moved.low, moved.high) == pytest.approx((found.difference, found.low, found.high))


def test_the_interval_depends_on_the_seed_alone() -> None:
    data = two_models(np.random.default_rng(6), people=15, each=6, spread=0.1)
    assert interval(data, seed=3) == interval(data, seed=3)
    assert interval(data, seed=3) != interval(data, seed=4)


def test_more_confidence_makes_a_wider_interval() -> None:
    data = two_models(np.random.default_rng(7), people=20, each=6, spread=0.1)
    wide, narrow = interval(data, confidence=0.99), interval(data, confidence=0.8)
    assert wide.low < narrow.low <= narrow.high < wide.high


def test_two_models_that_say_the_same_differ_by_nothing() -> None:
    label, first, _, person = two_models(np.random.default_rng(8), people=10, each=6, spread=0.1)
    found = interval((label, first, first, person))
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0)
    assert sign_flip_test(np.zeros(60), person) == 1.0


# --- tests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [6, 14])
def test_the_sign_flip_test_is_scipys_permutation_test(people: int) -> None:
    from scipy.stats import permutation_test

    rng = np.random.default_rng(people)
    person = np.repeat(np.arange(people), 5)
    gain = rng.choice([-1.0, 0.0, 0.0, 1.0], len(person)) + rng.choice([0.0, 1.0], people)[person]
    sums = np.bincount(person, weights=gain)
    expected = permutation_test(
        (sums,), lambda x, axis: x.sum(axis=axis), permutation_type="samples", n_resamples=20_000
    ).pvalue
    assert sign_flip_test(gain, person) == pytest.approx(expected, abs=0.015)


def test_without_a_difference_the_test_rejects_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(20), 8)
    rejected = 0
    for _ in range(300):
        gain = (rng.normal(0, 0.4, 20)[person] + rng.normal(0, 1, len(person))).round()
        rejected += sign_flip_test(gain, person) <= 0.05
    assert 0.02 <= rejected / 300 <= 0.08


def test_holm_multiplies_the_smallest_p_value_by_their_number_and_never_changes_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@pytest.mark.parametrize(
    ("low", "high", "subjects", "p", "shown"),
    [
        (0.01, 0.2, 12, 0.01, True),
        (-0.3, -0.1, 12, 0.01, True),
        (-0.01, 0.2, 12, 0.01, False),
        (0.01, 0.2, 4, 0.01, False),
        (0.01, 0.2, 12, 0.2, False),
    ],
)
def test_a_difference_is_shown_if_interval_and_corrected_test_agree_and_enough_subjects_took_part(
    low: float, high: float, subjects: int, p: float, shown: bool
) -> None:
    row = {"difference": 0.1, "low": low, "high": high, "subjects": subjects, "confidence": 0.95, "p_corrected": p}
    row["shown"] = is_shown(row)
    assert row["shown"] is shown
    said = sentence("fused - features", row)
    assert said.startswith(f"fused - features = +0.100 [{low:+.3f}, {high:+.3f}]: ")
    assert said.endswith("too few subjects to tell (4)" if subjects == 4 else "shown" if shown else "not shown")
