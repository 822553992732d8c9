"""Normalised windows against numpy, group by group."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lasca_core.api import Windows
from lasca_core.steps.normalize import normalize, statistics


def windows(values: Tensor, valid: Tensor | None = None, signed: tuple[int, ...] = ()) -> Windows:
    count, features = values.shape
    return Windows(
        tuple(f"f{index}" for index in range(features)),
        values,
        torch.ones(count, dtype=torch.bool) if valid is None else valid,
        torch.arange(count, dtype=torch.float64),
        torch.arange(count, dtype=torch.float64) + 1,
        torch.zeros(count, dtype=torch.int64),
        ("s",),
        frozenset(f"f{index}" for index in signed),
    )


def random_windows(seed: int, count: int = 60, features: int = 5) -> tuple[Windows, Tensor]:
    """Windows with offsets and sizes of their own, a third of them invalid, in four groups in no order."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(count, features, generator=generator) * torch.logspace(-3, 3, features) + 7.0
    valid = torch.rand(count, generator=generator) < 0.67
    group = torch.randint(0, 4, (count,), generator=generator)
    return windows(torch.where(valid[:, None], values, 0.0), valid, signed=(1, 3)), group


def reference(values: np.ndarray, fit: np.ndarray, signed: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Features and salience of one group, by the definition; ``fit`` says which rows the statistics may see."""
    known = np.sort(values[fit].astype(np.float64), axis=0)
    low, high, median = known[0], known[-1], known[(len(known) - 1) // 2]
    reach = np.abs(known - median).max(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        features = np.where(high > low, (values - low) / (high - low), 0.0).clip(0, 1)
        distance = np.where(reach > 0, np.abs(values - median) / reach, 0.0).clip(0, 1)
    salience = features.copy()
    salience[:, signed] = distance[:, signed]
    return features, salience


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fitted", [False, True], ids=["all windows", "training windows"])
def test_each_group_is_normalised_by_its_own_valid_windows(seed: int, fitted: bool) -> None:
    made, group = random_windows(seed)
    fit = torch.rand(len(made), generator=torch.Generator().manual_seed(99)) < 0.6
    found = normalize(made, statistics(made, group, fit if fitted else None), group)
    for number in range(4):
        rows = (group == number) & made.valid
        counted = (fit[rows] if fitted else torch.ones_like(fit[rows])).numpy()
        features, salience = reference(made.values[rows].numpy(), counted, [1, 3])
        np.testing.assert_allclose(found.features[rows].numpy(), features, atol=1e-4)
        np.testing.assert_allclose(found.salience[rows].numpy(), salience, atol=1e-4)
    assert found.features.dtype == found.salience.dtype == torch.float32


def test_the_smallest_value_becomes_0_and_the_largest_1() -> None:
    made = windows(torch.tensor([[2.0], [4.0], [10.0]]))
    group = torch.zeros(3, dtype=torch.int64)
    assert normalize(made, statistics(made, group), group).features[:, 0].tolist() == [0.0, 0.25, 1.0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 10.0, 20.0, 100.0], [10 / 90, 0.0, 10 / 90, 1.0]), ([3.0, -3.0, 0.0], [1.0, 1.0, 0.0])],
    ids=["even count", "odd count"],
)
def test_a_signed_feature_is_salient_by_its_distance_from_the_lower_median(
    values: list[float], expected: list[float]
) -> None:
    made = windows(torch.tensor(values)[:, None], signed=(0,))
    group = torch.zeros(len(values), dtype=torch.int64)
    assert normalize(made, statistics(made, group), group).salience[:, 0].tolist() == pytest.approx(expected)


def test_a_constant_column_becomes_0_in_features_and_salience() -> None:
    made = windows(torch.tensor([[5.0, 5.0, 1.0], [5.0, 5.0, 2.0]]), signed=(1,))
    group = torch.zeros(2, dtype=torch.int64)
    found = normalize(made, statistics(made, group), group)
    assert found.features[:, :2].tolist() == found.salience[:, :2].tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("level", [1e-6, 0.1, 300.0])
def test_a_column_that_differs_by_rounding_alone_is_constant_too(level: float) -> None:
    one = torch.tensor(level)
    other = torch.nextafter(one, torch.tensor(1e9))
    made = windows(torch.stack([one, other, one]).expand(2, 3).T.contiguous(), signed=(1,))
    group = torch.zeros(3, dtype=torch.int64)
    found = normalize(made, statistics(made, group), group)
    assert (found.features == 0).all()
    assert (found.salience == 0).all()


@pytest.mark.parametrize("size", [1e-8, 1e-30])
def test_a_column_of_tiny_values_is_not_taken_for_constant(size: float) -> None:
    made = windows(torch.tensor([[0.0], [1.0], [2.0]]) * size)
    group = torch.zeros(3, dtype=torch.int64)
    assert normalize(made, statistics(made, group), group).features[:, 0].tolist() == pytest.approx([0.0, 0.5, 1.0])


def test_invalid_windows_neither_count_nor_show() -> None:
    valid = torch.tensor([True, False, True])
    made = windows(torch.tensor([[4.0, 4.0], [0.0, 0.0], [6.0, 6.0]]), valid, signed=(1,))
    group = torch.zeros(3, dtype=torch.int64)
    found = normalize(made, statistics(made, group), group)
    assert found.features.tolist() == [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    assert found.salience.tolist() == [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]


def test_values_beyond_those_of_training_are_clipped() -> None:
    made = windows(torch.tensor([[0.0, 0.0], [1.0, 1.0], [-5.0, -5.0], [9.0, 9.0]]), signed=(1,))
    group = torch.zeros(4, dtype=torch.int64)
    found = normalize(made, statistics(made, group, torch.tensor([True, True, False, False])), group)
    assert found.features[:, 0].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert found.salience[:, 1].tolist() == [0.0, 1.0, 1.0, 1.0]


def test_without_scaling_features_stay_as_they_are_and_signed_ones_are_salient_by_their_distance() -> None:
    made = windows(torch.tensor([[0.2, -8.0], [0.9, 2.0], [0.4, 4.0]]), signed=(1,))
    group = torch.zeros(3, dtype=torch.int64)
    found = normalize(made, statistics(made, group), group, scale=False)
    assert torch.equal(found.features, made.values)
    torch.testing.assert_close(found.salience, torch.tensor([[0.2, 10.0], [0.9, 0.0], [0.4, 2.0]]))


def test_a_group_without_any_window_to_fit_becomes_0() -> None:
    made = windows(torch.tensor([[1.0], [2.0], [3.0], [4.0]]), torch.tensor([True, True, False, False]), signed=(0,))
    group = torch.tensor([0, 0, 1, 1])
    found = statistics(made, group)
    assert (
        found.low[1].tolist() == found.high[1].tolist() == found.median[1].tolist() == found.reach[1].tolist() == [0.0]
    )
    nothing = statistics(made, group, torch.zeros(4, dtype=torch.bool))
    assert (normalize(made, nothing, group).features == 0).all()


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 0)])
def test_no_windows_or_no_features_normalise_to_nothing(shape: tuple[int, int]) -> None:
    made = windows(torch.zeros(shape))
    group = torch.zeros(shape[0], dtype=torch.int64)
    found = normalize(made, statistics(made, group), group)
    assert found.features.shape == found.salience.shape == shape


def test_one_groups_windows_do_not_change_anothers() -> None:
    made, group = random_windows(1)
    together = normalize(made, statistics(made, group), group)
    rows = group == 2
    alone = windows(made.values[rows], made.valid[rows], signed=(1, 3))
    zero = torch.zeros(int(rows.sum()), dtype=torch.int64)
    assert torch.equal(normalize(alone, statistics(alone, zero), zero).salience, together.salience[rows])
