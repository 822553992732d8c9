"""Blocks of a representation: whose words they are made of, session by session."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from lasca_core.api import Component, Lexicon, LexiconContext, LexiconSpec, hookimpl
from lasca_core.experiment.config import resolve
from lasca_core.experiment.material import gather
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import RECIPES, Representations
from lasca_core.testing import make_registry, make_runtime

ASKED: list[LexiconContext] = []


class Cultured(Component):
    """Speaks of the north in words of its own."""

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        ASKED.append(context)
        place = "northern" if context.metadata.get("culture") == "north" else "usual"
        entries = {name: f"a {place} {name}" for name in context.features}
        forms = {"pitch_angle": {"raised": f"a {place} lift", "lowered": f"a {place} drop"}}
        return Lexicon(f"cultured-{place}", "1", "en", "CC0-1.0", entries, forms=forms)


@hookimpl
def lasca_register_lexicons() -> Iterator[LexiconSpec]:
    yield LexiconSpec(name="cultured", target=f"{__name__}:Cultured", summary="by culture")


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    words = ModuleType("cultured_words")
    words.Cultured, words.lasca_register_lexicons = Cultured, lasca_register_lexicons  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, __name__, words)  # as the target of the spec: pytest keeps test modules apart
    toy_plugin.ENCODED.clear()
    toy_plugin.FAIL_AFTER.clear()
    ASKED.clear()

    def build(*assignments: str) -> tuple[Pipeline, Representations]:
        chosen = {"dataset": "toyland", "extractors": ("toy",), "encoder": "hashing", "lexicon": "cultured"}
        pipeline = Pipeline(
            resolve(chosen=chosen, assignments=assignments),
            make_registry(toy_plugin, words),
            make_runtime(tmp_path / "cache"),
        )
        recordings = [
            dataclasses.replace(recording, metadata={"culture": "north" if number % 2 else "south"})
            for number, recording in enumerate(
                toy_plugin.ToyDataset(toy_plugin.ToyOptions(), pipeline.runtime).sessions()
            )
        ]
        material = gather(pipeline, recordings, ["valence"])
        return pipeline, Representations.of(pipeline, material)

    return build


def test_every_session_is_spoken_of_in_the_words_of_its_own_lexicon(setup) -> None:  # type: ignore[no-untyped-def]
    _, found = setup("fusion.wording=sentence", "fusion.components=0")
    words = found.whole.wording
    session = found.material.windows.session
    told = [words.texts[text] for text in words.index.tolist()]
    for text, number in zip(told, session.tolist(), strict=True):
        if "a " in text:
            assert ("northern" in text) == bool(number % 2), text
    assert {context.metadata["culture"] for context in ASKED if "culture" in context.metadata} == {"north", "south"}
    assert all(context.metadata["dataset"] == "toyland" for context in ASKED)
    assert {context.metadata.get("subject") for context in ASKED} >= {None, "person 0", "person 5"}
    assert found.base.id == "cultured-usual", "a session of which nothing is known"


def test_words_of_several_lexicons_are_those_that_each_writes_alone(setup) -> None:  # type: ignore[no-untyped-def]
    _, found = setup("fusion.wording=sentence", "fusion.components=0")
    together = found.whole.text("own")
    for number, lexicon in enumerate(found.lexicons):
        rows = found.material.windows.session == number
        alone = dataclasses.replace(found, lexicons=[lexicon] * 6)
        torch.testing.assert_close(together[rows], alone.whole.text("own")[rows])


def test_a_lowered_signed_feature_is_spoken_of_in_its_own_form(setup) -> None:  # type: ignore[no-untyped-def]
    _, found = setup("fusion.wording=sentence")
    words, windows = found.whole.wording, found.material.windows
    column = windows.names.index("pitch_angle")
    median = torch.stack([windows.values[windows.session == s, column].median() for s in range(6)])[windows.session]
    told = [words.texts[text] for text in words.index.tolist()]
    mask = found.whole.saliency.mask[:, column]
    assert int(mask.sum()) > 10
    for row in mask.nonzero()[:, 0].tolist():
        expected = "drop" if windows.values[row, column] < median[row] else "lift"
        assert expected in told[row]


def test_without_direction_the_text_is_a_function_of_the_mask_alone(setup) -> None:  # type: ignore[no-untyped-def]
    _, found = setup("fusion.wording=sentence", "lexicon.direction=false")
    assert not any("lift" in text or "drop" in text for text in found.whole.wording.texts)


def test_weighted_words_encode_each_description_once(setup) -> None:  # type: ignore[no-untyped-def]
    import toy_plugin

    _, found = setup("fusion.wording=weighted")
    found.whole.get(RECIPES["fused"])
    assert len(toy_plugin.ENCODED) == 2 * (3 + 2), "two lexicons of three descriptions and two forms"


def test_shuffled_words_are_drawn_anew_for_each_repetition(setup) -> None:  # type: ignore[no-untyped-def]
    _, found = setup("fusion.wording=weighted")
    first, again = found.whole.text("shuffled", 0), found.whole.text("shuffled", 0)
    assert torch.equal(first, again)
    assert not torch.equal(first, found.whole.text("shuffled", 1))
    assert torch.equal(found.whole.text("own", 0), found.whole.text("own", 1))


def test_without_direction_weighted_words_do_not_tell_raised_from_lowered(setup) -> None:  # type: ignore[no-untyped-def]
    _, told = setup("fusion.wording=weighted")
    _, untold = setup("fusion.wording=weighted", "lexicon.direction=false")
    assert not torch.equal(told.whole.text("own"), untold.whole.text("own"))


def test_shuffled_words_are_evidence_of_what_they_were_evidence_of() -> None:
    from lasca_core.steps.wording import shuffled

    entries = {name: f"about {name}" for name in "abcdef"}
    lexicon = Lexicon("x", "1", "en", "CC0-1.0", entries, speaks={"valence": frozenset("ab")})
    mixed = shuffled(lexicon, torch.Generator().manual_seed(1))
    assert {mixed.entries[name] for name in mixed.speaks["valence"]} == {"about a", "about b"}
