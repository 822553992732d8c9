"""Otsu's threshold, exact and as scikit-image computes it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from lasca_saliency import otsu as module
from lasca_saliency.options import OtsuOptions
from lasca_saliency.otsu import Otsu, threshold_exact, threshold_histogram
from skimage.filters import threshold_otsu
from torch import Tensor

from lasca_core.api import Saliency
from lasca_core.testing import make_runtime

KINDS = ("uniform", "sparse", "five levels", "three levels", "mirrored", "narrow", "large", "bin edges")


def rows_of(kind: str, count: int, features: int, seed: int = 0) -> Tensor:
    """float32 [count, features].

    ``mirrored`` and the levels are full of ties, ``narrow`` spans a few float32 steps
    and ``bin edges`` lie where 256 bins meet, as far as float32 can say it.
    """
    rng = np.random.default_rng(seed)
    half = rng.random((count, (features + 1) // 2))
    edges = rng.integers(0, 257, (count, features))
    edges[:, 0], edges[:, -1] = 0, 256
    values = {
        "uniform": lambda: rng.random((count, features)),
        "sparse": lambda: rng.beta(0.3, 2.0, (count, features)),
        "five levels": lambda: rng.integers(0, 5, (count, features)) / 4,
        "three levels": lambda: rng.integers(0, 3, (count, features)) / 2,
        "mirrored": lambda: np.concatenate([half, 1 - half], axis=1)[:, :features],
        "narrow": lambda: 1 + rng.random((count, features)) * 1e-6,
        "large": lambda: rng.normal(size=(count, features)) * 1e6,
        "bin edges": lambda: edges * rng.uniform(0.05, 4, (count, 1)) / 256,
    }[kind]()
    return torch.from_numpy(values.astype(np.float32))


def otsu(tmp_path: Path, variant: str = "exact") -> Otsu:
    return Otsu(OtsuOptions(variant=variant), make_runtime(tmp_path))


def select(tmp_path: Path, values: Tensor, variant: str = "exact") -> Saliency:
    return otsu(tmp_path, variant).select(values)


def between_class_variance(row: list[Fraction], upper: list[bool]) -> Fraction:
    """Otsu (1979), equation 14: w0 w1 (mu1 - mu0)^2, in exact arithmetic."""
    high = [value for value, above in zip(row, upper, strict=True) if above]
    low = [value for value, above in zip(row, upper, strict=True) if not above]
    share = Fraction(len(high), len(row))
    return share * (1 - share) * (sum(high) / len(high) - sum(low) / len(low)) ** 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("features", [2, 3, 8, 20])
def test_exact_mask_has_the_largest_between_class_variance_of_all_cuts(
    tmp_path: Path, kind: str, features: int
) -> None:
    values = rows_of(kind, 40, features)
    masks = select(tmp_path, values).mask.tolist()
    for floats, mask in zip(values.tolist(), masks, strict=True):
        row = [Fraction(value) for value in floats]
        cuts = sorted(set(row))[:-1]
        if not cuts:
            assert not any(mask)
            continue
        best = max(between_class_variance(row, [value > cut for value in row]) for cut in cuts)
        # rows whose best cuts differ by less than float64 can tell apart may take either
        assert between_class_variance(row, mask) >= best * (1 - Fraction(1, 10**12))


@pytest.mark.parametrize("kind", ["uniform", "sparse"])
def test_exact_mask_leaves_the_least_variance_inside_the_two_classes(tmp_path: Path, kind: str) -> None:
    values = rows_of(kind, 60, 58, seed=3)
    masks = select(tmp_path, values).mask.numpy()
    for row, mask in zip(values.double().numpy(), masks, strict=True):
        cuts = [row > cut for cut in np.sort(row)[:-1]]
        inside = [row[upper].var() * upper.sum() + row[~upper].var() * (~upper).sum() for upper in cuts]
        np.testing.assert_array_equal(mask, cuts[int(np.argmin(inside))])


def test_the_threshold_of_a_row_of_equal_values_is_infinite() -> None:
    values = torch.full((2, 5), 0.25)
    assert threshold_exact(values).tolist() == threshold_histogram(values).tolist() == [float("inf")] * 2


def test_exact_threshold_lies_midway_between_the_classes() -> None:
    assert threshold_exact(torch.tensor([[0.0, 0.125, 0.75, 1.0]])).tolist() == [0.4375]


def test_of_two_equally_good_cuts_the_lower_one_counts(tmp_path: Path) -> None:
    assert select(tmp_path, torch.tensor([[1.0, 0.0, 0.5]])).mask.tolist() == [[True, False, True]]


@pytest.mark.parametrize("variant", ["exact", "histogram"])
def test_neighbouring_floats_are_told_apart(tmp_path: Path, variant: str) -> None:
    one = torch.tensor(1.0)
    above = torch.nextafter(one, torch.tensor(2.0))
    values = torch.stack([one, above, one])[None]
    assert select(tmp_path, values, variant).mask.tolist() == [[False, True, False]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("features", [2, 3, 4, 15, 58, 73])
def test_parity_with_scikit_images_histogram_mask_on_every_row(tmp_path: Path, kind: str, features: int) -> None:
    values = rows_of(kind, 60, features, seed=features)
    found = select(tmp_path, values, "histogram").mask.numpy()
    wide = values.double().numpy()
    expected = np.stack([row > threshold_otsu(row) for row in wide])
    share = (found == expected).all(axis=1).mean()
    assert share == 1.0, f"only {share:.2%} of the rows agree"


def test_histogram_variant_decides_even_ties_between_cuts_as_scikit_images_rounding_does(tmp_path: Path) -> None:
    values = rows_of("mirrored", 2500, 300, seed=300)[[2238]]
    found = select(tmp_path, values, "histogram").mask.numpy()
    np.testing.assert_array_equal(found, [row > threshold_otsu(row) for row in values.double().numpy()])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_histogram_mask_is_scikit_images_on_tens_of_thousands_of_rows(tmp_path: Path, kind: str) -> None:
    for features in (4, 5, 6, 10, 15, 58, 73, 300):
        values = rows_of(kind, 2500, features, seed=features)
        found = select(tmp_path, values, "histogram").mask.numpy()
        expected = np.stack([row > threshold_otsu(row) for row in values.double().numpy()])
        assert (found == expected).all(axis=1).mean() == 1.0


def test_histogram_threshold_is_scikit_images_number() -> None:
    values = rows_of("sparse", 200, 58, seed=5)
    expected = np.array([threshold_otsu(row) for row in values.double().numpy()])
    np.testing.assert_allclose(threshold_histogram(values).numpy(), expected, rtol=1e-14)


def test_histogram_of_other_bin_counts_follows_scikit_image_too() -> None:
    values = rows_of("uniform", 100, 58, seed=6)
    expected = np.array([threshold_otsu(row, nbins=16) for row in values.double().numpy()])
    np.testing.assert_allclose(threshold_histogram(values, bins=16).numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("variant", ["exact", "histogram"])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0, 1e-40])
@pytest.mark.parametrize("features", [1, 2, 58])
def test_a_row_of_equal_values_has_an_empty_mask_and_score_zero(
    tmp_path: Path, variant: str, value: float, features: int
) -> None:
    found = select(tmp_path, torch.full((3, features), value), variant)
    assert not found.mask.any()
    assert (found.score == 0).all()


@pytest.mark.parametrize("variant", ["exact", "histogram"])
@pytest.mark.parametrize("shape", [(0, 58), (0, 1), (4, 0)])
def test_no_window_or_no_feature_gives_an_empty_mask(tmp_path: Path, variant: str, shape: tuple[int, int]) -> None:
    found = select(tmp_path, torch.zeros(shape), variant)
    assert found.mask.shape == found.score.shape == shape
    assert found.mask.dtype == torch.bool


@pytest.mark.parametrize("variant", ["exact", "histogram"])
def test_each_row_is_judged_by_itself(tmp_path: Path, variant: str) -> None:
    values = torch.cat([rows_of(kind, 20, 58) for kind in KINDS])
    together = select(tmp_path, values, variant)
    alone = [select(tmp_path, row[None], variant) for row in values]
    assert torch.equal(together.mask, torch.cat([part.mask for part in alone]))
    assert torch.equal(together.score, torch.cat([part.score for part in alone]))


@pytest.mark.parametrize("variant", ["exact", "histogram"])
def test_how_many_rows_are_computed_at_a_time_does_not_matter(
    tmp_path: Path, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = rows_of("uniform", 100, 20)
    expected = otsu(tmp_path, variant).select(values)
    monkeypatch.setattr(module, "_ROWS", {"cpu": 7})
    found = otsu(tmp_path, variant).select(values)
    assert torch.equal(found.mask, expected.mask)
    assert torch.equal(found.score, expected.score)


@pytest.mark.parametrize("variant", ["exact", "histogram"])
def test_the_order_of_the_features_does_not_matter(tmp_path: Path, variant: str) -> None:
    values = rows_of("uniform", 50, 58, seed=9)
    order = torch.randperm(58, generator=torch.Generator().manual_seed(0))
    found = select(tmp_path, values, variant).mask
    assert torch.equal(select(tmp_path, values[:, order], variant).mask, found[:, order])


def test_exact_mask_does_not_change_when_the_row_is_stretched_and_moved(tmp_path: Path) -> None:
    values = torch.randint(0, 1000, (200, 30), generator=torch.Generator().manual_seed(1)) / 1024
    assert torch.equal(select(tmp_path, values).mask, select(tmp_path, values * 4 - 2).mask)


@pytest.mark.parametrize("variant", ["exact", "histogram"])
def test_score_is_the_distance_above_the_threshold_so_that_it_is_positive_exactly_where_the_mask_is(
    tmp_path: Path, variant: str
) -> None:
    values = rows_of("sparse", 100, 58, seed=2)
    found = select(tmp_path, values, variant)
    assert torch.equal(found.score > 0, found.mask)
    threshold = threshold_exact(values) if variant == "exact" else threshold_histogram(values)
    torch.testing.assert_close(found.score.double(), values.double() - threshold[:, None], rtol=1e-6, atol=1e-7)
    assert found.score.dtype == torch.float32


def test_selecting_leaves_the_values_as_they_were(tmp_path: Path) -> None:
    values = rows_of("uniform", 5, 58)
    before = values.clone()
    otsu(tmp_path).select(values)
    otsu(tmp_path, "histogram").select(values)
    assert torch.equal(values, before)
