"""What a lexicon knows without a label: projections on anchors, and when it is taken not to know."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
import torch

from lasca_core.api import Anchors, Lexicon
from lasca_core.steps.knowledge import directions, read_knowledge

PLACES = {"glad": 1.0, "merry": 0.8, "even": 0.0, "cross": -0.7, "gloomy": -1.0}
"""Where each description lies on the axis of valence."""
NAMES = tuple(PLACES)
HIGH, LOW = ("joy", "pleasure", "delight"), ("grief", "anger", "pain")
ANCHORS = {"valence": Anchors(HIGH, LOW)}


class Space:
    """An embedding in 24 dimensions: axis 0 is valence, axis 1 what all texts share; every text adds its own noise."""

    def __init__(self, noise: float = 0.1) -> None:
        self.noise = noise

    def place(self, text: str) -> float:
        if text in HIGH or text in LOW:
            return 1.0 if text in HIGH else -1.0
        return PLACES[text.removeprefix("no ")] * (-1 if text.startswith("no ") else 1)

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        rows = []
        for text in texts:
            own = torch.Generator().manual_seed(sum(map(ord, text)))
            row = torch.randn(24, generator=own) * self.noise
            row[0] += self.place(text)
            row[1] += 3.0
            rows.append(row)
        return torch.stack(rows)


def lexicon(**changes: object) -> Lexicon:
    made = Lexicon("test", "1", "en", "CC0-1.0", {name: name for name in NAMES}, anchors=ANCHORS)
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def read(found: Lexicon, names: Sequence[str] = NAMES, target: str = "valence", space: Space | None = None):  # type: ignore[no-untyped-def]
    return read_knowledge(found, names, target, space or Space(), torch.Generator().manual_seed(0))


def test_weights_are_the_descriptions_places_between_the_anchors() -> None:
    found = read(lexicon(), space=Space(0.0))
    places = torch.tensor(list(PLACES.values()))
    expected = places - places.mean()  # what all descriptions have in common says nothing of one of them
    torch.testing.assert_close(found.weight, expected / expected.square().mean().sqrt())
    assert found.reliability == pytest.approx(1.0, abs=1e-4)
    assert found.doubt == ""


def test_noise_in_the_embedding_leaves_the_order() -> None:
    found = read(lexicon())
    assert found.weight.argsort(descending=True).tolist() == [0, 1, 2, 3, 4]
    assert found.weight.square().mean().item() == pytest.approx(1.0, rel=1e-5)
    assert 0.9 < found.reliability < 1.0


def test_the_order_of_the_features_does_not_matter() -> None:
    found, turned = read(lexicon()), read(lexicon(), tuple(reversed(NAMES)))
    torch.testing.assert_close(turned.weight.flip(0), found.weight)
    torch.testing.assert_close(turned.similarity.flip((0, 1)), found.similarity)


def test_a_feature_with_both_forms_means_what_raised_says_and_lowered_does_not() -> None:
    forms = {name: {"raised": name, "lowered": f"no {name}"} for name in NAMES}
    meaning = directions(lexicon(forms=forms), NAMES, Space(0.0))
    torch.testing.assert_close(meaning[:, 0], torch.tensor(list(PLACES.values())))
    torch.testing.assert_close(meaning[:, 1], torch.zeros(5), atol=1e-6, rtol=0)
    found = read(lexicon(forms=forms), space=Space(0.0))
    assert found.weight[2].item() == pytest.approx(0.0, abs=1e-5), "it has a true zero: nothing is centred"


def test_only_features_whose_words_are_evidence_have_a_weight() -> None:
    found = read(lexicon(speaks={"valence": frozenset({"glad", "even", "gloomy"})}))
    assert (found.weight != 0).tolist() == [True, False, True, False, True]


def test_how_much_a_feature_varies_says_nothing_of_a_direction() -> None:
    entries = {**{name: name for name in NAMES}, "glad_std": "merry"}
    found = read(lexicon(entries=entries), (*NAMES, "glad_std"))
    assert found.weight[-1] == 0
    assert (found.weight[:-1] != 0).sum() >= 4


def test_similarity_is_a_correlation_matrix_of_what_is_described() -> None:
    found = read(lexicon())
    similarity = found.similarity
    torch.testing.assert_close(similarity, similarity.T)
    torch.testing.assert_close(similarity.diagonal(), torch.ones(5))
    assert torch.linalg.eigvalsh(similarity.double()).min() > -1e-6
    assert similarity[0, 1] > 0.5 > -0.5 > similarity[0, 4]


# --- when it does not know --------------------------------------------------------------------------------------------


def test_a_lexicon_without_anchors_for_the_target_does_not_know_it() -> None:
    found = read(lexicon(), target="arousal")
    assert found.silent
    assert found.doubt == "lexicon 'test' has no anchors for arousal (it has: valence)"


def test_too_few_features_that_speak_of_the_target_are_no_knowledge() -> None:
    found = read(lexicon(speaks={"valence": frozenset({"glad", "gloomy"})}))
    assert found.silent
    assert "only 2 of these features speak of valence" in found.doubt


def test_anchors_that_disagree_are_no_knowledge() -> None:
    mixed = Anchors(("joy", "anger", "pleasure"), ("grief", "delight", "pain"))  # the second pair points the other way
    found = read(lexicon(anchors={"valence": mixed}), space=Space(0.3))
    assert found.silent
    assert "do not agree" in found.doubt or "no more in valence" in found.doubt


def test_descriptions_that_differ_in_nothing_are_no_knowledge() -> None:
    entries = {name: f"{name} " for name in NAMES}

    class Flat(Space):
        def place(self, text: str) -> float:
            return 0.0 if text.endswith(" ") else super().place(text)

    found = read(lexicon(entries=entries), space=Flat())
    assert found.silent
    assert found.doubt


@pytest.mark.parametrize("seed", range(3))
def test_the_draw_of_arbitrary_axes_does_not_decide(seed: int) -> None:
    found = read_knowledge(lexicon(), NAMES, "valence", Space(), torch.Generator().manual_seed(seed))
    assert not found.silent
