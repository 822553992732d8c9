"""The upper quantile of windows whose answer is plain."""

from __future__ import annotations

from pathlib import Path

import torch
from example_quantile.options import QuantileOptions
from example_quantile.quantile import Quantile

from lasca_core.testing import Check, make_runtime, parametrize_with_checks


@parametrize_with_checks("example-quantile")
def test_conformance(check: Check) -> None:
    check()


def mask(tmp_path: Path, row: list[float], share: float) -> list[bool]:
    method = Quantile(QuantileOptions(share=share), make_runtime(tmp_path))
    return method.select(torch.tensor([row])).mask[0].tolist()


def test_the_upper_share_is_salient(tmp_path: Path) -> None:
    assert mask(tmp_path, [0.1, 0.9, 0.3, 0.7], 0.5) == [False, True, False, True]


def test_of_few_features_one_is_salient(tmp_path: Path) -> None:
    assert mask(tmp_path, [0.1, 0.9], 0.25) == [False, True]
    assert mask(tmp_path, [0.9], 0.25) == [False]


def test_of_values_that_are_equal_at_the_border_none_is(tmp_path: Path) -> None:
    assert mask(tmp_path, [0.5, 0.9, 0.5, 0.1], 0.5) == [False, True, False, False]
