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
UNITS = tuple(
    f"AU{number:02d}" for number in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 18, 20, 23, 24, 25, 26, 28, 43, 45)
)
NEITHER_WAY = ("mfcc_3", "mfcc_14", "x", "y", "roll", "yaw")


@pytest.fixture
def llm(tmp_path: Path) -> BundledLexicon:
    return BundledLexicon(NoOptions(), make_runtime(tmp_path))


@pytest.fixture
def lexicon(llm: BundledLexicon) -> Lexicon:
    return llm.lexicon_for(LexiconContext(FEATURES))


@pytest.fixture
def everything(llm: BundledLexicon) -> Lexicon:
    return llm.lexicon_for(LexiconContext(llm.features("en")))


def said(lexicon: Lexicon) -> dict[str, str]:
    """Everything that may be spoken of a single feature, by the feature and its form."""
    texts = dict(lexicon.entries)
    for feature, forms in lexicon.forms.items():
        texts |= {f"{feature} ({form})": text for form, text in forms.items()}
    return texts


def number_of(feature: str) -> str:
    """``AU1``, ``AU01`` and ``AU01_r`` -> ``AU01``."""
    return f"AU{int(re.sub(r'[^0-9]', '', feature)):02d}"


def test_all_73_features_are_described_in_the_order_of_face_then_pose_then_voice(
    llm: BundledLexicon, lexicon: Lexicon
) -> None:
    assert len(FEATURES) == 73
    assert tuple(lexicon.entries) == FEATURES
    assert llm.features("en")[:58] == BLENDSHAPES + POSE
    assert llm.languages() == ("en", "de", "fr", "es", "el", "hu", "zh", "sr")


def test_openface_pyfeat_facet_arkit_and_egemaps_have_words(everything: Lexicon) -> None:
    names = set(everything.entries)
    assert {number_of(name) for name in names if re.fullmatch(r"AU\d+(_[rc])?", name)} == set(UNITS)
    assert len({name for name in names if re.fullmatch(r"AU\d\d_r", name)}) == 17
    assert len({name for name in names if re.fullmatch(r"AU\d\d_c", name)}) == 18
    assert {"gaze_angle_x", "gaze_angle_y", "pose_Tx", "pose_Rz", "Pitch", "Pitch Degrees", "tongueOut"} <= names
    start = everything_from(everything, "F0semitoneFrom27.5Hz_sma3nz_amean")
    assert (len(start), start[87], start[88]) == (113, "equivalentSoundLevel_dBp", "Loudness_sma3")


def everything_from(lexicon: Lexicon, first: str) -> list[str]:
    names = list(lexicon.entries)
    return names[names.index(first) :]


def test_egemaps_is_described_under_the_names_and_in_the_order_of_opensmile(everything: Lexicon) -> None:
    names = pytest.importorskip("lasca_opensmile.names")
    described = everything_from(everything, names.EGEMAPS_FUNCTIONALS[0])
    assert described == [*names.EGEMAPS_FUNCTIONALS, *names.EGEMAPS_LLD]


def test_an_action_unit_has_one_description_under_every_name(everything: Lexicon) -> None:
    texts: dict[str, set[str]] = {}
    for name, text in everything.entries.items():
        if re.fullmatch(r"AU\d+(_[rc])?", name):
            texts.setdefault(number_of(name), set()).add(text.removeprefix("clear signs of "))
    assert {number: len(found) for number, found in texts.items()} == dict.fromkeys(UNITS, 1)
    assert len(set().union(*texts.values())) == len(UNITS)


def test_every_text_has_8_to_20_words(everything: Lexicon) -> None:
    assert {name: text for name, text in said(everything).items() if not 8 <= len(text.split()) <= 20} == {}


def test_no_combination_is_longer_than_the_longest_description(everything: Lexicon) -> None:
    longest = max(len(text.split()) for text in everything.entries.values())
    assert max(len(item.text.split()) for item in everything.combinations) <= longest


