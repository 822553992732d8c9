"""Differences between windows, and the scale they are learnt on."""

from __future__ import annotations

import pytest
import torch

from lasca_core.api import Block, Pairs, Saliency
from lasca_core.steps import fusion
from lasca_core.steps.fusion import differences, fit_columns, weighted_words

PAIRS = Pairs(torch.tensor([0, 2]), torch.tensor([1, 3]), torch.tensor([1.0, 0.0]), torch.tensor([0.5, -0.5]), {})


def test_differences_are_later_minus_earlier_of_each_block_side_by_side() -> None:
    features = torch.tensor([[1.0, 2.0], [4.0, 3.0], [0.0, 0.0], [1.0, -1.0]])
    text = torch.tensor([[0.0], [0.5], [1.0], [0.25]])
    delta, layout = differences({"features": features, "text": text}, {"features": ["smile", "frown"]}, PAIRS)
    assert delta.tolist() == [[3.0, 1.0, 0.5], [1.0, -1.0, -0.75]]
    assert layout == (Block("features", 0, 2, ("smile", "frown")), Block("text", 2, 3))


def scale_of(delta: torch.Tensor, *layout: Block, **options: object) -> torch.Tensor:
    return fit_columns(delta, layout or (Block("features", 0, delta.shape[1]),), **options).scale  # type: ignore[arg-type]


def test_the_scale_is_the_standard_deviation_of_the_differences_and_their_mirror_images() -> None:
    delta = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 6) + 0.3
    mirrored = torch.cat([delta, -delta]).double()
    torch.testing.assert_close(scale_of(delta), mirrored.std(dim=0, correction=0).float())


def test_a_column_that_never_changes_is_left_as_it_is() -> None:
    assert scale_of(torch.tensor([[0.0, 2.0], [0.0, -2.0]])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("columns", [0, 3])
def test_without_pairs_the_scale_is_one(columns: int) -> None:
    assert scale_of(torch.zeros(0, columns)).tolist() == [1.0] * columns


def test_jitter_below_the_floor_is_not_blown_up_to_unit_variance() -> None:
    delta = torch.tensor([[1e-5, 0.4, 1e-5], [-1e-5, -0.4, -1e-5]])
    found = scale_of(delta, Block("features", 0, 2), Block("text", 2, 3), floor=0.05)
    assert found.tolist() == pytest.approx([0.05, 0.4, 1e-5])


def test_a_text_block_scaled_as_one_keeps_the_proportions_of_its_columns() -> None:
    delta = torch.randn(100, 5, generator=torch.Generator().manual_seed(1)) * torch.tensor([1.0, 1.0, 3.0, 0.1, 0.5])
    layout = (Block("features", 0, 2), Block("text", 2, 5))
    columns = fit_columns(delta, layout, text_scale="block")
    scaled, found = columns.apply(delta, layout)
    assert found == layout
    assert scaled[:, 2:].square().mean().item() == pytest.approx(1.0, rel=1e-5)
    torch.testing.assert_close(scaled[:, 2] / scaled[:, 3], delta[:, 2] / delta[:, 3])
    torch.testing.assert_close(scaled[:, :2], delta[:, :2] / delta[:, :2].square().mean(dim=0).sqrt())


@pytest.mark.parametrize("pairs", [300, 6])
def test_components_are_those_of_scikit_learn_for_every_pair_in_both_directions(pairs: int) -> None:
    from sklearn.decomposition import PCA

    generator = torch.Generator().manual_seed(2)
    text = torch.randn(pairs, 4, generator=generator) @ torch.randn(4, 12, generator=generator)
    delta = torch.cat([torch.randn(pairs, 2, generator=generator), text], dim=1)
    layout = (Block("features", 0, 2), Block("text", 2, 14))
    columns = fit_columns(delta, layout, components=3)
    scaled, found = columns.apply(delta, layout)
    assert [(block.name, block.start, block.stop) for block in found] == [("features", 0, 2), ("text", 2, 5)]
    reference = PCA(3, svd_solver="full").fit(torch.cat([text, -text]).double().numpy()).components_
    ours = columns.rotation.T.double().numpy()
    assert abs((ours * reference).sum(axis=1)) == pytest.approx(1.0, abs=1e-5), "the same directions, up to their sign"
    torch.testing.assert_close(scaled[:, 2:].square().mean(dim=0), torch.ones(3))


@pytest.mark.parametrize("components", [0, 5, 9])
def test_no_fewer_components_than_columns_are_no_rotation(components: int) -> None:
    layout = (Block("features", 0, 2), Block("text", 2, 7))
    assert fit_columns(torch.randn(50, 7), layout, components=components).rotation is None


def test_weighted_words_are_the_mean_of_the_salient_cues_vectors() -> None:
    mask = torch.tensor([[True, False, True], [False, False, False], [False, True, True]])
    score = torch.tensor([[3.0, 9.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    raised, lowered = torch.eye(3), -torch.eye(3)
    state = torch.tensor([[1, 1, 1], [1, 1, 1], [1, -1, 2]], dtype=torch.int8)
    found = weighted_words(Saliency(mask, score), raised, lowered, state)
    torch.testing.assert_close(found, torch.tensor([[0.75, 0, 0.25], [0, 0, 0], [0, -0.5, 0.5]]))


@pytest.mark.parametrize("components", [0, 3])
def test_chosen_rows_are_fitted_and_scaled_as_a_copy_of_them_would_be(
    components: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fusion._ROWS, "cpu", 7)
    delta = torch.randn(50, 9, generator=torch.Generator().manual_seed(0))
    layout = (Block("features", 0, 4), Block("text", 4, 9))
    rows = torch.arange(1, 50, 3)
    chosen = fit_columns(delta, layout, components=components, rows=rows)
    copied = fit_columns(delta[rows], layout, components=components)
    torch.testing.assert_close(chosen.scale, copied.scale)
    found, expected = chosen.apply(delta, layout, rows), copied.apply(delta[rows], layout)
    torch.testing.assert_close(found[0], expected[0])
    assert found[1] == expected[1]
