"""Sentences in both languages, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from example_bilingual.lexicon import Bilingual

from lasca_core.api import Lexicon, LexiconContext, LexiconError, NoOptions
from lasca_core.testing import Check, make_runtime, parametrize_with_checks


@parametrize_with_checks("example-bilingual")
def test_conformance(check: Check) -> None:
    check()


def ask(tmp_path: Path, language: str, *features: str) -> Lexicon:
    return Bilingual(NoOptions(), make_runtime(tmp_path)).lexicon_for(LexiconContext(features, language))


def test_each_language_has_its_own_sentence(tmp_path: Path) -> None:
    english, german = (ask(tmp_path, language, "level") for language in ("en", "de"))
    assert english.sentence(["level"], [1]) == "The person speaks with a loud voice, excited or angry."
    assert german.sentence(["level"], [-1]) == "Die Person spricht mit leiser Stimme, ruhig oder müde."
    assert english.checksum != german.checksum


def test_both_languages_cover_the_same_features_in_the_same_order(tmp_path: Path) -> None:
    lexicon = Bilingual(NoOptions(), make_runtime(tmp_path))
    assert lexicon.features("en") == lexicon.features("de") == ("level", "centroid")


def test_a_feature_it_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="no entry for mouthSmileLeft"):
        ask(tmp_path, "en", "level", "mouthSmileLeft")
