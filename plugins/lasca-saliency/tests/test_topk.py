"""The k largest values of each window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lasca_saliency.options import TopKOptions
from lasca_saliency.topk import TopK
from pydantic import ValidationError
from torch import Tensor

from lasca_core.api import Saliency
from lasca_core.testing import make_runtime


def select(tmp_path: Path, values: Tensor, k: int) -> Saliency:
    return TopK(TopKOptions(k=k), make_runtime(tmp_path)).select(values)


@pytest.mark.parametrize("k", [1, 8, 57])
def test_mask_marks_the_k_largest_values_of_each_row(tmp_path: Path, k: int) -> None:
    values = torch.rand(100, 58, generator=torch.Generator().manual_seed(0))
    found = select(tmp_path, values, k)
    for row, mask in zip(values.numpy(), found.mask.numpy(), strict=True):
        assert set(np.flatnonzero(mask)) == set(np.argsort(row)[-k:])
    assert torch.equal(found.score, values)


def test_of_equal_values_the_first_ones_count(tmp_path: Path) -> None:
    values = torch.tensor([[0.5, 1.0, 0.5, 0.5, 0.0]])
    assert select(tmp_path, values, 3).mask.tolist() == [[True, True, True, False, False]]


@pytest.mark.parametrize("k", [5, 6, 1000])
def test_a_k_beyond_the_number_of_features_marks_them_all(tmp_path: Path, k: int) -> None:
    assert select(tmp_path, torch.arange(5.0)[None], k).mask.all()


@pytest.mark.parametrize("features", [1, 2, 58])
def test_a_row_of_equal_values_has_an_empty_mask(tmp_path: Path, features: int) -> None:
    values = torch.full((3, features), 0.7)
    assert not select(tmp_path, values, 8).mask.any()


@pytest.mark.parametrize("shape", [(0, 58), (4, 0), (0, 0)])
def test_no_window_or_no_feature_gives_an_empty_mask(tmp_path: Path, shape: tuple[int, int]) -> None:
    found = select(tmp_path, torch.zeros(shape), 8)
    assert found.mask.shape == found.score.shape == shape


def test_each_row_is_judged_by_itself(tmp_path: Path) -> None:
    values = torch.randint(0, 4, (60, 20), generator=torch.Generator().manual_seed(3)) / 4
    together = select(tmp_path, values, 6).mask
    assert torch.equal(together, torch.cat([select(tmp_path, row[None], 6).mask for row in values]))


def test_a_k_below_one_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="k\n"):
        TopKOptions(k=0)
