"""Which pairs are held out to decide when to stop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lasca_preference.mlp import Mlp
from lasca_preference.options import MlpOptions
from lasca_preference.split import hold_out

from lasca_core.api import Problem
from lasca_core.testing import make_runtime


def problem(label: list[int], group: list[int]) -> Problem:
    delta = torch.randn(len(label), 3, generator=torch.Generator().manual_seed(0))
    return Problem(delta, torch.tensor(label, dtype=torch.float32), torch.tensor(group), ())


def split(task: Problem, seed: int = 0, fraction: float = 0.1) -> tuple[torch.Tensor, torch.Tensor, str]:
    rows, held, by = hold_out(task, fraction, torch.Generator().manual_seed(seed))
    assert sorted(rows.tolist() + held.tolist()) == list(range(len(task.label))), "each pair is in one part"
    return rows, held, by


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("groups", "expected"), [(5, 1), (20, 2), (30, 3)])
def test_whole_groups_are_held_out(seed: int, groups: int, expected: int) -> None:
    task = problem([0, 1] * 60, [index // 2 % groups for index in range(120)])
    rows, held, by = split(task, seed)
    assert by == "group"
    held_groups = set(task.group[held].tolist())
    assert len(held_groups) == expected
    assert held_groups.isdisjoint(task.group[rows].tolist())


def test_different_seeds_hold_different_groups_out() -> None:
    task = problem([0, 1] * 60, [index // 2 % 20 for index in range(120)])
    assert len({tuple(split(task, seed)[1].tolist()) for seed in range(10)}) > 5


@pytest.mark.parametrize("seed", range(10))
def test_groups_of_one_direction_only_are_not_the_ones_held_out(seed: int) -> None:
    label = [1] * 40 + [0, 1] * 10
    task = problem(label, [index // 10 for index in range(60)])
    _, held, by = split(task, seed)
    assert by == "group"
    assert set(task.group[held].tolist()) <= {4, 5}
    assert set(task.label[held].tolist()) == {0, 1}


@pytest.mark.parametrize("seed", range(10))
def test_a_group_is_not_held_out_if_training_would_lose_a_direction(seed: int) -> None:
    label = [1] * 50 + [0, 1] * 5
    task = problem(label, [index // 10 for index in range(60)])
    rows, held, by = split(task, seed)
    assert by == "pair"
    assert set(task.label[rows].tolist()) == set(task.label[held].tolist()) == {0, 1}


def test_groups_too_small_to_judge_by_are_passed_over() -> None:
    task = problem([0, 1] * 50, [0] * 90 + [1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    for seed in range(10):
        _, held, by = split(task, seed)
        assert (by, len(held)) in {("pair", 10), ("group", 90)}


def test_with_few_groups_a_tenth_of_the_pairs_of_each_direction_is_held_out() -> None:
    task = problem([0] * 40 + [1] * 60, [index % 4 for index in range(100)])
    _, held, by = split(task)
    assert by == "pair"
    assert task.label[held].tolist().count(0) == 4
    assert task.label[held].tolist().count(1) == 6


@pytest.mark.parametrize(
    "task", [problem([0, 1] * 4, list(range(8))), problem([1] * 30 + [0], [0] * 31)], ids=["few pairs", "one of a kind"]
)
def test_where_too_few_pairs_remain_none_is_held_out_and_the_person_is_told(task: Problem, tmp_path: Path) -> None:
    rows, held, by = split(task)
    assert (len(rows), len(held), by) == (len(task.label), 0, "none")
    runtime = make_runtime(tmp_path)
    Mlp(MlpOptions(max_iter=2), runtime).fit_many([task])
    assert "all max_iter epochs" in runtime.report.notes[0]


def test_no_split_is_made_and_nothing_said_without_early_stopping(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path)
    Mlp(MlpOptions(max_iter=2, early_stopping=False), runtime).fit_many([problem([0, 1] * 4, [0] * 8)])
    assert runtime.report.notes == []