def test_every_entry_is_a_noun_phrase_that_fits_the_sentence(lexicon: Lexicon) -> None:
    opening = re.compile(r"(an? |(inner eyebrows|lips|open lips|puckered lips|puffed cheeks|tightly pressed lips) )")
    for name, text in lexicon.entries.items():
        assert opening.match(text), name
        assert re.fullmatch(r"[a-z][a-z', ]*[a-z]", text), f"{name} has other characters than words need: {text}"


def test_no_two_texts_of_face_and_voice_are_equal(lexicon: Lexicon) -> None:
    texts = said(lexicon)
    assert len({text.lower() for text in texts.values()}) == len(texts)


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
        assert {"raised", "lowered"} <= lexicon.forms[name].keys(), name


def test_the_two_forms_of_a_feature_without_known_meaning_differ_in_the_direction_alone(lexicon: Lexicon) -> None:
    for name in NEITHER_WAY:
        raised, lowered = (lexicon.forms[name][form].split() for form in ("raised", "lowered"))
        assert sum(one != other for one, other in zip(raised, lowered, strict=True)) == 1, name


@pytest.mark.parametrize(
    ("feature", "raised", "lowered"),
    [
        ("pitch", "down", "up"),
        ("roll", "left", "right"),
        ("yaw", "right", "left"),
        ("x", "right", "left"),
        ("y", "higher", "lower"),
        ("z", "nearer", "further"),
        ("pose_Rx", "down", "up"),
        ("pose_Ry", "left", "right"),
        ("pose_Rz", "right", "left"),
        ("pose_Ty", "lower", "higher"),
        ("pose_Tz", "further", "nearer"),
        ("gaze_angle_y", "down", "up"),
        ("gaze_pitch", "up", "down"),
        ("mfcc_0", "loud", "quiet"),
        ("mfcc_1", "dark", "bright"),
        ("alphaRatioV_sma3nz_amean", "bright", "dark"),
        ("hammarbergIndexV_sma3nz_amean", "warm", "metallic"),
        ("HNRdBACF_sma3nz_amean", "clear", "breathy"),
        ("logRelF0-H1-H2_sma3nz_amean", "breathy", "pressed"),
        ("F1bandwidth_sma3nz_amean", "blurred", "sharp"),
    ],
)
def test_raised_and_lowered_follow_the_signs_of_the_tool(
    everything: Lexicon, feature: str, raised: str, lowered: str
) -> None:
    assert raised in re.findall(r"\w+", everything.describe(feature, 1))
    assert lowered in re.findall(r"\w+", everything.describe(feature, -1))


def test_left_and_right_together_are_said_once(everything: Lexicon) -> None:
    together = {item.features for item in everything.combinations}
    for left in (name for name in BLENDSHAPES if name.endswith("Left")):
        assert frozenset({left, left.removesuffix("Left") + "Right"}) in together, left


def test_a_smile_that_shows_the_teeth_does_not_speak_of_disgust(lexicon: Lexicon) -> None:
    cues = [name for name in BLENDSHAPES if re.match("mouth(Smile|UpperUp|LowerDown)", name)]
    assert lexicon.sentence(cues) == "The person shows a broad smile showing the teeth, laughing, joyful and excited."


def test_no_combination_stands_below_a_part_of_itself(everything: Lexicon) -> None:
    seen: list[frozenset[str]] = []
    for item in everything.combinations:
        assert not any(earlier < item.features for earlier in seen), sorted(item.features)
        seen.append(item.features)


def test_anchors_are_pairs_of_phrases_of_like_length(lexicon: Lexicon) -> None:
    assert set(lexicon.anchors) == {"valence", "arousal", "dominance"}
    for anchors in lexicon.anchors.values():
        assert len(anchors.high) == len(anchors.low) == 10
        for high, low in zip(anchors.high, anchors.low, strict=True):
            assert abs(len(high.split()) - len(low.split())) <= 1, (high, low)


def test_no_anchor_is_the_whole_of_a_description(everything: Lexicon) -> None:
    phrases = {phrase for anchors in everything.anchors.values() for phrase in (*anchors.high, *anchors.low)}
    assert not phrases & set(said(everything).values())


