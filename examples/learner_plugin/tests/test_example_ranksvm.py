"""The machine on differences whose answer is known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from example_ranksvm.options import RankSVMOptions
from example_ranksvm.ranksvm import RankSVM

from lasca_core.api import DatasetError, ModelError, Problem
from lasca_core.testing import Check, make_runtime, parametrize_with_checks


@parametrize_with_checks("example-ranksvm")
def test_conformance(check: Check) -> None:
    check()


def problem(label: list[float]) -> Problem:
    """The first column decides, the second is noise of the same size."""
    delta = torch.tensor([[1.0, 0.1], [-1.0, 0.1], [0.8, -0.1], [-0.8, -0.1]])
    return Problem(delta, torch.tensor(label), torch.tensor([0, 0, 1, 1]), ())


def test_the_column_that_decides_has_the_weight(tmp_path: Path) -> None:
    (model,) = RankSVM(RankSVMOptions(), make_runtime(tmp_path)).fit_many([problem([1, 0, 1, 0])])
    weight = model.state()["weight"]
    assert weight[0] > 10 * abs(weight[1])
    assert model.predict(torch.tensor([[2.0, 0.0]])).probability.item() > 0.5


def test_pairs_of_one_direction_are_an_error_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="do not show both a rise and a fall"):
        RankSVM(RankSVMOptions(), make_runtime(tmp_path)).fit_many([problem([1, 1, 1, 1])])


def test_half_a_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds weight: train it again"):
        RankSVM(RankSVMOptions(), make_runtime(tmp_path)).from_state({"weight": torch.zeros(2)})
