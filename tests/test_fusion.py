"""Differences between windows, and the scale they are learnt on."""

from __future__ import annotations

import pytest
import torch

from lasca_core.api import Block, Pairs
from lasca_core.steps.fusion import column_scale, differences

PAIRS = Pairs(torch.tensor([0, 2]), torch.tensor([1, 3]), torch.tensor([1.0, 0.0]), torch.tensor([0.5, -0.5]), {})


def test_differences_are_later_minus_earlier_of_each_block_side_by_side() -> None:
    features = torch.tensor([[1.0, 2.0], [4.0, 3.0], [0.0, 0.0], [1.0, -1.0]])
    text = torch.tensor([[0.0], [0.5], [1.0], [0.25]])
    delta, layout = differences({"features": features, "text": text}, {"features": ["smile", "frown"]}, PAIRS)
    assert delta.tolist() == [[3.0, 1.0, 0.5], [1.0, -1.0, -0.75]]
    assert layout == (Block("features", 0, 2, ("smile", "frown")), Block("text", 2, 3))


def test_the_scale_is_the_standard_deviation_of_the_differences_and_their_mirror_images() -> None:
    delta = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 6) + 0.3
    mirrored = torch.cat([delta, -delta]).double()
    torch.testing.assert_close(column_scale(delta), mirrored.std(dim=0, correction=0).float())


def test_a_column_that_never_changes_is_left_as_it_is() -> None:
    assert column_scale(torch.tensor([[0.0, 2.0], [0.0, -2.0]])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("columns", [0, 3])
def test_without_pairs_the_scale_is_one(columns: int) -> None:
    assert column_scale(torch.zeros(0, columns)).tolist() == [1.0] * columns


def test_jitter_below_the_floor_is_not_blown_up_to_unit_variance() -> None:
    delta = torch.tensor([[1e-5, 0.4, 1e-5], [-1e-5, -0.4, -1e-5]])
    layout = (Block("features", 0, 2), Block("text", 2, 3))
    assert column_scale(delta, layout, 0.05).tolist() == pytest.approx([0.05, 0.4, 1e-5])
