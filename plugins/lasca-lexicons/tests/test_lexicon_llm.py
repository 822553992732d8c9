"""The bundled lexicon: complete, short, distinct, honest about where it comes from."""

from __future__ import annotations

import hashlib
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from lasca_lexicons.names import NamesLexicon
from lasca_lexicons.stored import BundledLexicon

from lasca_core.api import Lexicon, LexiconContext, LexiconError, NoOptions
from lasca_core.testing import make_runtime

_MEDIAPIPE = """
_neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight eyeLookOutLeft
eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight jawForward jawLeft
jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel mouthLeft
mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight mouthRollLower
mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft mouthStretchRight
mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight
"""
BLENDSHAPES = tuple(_MEDIAPIPE.split())
POSE = ("pitch", "roll", "yaw", "x", "y", "z")
MFCC = tuple(f"mfcc_{order}" for order in range(15))
FEATURES = BLENDSHAPES + POSE + MFCC


@pytest.fixture
def llm(tmp_path: Path) -> BundledLexicon:
    return BundledLexicon(NoOptions(), make_runtime(tmp_path))


@pytest.fixture
def lexicon(llm: BundledLexicon) -> Lexicon:
    return llm.lexicon_for(LexiconContext(FEATURES))


def test_all_73_features_are_described_in_the_order_of_face_then_pose_then_voice(
    llm: BundledLexicon, lexicon: Lexicon
) -> None:
    assert len(FEATURES) == 73
    assert tuple(lexicon.entries) == FEATURES
    assert llm.features("en") == FEATURES
    assert llm.languages() == ("en",)


def test_every_entry_has_8_to_14_words(lexicon: Lexicon) -> None:
    assert {name: text for name, text in lexicon.entries.items() if not 8 <= len(text.split()) <= 14} == {}


def test_every_entry_is_a_noun_phrase_that_fits_the_sentence(lexicon: Lexicon) -> None:
    opening = re.compile(r"(an? |(inner eyebrows|lips|open lips|puckered lips|puffed cheeks|tightly pressed lips) )")
    for name, text in lexicon.entries.items():
        assert opening.match(text), name
        assert re.fullmatch(r"[a-z][a-z', ]*[a-z]", text), f"{name} has other characters than words need: {text}"


def test_no_two_entries_are_equal(lexicon: Lexicon) -> None:
    assert len({text.lower() for text in lexicon.entries.values()}) == len(lexicon.entries)


def test_left_and_right_entries_differ_in_the_side_alone(lexicon: Lexicon) -> None:
    lefts = [name for name in BLENDSHAPES if name.endswith("Left")]
    assert len(lefts) == 20
    for left in lefts:
        text = lexicon.entries[left]
        assert len(re.findall(r"\bleft\b", text)) == 1, left
        assert not re.search(r"\bright\b", text), left
        assert lexicon.entries[left.removesuffix("Left") + "Right"] == re.sub(r"\bleft\b", "right", text)


def test_entries_of_features_without_a_side_name_no_side(lexicon: Lexicon) -> None:
    for name in FEATURES:
        if not name.endswith(("Left", "Right")):
            assert not re.search(r"\b(left|right)\b", lexicon.entries[name]), name


def test_entries_of_signed_features_speak_of_the_unusual_and_not_of_high_or_low(lexicon: Lexicon) -> None:
    for name in POSE + MFCC:
        assert "unusual" in lexicon.entries[name], name
        assert not re.search(r"\b(high|low|higher|lower|loud|quiet|raised|lowered)\b", lexicon.entries[name]), name


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (("mouthSmileLeft", "cheekSquintLeft"), "happy|joy"),
        (("browDownLeft", "mouthPressLeft", "jawForward"), "anger|angry"),
        (("mouthFrownLeft", "browInnerUp"), "sad|sadness"),
        (("noseSneerLeft", "mouthUpperUpLeft", "mouthLowerDownLeft"), "disgusted"),
        (("mouthStretchLeft",), "fear"),
        (("eyeWideLeft", "jawOpen", "browOuterUpLeft"), "surprised"),
        (("eyeBlinkLeft", "eyeLookDownLeft"), "tired"),
        (("eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "x", "y", "mfcc_14"), "neutral"),
        (("mfcc_0",), "arousal"),
    ],
)
def test_cues_say_the_emotion_that_the_literature_gives_them(
    lexicon: Lexicon, features: tuple[str, ...], words: str
) -> None:
    for name in features:
        assert re.search(rf"\b({words})\b", lexicon.entries[name]), name


