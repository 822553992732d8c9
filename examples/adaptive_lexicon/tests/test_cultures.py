"""Who hears what: each culture its words, everybody else those of the base."""

from __future__ import annotations

from pathlib import Path

import pytest
from example_cultures.lexicon_of_cultures import CulturesLexicon
from lasca_lexicons.options import SessionOptions
from lasca_lexicons.stored import BundledLexicon

from lasca_core.api import Lexicon, LexiconContext
from lasca_core.testing import make_runtime

FACE = ("mouthSmileLeft", "browDownLeft", "browOuterUpLeft", "browOuterUpRight", "pitch")


@pytest.fixture
def cultures(tmp_path: Path) -> CulturesLexicon:
    return CulturesLexicon(SessionOptions(), make_runtime(tmp_path))


def spoken(cultures: CulturesLexicon, culture: str, *features: str) -> Lexicon:
    return cultures.lexicon_for(LexiconContext(features or FACE, "en", {"culture": culture}))


def test_a_session_of_no_known_culture_is_spoken_of_as_in_the_base(cultures: CulturesLexicon, tmp_path: Path) -> None:
    base = BundledLexicon(SessionOptions(), make_runtime(tmp_path)).lexicon_for(LexiconContext(FACE))
    for culture in ("", "GB"):
        assert spoken(cultures, culture).checksum == base.checksum
    assert spoken(cultures, "").id == "llm/cultures"


def test_german_sessions_have_their_own_smiles_and_frowns(cultures: CulturesLexicon) -> None:
    german = spoken(cultures, "DE")
    assert german.id == "llm/cultures#culture=DE|German"
    assert "smiling sincerely" in german.entries["mouthSmileLeft"]
    assert german.entries["browOuterUpLeft"] == spoken(cultures, "").entries["browOuterUpLeft"]
    assert spoken(cultures, "german") is german


def test_in_greek_sessions_brows_raised_together_or_a_head_tossed_back_are_a_no(cultures: CulturesLexicon) -> None:
    greek, base = spoken(cultures, "GR"), spoken(cultures, "")
    brows = greek.sentence(["browOuterUpLeft", "browOuterUpRight"])
    assert "both eyebrows raised together, a silent no or a surprise" in brows
    assert greek.describe("pitch", -1) == "a head tossed back, refusing, a silent no"
    assert greek.describe("pitch") == base.describe("pitch")


def test_a_hungarian_melody_is_evidence_for_arousal_alone(cultures: CulturesLexicon) -> None:
    melody = "F0semitoneFrom27.5Hz_sma3nz_meanRisingSlope"
    assert "yes or no question" in spoken(cultures, "HU", melody).entries[melody]
    words = cultures.content.words("en", cultures.content.rules("en", {"culture": "HU"}))
    assert words.speaks[melody] == {"arousal"}


def test_each_culture_has_a_checksum_of_its_own(cultures: CulturesLexicon) -> None:
    assert len({spoken(cultures, culture).checksum for culture in ("", "DE", "GR")}) == 3
