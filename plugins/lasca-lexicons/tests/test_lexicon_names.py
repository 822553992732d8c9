"""The control: names made readable, and nothing added."""

from __future__ import annotations

from pathlib import Path

import pytest
from lasca_lexicons.names import NamesLexicon, readable

from lasca_core.api import LexiconContext, LexiconError, NoOptions
from lasca_core.testing import make_runtime


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mouthSmileLeft", "mouth smile left"),
        ("_neutral", "neutral"),
        ("mfcc_3", "mel frequency cepstral coefficient 3"),
        ("mfcc_14_std", "mel frequency cepstral coefficient 14 standard deviation"),
        ("jawOpen_std", "jaw open standard deviation"),
        ("AU12", "action unit 12"),
        ("AU06_r", "action unit 06 r"),
        ("pitch", "pitch"),
        ("x", "x"),
        ("F0semitoneFrom27.5Hz_sma3nz_amean", "f 0 semitone from 27.5 hz sma 3 nz amean"),
        ("HNRdBACF", "hn rd bacf"),
        ("Größe_links", "größe links"),
        ("gaze angle (x)", "gaze angle x"),
        ("§", "§"),
    ],
)
def test_a_name_becomes_the_words_it_is_made_of(name: str, words: str) -> None:
    assert readable(name) == words


def test_every_feature_is_described_in_the_order_asked(tmp_path: Path) -> None:
    names = NamesLexicon(NoOptions(), make_runtime(tmp_path))
    lexicon = names.lexicon_for(LexiconContext(("whatever_2", "jawOpen")))
    assert list(lexicon.entries.items()) == [("whatever_2", "whatever 2"), ("jawOpen", "jaw open")]
    assert lexicon.sentence(["whatever_2", "jawOpen"]) == "The person shows whatever 2; jaw open."
    assert lexicon.checksum == names.lexicon_for(LexiconContext(("whatever_2", "jawOpen"))).checksum
    assert names.languages() == ("en",)


def test_a_language_other_than_english_is_refused(tmp_path: Path) -> None:
    names = NamesLexicon(NoOptions(), make_runtime(tmp_path))
    with pytest.raises(
        LexiconError, match=r"has no language 'de': feature names are English; set lexicon\.language to en"
    ):
        names.lexicon_for(LexiconContext(("jawOpen",), language="de"))