def test_only_the_asked_features_are_in_it_and_their_order_in_the_question_does_not_matter(llm: BundledLexicon) -> None:
    one = llm.lexicon_for(LexiconContext(("mfcc_0", "jawOpen", "browInnerUp")))
    other = llm.lexicon_for(LexiconContext(("browInnerUp", "mfcc_0", "jawOpen")))
    assert list(one.entries) == list(other.entries) == ["browInnerUp", "jawOpen", "mfcc_0"]
    assert one.checksum == other.checksum


def test_equal_contexts_give_equal_checksums_and_fingerprints(tmp_path: Path, lexicon: Lexicon) -> None:
    again = BundledLexicon(NoOptions(), make_runtime(tmp_path))
    assert again.lexicon_for(LexiconContext(FEATURES)).checksum == lexicon.checksum
    raw = (files("lasca_lexicons") / "data" / "llm" / "lexicon.toml").read_bytes().replace(b"\r\n", b"\n")
    assert again.fingerprint() == hashlib.sha256(raw).hexdigest()


def test_the_sentence_reads_as_english(lexicon: Lexicon) -> None:
    assert lexicon.sentence(["browInnerUp", "eyeWideLeft"]) == (
        "The person shows inner eyebrows drawn up in the middle, sad, worried or distressed; "
        "a wide open left eye, startled, surprised, alert and excited."
    )
    assert lexicon.sentence([]) == "The person shows nothing out of the ordinary."


def test_the_spread_of_a_feature_is_described_through_the_feature_and_follows_it(llm: BundledLexicon) -> None:
    spread = llm.lexicon_for(LexiconContext(("jawOpen", "mouthClose", "jawOpen_std", "mfcc_0_std")))
    assert list(spread.entries) == ["jawOpen", "jawOpen_std", "mouthClose", "mfcc_0_std"]
    assert spread.entries["jawOpen_std"] == f"marked variation in {spread.entries['jawOpen']}"
    everything = llm.lexicon_for(LexiconContext(FEATURES + tuple(f"{name}_std" for name in FEATURES)))
    assert len(set(everything.entries.values())) == 146


def test_an_unknown_language_is_answered_with_the_known_ones(llm: BundledLexicon) -> None:
    with pytest.raises(LexiconError, match=r"lexicon 'llm' has no language 'de'; it has en"):
        llm.lexicon_for(LexiconContext(FEATURES, language="de"))
    with pytest.raises(LexiconError, match="no language 'de'"):
        llm.features("de")


def test_features_without_an_entry_are_named(llm: BundledLexicon) -> None:
    with pytest.raises(LexiconError, match=r"lexicon 'llm' \(en\) has no entry for AU12, gaze_std"):
        llm.lexicon_for(LexiconContext(("jawOpen", "AU12", "gaze_std")))


def test_provenance_names_author_date_prompt_reviewer_and_sources(lexicon: Lexicon) -> None:
    folder = files("lasca_lexicons") / "data" / "llm"
    prompt = (folder / "prompt.md").read_bytes().replace(b"\r\n", b"\n")
    assert lexicon.provenance["prompt_sha256"] == hashlib.sha256(prompt).hexdigest()
    assert "language model" in lexicon.provenance["author"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", lexicon.provenance["date"])
    assert lexicon.provenance["reviewer"].startswith("none yet")
    assert all(source in lexicon.provenance["citation"] for source in ("Ekman", "EMFACS", "Scherer"))
    assert lexicon.license == "Apache-2.0"
    assert all(name in prompt.decode().split() for name in BLENDSHAPES)


def test_the_declared_checksums_are_those_of_the_files() -> None:
    folder = files("lasca_lexicons") / "data" / "llm"
    declared = tomllib.loads((folder / "lexicon.toml").read_text(encoding="utf-8"))["entries"]
    assert [part["features"] for part in declared] == ["blendshape", "mfcc"]
    for part in declared:
        raw = (folder / part["file"]).read_bytes().replace(b"\r\n", b"\n")
        assert hashlib.sha256(raw).hexdigest() == part["sha256"], part["file"]


def test_the_control_differs_from_llm_in_its_descriptions_alone(tmp_path: Path, lexicon: Lexicon) -> None:
    control = NamesLexicon(NoOptions(), make_runtime(tmp_path)).lexicon_for(LexiconContext(FEATURES))
    assert list(control.entries) == list(lexicon.entries)
    assert (control.template, control.separator, control.empty) == (lexicon.template, lexicon.separator, lexicon.empty)
    assert not set(control.entries.values()) & set(lexicon.entries.values())
