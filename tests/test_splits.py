"""Folds that never share a subject between training and test."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lasca_core.api import DatasetError
from lasca_core.experiment.splits import grouped_folds


def groups(people: int = 23, count: int = 400) -> Tensor:
    """Subjects with very different numbers of pairs, in no order, with numbers missing."""
    weights = torch.arange(1, people + 1).double()
    drawn = torch.multinomial(weights, count, replacement=True, generator=torch.Generator().manual_seed(0))
    return torch.cat([drawn, torch.arange(people)]) * 3


@pytest.mark.parametrize("folds", [2, 5, 15, 23])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_subject_is_in_training_and_test_and_every_pair_is_tested_once(folds: int, seed: int) -> None:
    group = groups()
    found = grouped_folds(group, folds, seed)
    assert len(found) == folds
    for train, test in found:
        assert not set(group[train].tolist()) & set(group[test].tolist())
        assert sorted(train.tolist() + test.tolist()) == list(range(len(group)))
        assert train.dtype == test.dtype == torch.int64
    assert sorted(row for _, test in found for row in test.tolist()) == list(range(len(group)))


def test_every_fold_has_pairs_to_train_on_and_to_test() -> None:
    for train, test in grouped_folds(groups(), 15, 0):
        assert len(train) > 0
        assert len(test) > 0


def test_with_fewer_subjects_than_folds_each_subject_is_a_fold() -> None:
    group = torch.tensor([4, 4, 9, 9, 9, 2])
    found = grouped_folds(group, 15, 0)
    assert sorted(group[test].unique().tolist() for _, test in found) == [[2], [4], [9]]


@pytest.mark.parametrize("group", [[7, 7, 7], []], ids=["one subject", "no pairs"])
def test_fewer_than_two_subjects_are_an_error_that_says_so(group: list[int]) -> None:
    with pytest.raises(DatasetError, match="at least 2"):
        grouped_folds(torch.tensor(group, dtype=torch.int64), 5, 0)


def test_the_assignment_depends_on_the_seed_alone() -> None:
    def tests(seed: int) -> list[list[int]]:
        return [test.tolist() for _, test in grouped_folds(groups(), 5, seed)]

    state = torch.get_rng_state()
    assert tests(1) == tests(1)
    assert tests(1) != tests(2)
    assert torch.equal(torch.get_rng_state(), state)
