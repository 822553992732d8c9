"""Folds that never share a subject between training and test."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from lasca_core.api import DatasetError
from lasca_core.experiment.config import EvaluateOptions
from lasca_core.experiment.splits import Fold, grouped_folds, make_folds


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


# --- whole plans ------------------------------------------------------------------------------------------------------


def plan(group: torch.Tensor, part: list[str | None] | None = None, **options: object) -> list[Fold]:
    return make_folds(group, part or [None] * len(group), EvaluateOptions(**options), seed=0)  # type: ignore[arg-type]


def test_leaving_one_subject_out_makes_a_fold_of_each() -> None:
    folds = plan(groups(), split="subjects", folds=2)
    tested = [set(groups()[fold.test].tolist()) for fold in folds]
    assert sorted(map(sorted, tested)) == [[subject] for subject in sorted(set(groups().tolist()))]


def test_the_official_split_trains_and_tests_on_the_parts_that_the_corpus_states() -> None:
    group = torch.tensor([0, 0, 1, 2, 2, 3, 4])
    part = ["train", "train", "train", "validation", "validation", "test", None]
    folds = plan(group, part, split="official", seeds=3)
    assert [fold.repetition for fold in folds] == [0, 1, 2]
    for fold in folds:
        assert fold.train.tolist() == [0, 1, 2]
        assert fold.test.tolist() == [3, 4]
    (fold,) = plan(group, part, split="official", train_parts=("train", "validation"), test_parts=("test",))
    assert (fold.train.tolist(), fold.test.tolist()) == ([0, 1, 2, 3, 4], [5])


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ([None, None, None], "states no official split; use folds or subjects"),
        (["train", "train", "test"], r"test_parts: no pair belongs to validation; there are pairs of test, train"),
        (["train", "validation", "validation"], "1 subjects are in the training and in the test part"),
    ],
)
def test_an_official_split_that_is_none_says_so(part: list[str | None], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        plan(torch.tensor([0, 0, 1]), part, split="official")


def test_a_learning_curve_adds_people_and_never_exchanges_them() -> None:
    group = groups()
    whole = plan(group, folds=4, seeds=2)
    trained: list[list[set[int]]] = []
    for count in (0, 1, 3, 1000):
        folds = plan(group, folds=4, seeds=2, train_subjects=count)
        assert [fold.test.tolist() for fold in folds] == [fold.test.tolist() for fold in whole]
        people = [set(group[fold.train].tolist()) for fold in folds]
        assert all(len(found) == min(count, len(set(group[fold.train].tolist()) | found)) or count == 1000
                   for found, fold in zip(people, folds, strict=True))  # fmt: skip
        trained.append(people)
    for fewer, more in itertools.pairwise(trained):
        assert all(small <= large for small, large in zip(fewer, more, strict=True))
    assert trained[-1] == [set(group[fold.train].tolist()) for fold in whole]
    assert len({tuple(sorted(found)) for found in trained[1]}) > 1, "each fold draws its own people"