def test_the_face_speaks_of_valence_and_arousal_and_the_voice_of_arousal_alone(lexicon: Lexicon) -> None:
    assert lexicon.speaks == {"valence": frozenset(BLENDSHAPES + POSE), "dominance": frozenset()}


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
        (("eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "x", "y", "mfcc_14"), "neutral|any emotion"),
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
        "a wide open left eye, staring in alarm, startled, surprised or frightened."
    )
    assert lexicon.sentence([]) == "The person shows nothing out of the ordinary."


def test_the_spread_of_a_feature_is_described_through_the_feature_and_follows_it(llm: BundledLexicon) -> None:
    spread = llm.lexicon_for(LexiconContext(("jawOpen", "mouthClose", "jawOpen_std", "mfcc_0_std")))
    assert list(spread.entries) == ["jawOpen", "jawOpen_std", "mouthClose", "mfcc_0_std"]
    assert spread.entries["jawOpen_std"] == f"marked variation in {spread.entries['jawOpen']}"
    everything = llm.lexicon_for(LexiconContext(FEATURES + tuple(f"{name}_std" for name in FEATURES)))
    assert len(set(everything.entries.values())) == 146


def test_an_unknown_language_is_answered_with_the_known_ones(llm: BundledLexicon) -> None:
    with pytest.raises(LexiconError, match=r"lexicon 'llm' has no language 'tlh'; it has en, de"):
        llm.lexicon_for(LexiconContext(FEATURES, language="tlh"))
    with pytest.raises(LexiconError, match="no language 'tlh'"):
        llm.features("tlh")


@pytest.mark.parametrize("language", ["de", "fr", "es", "el", "hu", "zh", "sr"])
def test_every_language_says_the_same_of_the_same_features(llm: BundledLexicon, language: str) -> None:
    names = llm.features("en")
    english, other = (llm.lexicon_for(LexiconContext(names, language=tag)) for tag in ("en", language))
    assert tuple(other.entries) == tuple(english.entries)
    assert {name: set(forms) for name, forms in other.forms.items()} == {
        name: set(forms) for name, forms in english.forms.items()
    }
    assert [item.features for item in other.combinations] == [item.features for item in english.combinations]
    assert other.speaks == english.speaks
    assert other.anchors.keys() == english.anchors.keys()
    for target, anchors in other.anchors.items():
        assert len(anchors.high) == len(anchors.low) == len(english.anchors[target].high)
    assert not set(other.entries.values()) & set(english.entries.values())
    assert (other.template, other.empty) != (english.template, english.empty)
    assert other.checksum != english.checksum


def test_features_without_an_entry_are_named(llm: BundledLexicon) -> None:
    with pytest.raises(LexiconError, match=r"lexicon 'llm' \(en\) has no entry for AU99, gaze_std"):
        llm.lexicon_for(LexiconContext(("jawOpen", "AU99", "gaze_std")))


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
    header = tomllib.loads((folder / "lexicon.toml").read_text(encoding="utf-8"))
    english = header["languages"]["en"]
    declared = {part["file"]: part["sha256"] for part in header["entries"] if part["language"] == "en"}
    declared |= {english[name]: english[f"{name}_sha256"] for name in ("anchors", "combinations")}
    assert {Path(file).name for file in declared} == {file.name for file in (folder / "en").iterdir()}
    for file, sha256 in declared.items():
        raw = (folder / file).read_bytes().replace(b"\r\n", b"\n")
        assert hashlib.sha256(raw).hexdigest() == sha256, file


def test_the_control_differs_from_llm_in_its_descriptions_alone(tmp_path: Path, lexicon: Lexicon) -> None:
    control = NamesLexicon(NoOptions(), make_runtime(tmp_path)).lexicon_for(LexiconContext(FEATURES))
    assert list(control.entries) == list(lexicon.entries)
    assert (control.template, control.separator, control.empty) == (lexicon.template, lexicon.separator, lexicon.empty)
    assert not set(control.entries.values()) & set(lexicon.entries.values())
