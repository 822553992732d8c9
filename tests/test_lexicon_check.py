"""`lasca lexicon check`: each kind of fault is found, and what is no fault is told."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from lasca_core.api import Anchors, Combination, Lexicon, LexiconContext, LexiconSpec, hookimpl
from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings
from lasca_core.cli.lexicon import sides, tongue
from lasca_core.cli.lexicon.budget import budget
from lasca_core.cli.lexicon.faults import Company, foreign_texts, near_duplicates, opposite_meanings
from lasca_core.host.runtime import default_cache
from lasca_core.testing import make_registry

lexicons = pytest.importorskip("lasca_lexicons.format", reason="lasca-lexicons is not installed")

Check = Callable[..., tuple[int, dict[str, Any], str]]

HEADER: dict[str, Any] = {
    "format": 2,
    "id": "mine",
    "version": "1.0.0",
    "license": "CC0-1.0",
    "provenance": {"author": "me", "date": "2026-11-22", "reviewer": "you"},
    "languages": {"en": {"template": "The person shows {cues}.", "separator": "; ", "empty": "Nothing stands out."}},
    "entries": [{"language": "en", "features": "toy", "file": "en/toy.toml"}],
}
TOY = {
    "smile": "a broad smile with raised corners of the mouth, happy and pleased",
    "frown": "lowered and knitted brows above the eyes, angry and displeased",
    "pitch_angle": "an unusual tilt of the head up or down, neutral in emotion",
    "noise": "a flicker that belongs to no part of the body and means nothing",
}


def write(folder: Path, entries: dict[str, Any], files: dict[str, Any] | None = None, **header: Any) -> Path:
    """A lexicon of English ``entries``; ``header`` and ``files`` replace or add what else it has."""
    lexicons.write_lexicon(folder, {**HEADER, **header}, {"en/toy.toml": entries, **(files or {})})
    return folder


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Call ``lasca lexicon check`` with the toy extractor alone and the encoder that counts words: exit code, the
    report as JSON, stderr."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    monkeypatch.setenv("LASCA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LASCA_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, modules: tuple[ModuleType, ...] = ()) -> tuple[int, dict[str, Any], str]:
        settings = Settings()
        settings.registry = make_registry(toy_plugin, *modules)
        fixed = ["--encoder", "hashing", "--threshold", "0.95", "--json"]
        monkeypatch.setattr(sys, "argv", ["lasca", "lexicon", "check", *map(str, arguments), *fixed])
        code = cli._guarded(settings)
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else {}, err

    return call


def only(code: int, found: dict[str, Any], err: str) -> dict[str, str]:
    """The one problem that was found: in the report and, in the same words, on stderr."""
    assert code == 2
    (report,) = found["lexicons"]
    (problem,) = report["problems"]
    assert f"lasca: {problem['message']}" in err.splitlines()
    result: dict[str, str] = problem
    return result


# --- a clean lexicon --------------------------------------------------------------------------------------------------


def test_a_clean_lexicon_has_no_problem_and_exit_code_0(check: Check, tmp_path: Path) -> None:
    code, found, err = check(write(tmp_path / "mine", TOY))
    (report,) = found["lexicons"]
    assert (code, report["problems"], err) == (0, [], "encode 4 texts with hashing ...\n")
    assert report["covers"]["en"] == {"toy": 4}
    assert (report["id"], report["version"], report["license"]) == ("mine", "1.0.0", "CC0-1.0")
    assert len(report["checksums"]["en"]) == 64


def test_a_feature_set_that_is_not_claimed_is_reported_and_no_fault(check: Check, tmp_path: Path) -> None:
    code, found, _ = check(write(tmp_path / "mine", {"nod": "a nodding head that goes up and down, agreeing", **TOY}))
    assert code == 0
    other = write(tmp_path / "other", {"nod": "a nodding head that goes up and down, agreeing"})
    code, found, _ = check(other)
    assert code == 0
    assert "toy" in found["lexicons"][0]["absent"]["en"]


def test_without_a_name_all_installed_lexicons_are_checked(check: Check) -> None:
    _, found, err = check("--extractor", "toy")
    assert {"llm", "names"} <= {report["name"] for report in found["lexicons"]}
    assert "folder: not checked, because it needs -o folder.path=..." in err


def test_the_bundled_lexicons_are_clean() -> None:
    weights = list((default_cache() / "weights").glob("minilm-*"))
    if not weights:
        pytest.skip("MiniLM is not in the cache; fetch it with `lasca weights pull minilm`")
    result = CliRunner().invoke(cli.lasca, ["lexicon", "check", "--offline"], obj=Settings())
    assert result.exception is None, result.output
    assert re.search(r"^llm: 58 descriptions cover extractor blendshape", result.output, re.MULTILINE)


def test_an_encoder_that_is_not_there_leaves_the_rest_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LASCA_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(sys, "argv", ["lasca", "lexicon", "check", str(write(tmp_path / "mine", TOY)), "--offline"])
    code = cli._guarded(Settings())
    _, err = capsys.readouterr()
    assert code == 0
    assert "not checked: similarity and length of the texts (" in err


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_feature_of_a_claimed_set_without_a_description(check: Check, tmp_path: Path) -> None:
    entries = {name: text for name, text in TOY.items() if name != "noise"}
    problem = only(*check(write(tmp_path / "mine", entries)))
    assert problem["kind"] == "coverage"
    assert problem["message"].endswith("of the features of extractor toy it does not describe noise")


def test_an_extractor_that_was_asked_for_and_is_not_covered(check: Check, tmp_path: Path) -> None:
    other = write(tmp_path / "mine", {"nod": "a nodding head that goes up and down, agreeing"})
    problem = only(*check(other, "--extractor", "toy"))
    assert problem["message"].endswith("it describes none of the features of extractor toy")


def test_a_description_that_stands_twice(check: Check, tmp_path: Path) -> None:
    twice = {**TOY, "noise": TOY["smile"].upper().replace(" ", "  ")}
    problem = only(*check(write(tmp_path / "mine", twice), "--threshold", "1"))
    assert problem["kind"] == "duplicate"
    assert problem["message"].endswith("smile and noise have the same description")


def test_two_names_of_one_thing_may_have_one_description(check: Check, tmp_path: Path) -> None:
    """The toy extractor measures no action units: AU12 and AU12_r are what two other programs call the same."""
    code, found, _ = check(write(tmp_path / "mine", {**TOY, "AU12": TOY["smile"], "AU12_r": TOY["smile"]}))
    assert code == 0
    assert found["lexicons"][0]["synonyms"]["en"] == [["smile", "AU12"], ["smile", "AU12_r"]]


def test_a_lexicon_of_unknown_features_alone_is_searched_for_duplicates(check: Check, tmp_path: Path) -> None:
    gaze = {"up": "a gaze that rests above the horizon, calm", "down": "a gaze that rests above the horizon, calm"}
    problem = only(*check(write(tmp_path / "mine", gaze)))
    assert "up and down have the same description" in problem["message"]


def test_a_feature_that_says_the_same_of_both_directions(check: Check, tmp_path: Path) -> None:
    same = {"text": TOY["pitch_angle"], "raised": "a head held up", "lowered": "a head held up"}
    problem = only(*check(write(tmp_path / "mine", {**TOY, "pitch_angle": same})))
    assert "pitch_angle (raised) and pitch_angle (lowered) have the same description" in problem["message"]


def test_descriptions_that_say_nearly_the_same(check: Check, tmp_path: Path) -> None:
    words = "drawn up at both corners of the mouth, glad"
    near = {"smile": f"lips {words}", "frown": f"{words} lips"}  # a sum of words has no order
    code, found, _ = check(write(tmp_path / "mine", {**TOY, **near}))
    kinds = {problem["kind"] for problem in found["lexicons"][0]["problems"]}
    assert code == 2
    assert "near-duplicate" in kinds
    message = next(p["message"] for p in found["lexicons"][0]["problems"] if p["kind"] == "near-duplicate")
    assert message.endswith("smile and frown say nearly the same (cosine similarity 1.000)")


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("a raised left brow", "a lowered right brow"), "browLeft and browRight differ in more than the side"),
        (("a raised right brow", "a raised left brow"), "browLeft and browRight have their sides exchanged"),
        (
            ({"text": "a left brow", "raised": "a raised left brow"}, "a right brow"),
            "only one of browLeft and browRight",
        ),
    ],
)
def test_left_and_right_features_that_contradict_each_other(
    check: Check, tmp_path: Path, texts: tuple[Any, Any], words: str
) -> None:
    twins = dict(zip(("browLeft", "browRight"), texts, strict=True))
    problem = only(*check(write(tmp_path / "mine", twins)))
    assert problem["kind"] == "sides"
    assert words in problem["message"]


def test_left_and_right_features_that_mean_opposite_things(check: Check, tmp_path: Path) -> None:
    twins = {"browLeft": "a raised left brow", "browRight": "a raised right brow", **TOY}
    anchors = {
        "valence": {"high": ["left left joy", "left left delight"], "low": ["right right grief", "right right woe"]}
    }
    languages = {"en": {**HEADER["languages"]["en"], "anchors": "en/anchors.toml"}}
    folder = write(tmp_path / "mine", twins, {"en/anchors.toml": anchors}, languages=languages)
    problem = only(*check(folder))
    assert problem["kind"] == "opposite"
    assert "browLeft speaks for high valence and browRight for low" in problem["message"]


def test_a_description_that_is_too_long_for_the_encoder(check: Check, tmp_path: Path) -> None:
    problem = only(*check(write(tmp_path / "mine", {**TOY, "noise": "so " * 200 + "much noise"})))
    assert problem["kind"] == "budget"
    assert "the description of noise alone is longer than the 200 tokens that hashing reads" in problem["message"]


def test_a_text_in_another_language(check: Check, tmp_path: Path) -> None:
    pytest.importorskip("py3langid")
    german = "gesenkte und zusammengezogene Brauen über den Augen, wütend und verärgert"
    problem = only(*check(write(tmp_path / "mine", {**TOY, "frown": german})))
    assert problem["kind"] == "language"
    assert "the text of frown is in 'de', not in 'en'" in problem["message"]


def test_a_licence_that_is_none(check: Check, tmp_path: Path) -> None:
    problem = only(*check(write(tmp_path / "mine", TOY, license="free, sort of")))
    assert problem["kind"] == "license"
    assert "its licence 'free, sort of' is no SPDX expression" in problem["message"]


def test_a_file_that_is_not_the_one_whose_checksum_is_declared(check: Check, tmp_path: Path) -> None:
    file = write(tmp_path / "mine", TOY) / "en" / "toy.toml"
    file.write_text(file.read_text().replace("broad", "narrow"))
    problem = only(*check(tmp_path / "mine"))
    assert problem["kind"] == "unreadable"
    assert "toy.toml is not the file that lexicon.toml declares" in problem["message"]


@pytest.mark.parametrize(
    ("text", "words"), [(" ", "is empty"), ("two\nlines", "has more than one line"), ("**bold**", "contains '*'")]
)
def test_a_text_that_is_empty_or_no_plain_line(check: Check, tmp_path: Path, text: str, words: str) -> None:
    problem = only(*check(write(tmp_path / "mine", {**TOY, "smile": text})))
    assert problem["kind"] == "unreadable"
    assert words in problem["message"]
    assert "toy.toml, line 1" in problem["message"]


def test_a_lexicon_that_answers_differently_each_time(check: Check) -> None:
    module = ModuleType("moody")

    class Moody:
        asked = 0

        def __init__(self, options: Any, runtime: Any) -> None: ...

        def lexicon_for(self, context: LexiconContext) -> Lexicon:
            Moody.asked += 1
            entries = {name: f"{text}, mood {Moody.asked}" for name, text in TOY.items() if name in context.features}
            return Lexicon("moody", "1", "en", "CC0-1.0", entries)

        def features(self, language: str) -> tuple[str, ...]:
            return tuple(TOY)

    @hookimpl
    def lasca_register_lexicons() -> Iterator[LexiconSpec]:
        yield LexiconSpec(name="moody", target="moody:Moody", summary="never the same")

    vars(module).update(Moody=Moody, lasca_register_lexicons=lasca_register_lexicons)
    sys.modules["moody"] = module
    try:
        problem = only(*check("moody", modules=(module,)))
    finally:
        del sys.modules["moody"]
    assert problem["kind"] == "checksum"
    assert "asked twice for the same, it gives two different lexicons" in problem["message"]


def test_several_problems_are_a_line_each(check: Check, tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", {**TOY, "noise": TOY["smile"]}, license="free")
    code, found, err = check(folder, tmp_path / "gone")
    lines = [line for line in err.splitlines() if line.startswith("lasca: ")]
    assert code == 2
    assert [problem["kind"] for problem in found["lexicons"][0]["problems"]] == ["license", "duplicate"]
    assert len(lines) == 3
    assert "gone does not exist; a lexicon is the name of an installed one or a folder" in lines[-1]


# --- the parts --------------------------------------------------------------------------------------------------------


def test_the_longest_sentence_is_counted_with_its_longest_forms_and_what_is_cut_is_told() -> None:
    def count_tokens(texts: Any) -> list[int]:
        return [len(text.split()) + 2 for text in texts]

    lexicon = Lexicon(
        "mine",
        "1",
        "en",
        "CC0-1.0",
        {"a": "one two", "b": "three", "c": "four five"},
        template="See {cues}.",
        forms={"b": {"raised": "three three", "lowered": "three three three"}},
        combinations=(Combination(frozenset({"a", "c"}), "both"),),
    )
    found = budget(lexicon, count_tokens, 7)
    assert found.tokens == 2 + 1 + 2 + 3 + 2  # special tokens, See, and the cues in their longest forms
    assert found.shortened == 2 + 1 + 1 + 2
    assert found.cut == "three; four five."
    assert found.fitting == 1  # the two longest need 5 words beside See
    assert found.too_long == ()
    assert budget(lexicon, count_tokens, 5).too_long == ("b",)
    assert budget(lexicon, count_tokens, 10).cut == ""


def test_words_that_are_cut_from_a_text_without_spaces_are_its_last_characters() -> None:
    lexicon = Lexicon("mine", "1", "zh", "CC0-1.0", {"a": "左眉降低愤怒"}, template="此人{cues}。")
    assert budget(lexicon, lambda texts: [len(text) for text in texts], 5).cut == "降低愤怒。"[-4:]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("browDownLeft", "browDownRight"),
        ("mouthRight", "mouthLeft"),
        ("AU12_L", "AU12_R"),
        ("left_eye_open", "right_eye_open"),
        ("smile", "smile"),
        ("AU01_c", "AU01_c"),
    ],
)
def test_the_mirror_image_of_a_feature_is_found_by_its_name(name: str, other: str) -> None:
    assert sides.mirrored(name) == other


def test_twins_are_pairs_of_known_features_the_left_one_first() -> None:
    names = ("mouthRight", "smile", "mouthLeft", "eyeLeft", "AU1_R", "AU1_L", "AU01_r")
    assert sides.twins(names) == [("mouthLeft", "mouthRight"), ("AU1_L", "AU1_R")]


@pytest.mark.parametrize(
    ("language", "left", "right"),
    [
        ("en", "a lowered left eyebrow", "a lowered right eyebrow"),
        (
            "de",
            "eine gesenkte linke Augenbraue, nach links gezogen",
            "eine gesenkte rechte Augenbraue, nach rechts gezogen",
        ),
        ("fr", "un sourcil gauche abaissé, la joue gauche levée", "un sourcil droit abaissé, la joue droite levée"),
        ("es", "la ceja izquierda bajada", "la ceja derecha bajada"),
        ("el", "το αριστερό φρύδι χαμηλωμένο", "το δεξί φρύδι χαμηλωμένο"),
        ("hu", "a bal szemöldök leengedve, bal oldalon", "a jobb szemöldök leengedve, jobb oldalon"),
        ("sr", "spuštena leva obrva", "spuštena desna obrva"),
        ("sr", "спуштена лева обрва", "спуштена десна обрва"),
        ("zh-Hans", "左眉降低", "右眉降低"),
    ],
)
def test_sides_are_exchanged_in_every_bundled_language(language: str, left: str, right: str) -> None:
    assert sides.contradiction(left, right, language) == ""
    assert sides.contradiction(right, left, language) == "have their sides exchanged"
    assert sides.contradiction(left, f"{right} x", language) == "differ in more than the side"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "a lowered left eyebrow, frowning in anger"),
        ("de", "eine gesenkte linke Augenbraue, Stirnrunzeln in Ärger"),
        ("fr", "un sourcil gauche abaissé, froncé de colère"),
        ("es", "una ceja izquierda bajada, con ira y tensión"),
        ("el", "χαμηλωμένο αριστερό φρύδι, θυμός και ένταση"),
        ("hu", "leengedett bal szemöldök, düh és feszültség"),
        ("sr", "spuštena leva obrva, ljutnja i napetost"),
        ("sr-Cyrl", "спуштена лева обрва, љутња и напетост"),
        ("zh-Hans", "左眉降低，愤怒或紧张"),
    ],
)
def test_every_bundled_language_is_told_from_the_others(language: str, text: str) -> None:
    pytest.importorskip("py3langid")
    assert tongue.can_judge(language)
    assert tongue.foreign({"a": text}, language) == {}
    other = "en" if not language.startswith("en") else "de"
    assert tongue.foreign({"a": text}, other) == {"a": language.partition("-")[0]}


def test_a_language_that_cannot_be_judged_is_not_judged() -> None:
    pytest.importorskip("py3langid")
    assert tongue.can_judge("tlh") is False


def test_the_frame_of_the_sentence_and_the_combinations_are_judged_too() -> None:
    pytest.importorskip("py3langid")
    lexicon = Lexicon(
        "mine",
        "1",
        "en",
        "CC0-1.0",
        TOY,
        empty="An der Person fällt gerade nichts Besonderes auf.",
        combinations=(Combination(frozenset({"smile", "noise"}), "ein breites Lächeln mit Geräusch im Hintergrund"),),
    )
    messages = [fault.message for fault in foreign_texts(lexicon)]
    assert [message.partition(" is in ")[0] for message in messages] == [
        "the text of noise + smile",
        "the text of the sentence where nothing is salient",
    ]


def test_alike_texts_of_left_and_right_are_no_near_duplicates() -> None:
    entries = {"eyeLeft": "a", "eyeRight": "b", "smile": "c"}
    vectors = {"a": [1.0, 0.0], "b": [0.999, 0.01], "c": [0.0, 1.0]}
    lexicon = Lexicon("mine", "1", "en", "CC0-1.0", entries)
    embed: Callable[[Any], torch.Tensor] = lambda texts: torch.tensor([vectors[text] for text in texts])  # noqa: E731
    together = Company((frozenset({"eyeLeft", "eyeRight", "nose", "smile"}),))
    assert list(near_duplicates(lexicon, embed, 0.98, together)) == []
    renamed = Lexicon("mine", "1", "en", "CC0-1.0", {"eyeLeft": "a", "nose": "b", "smile": "c"})
    (fault,) = near_duplicates(renamed, embed, 0.98, together)
    assert fault.message == "eyeLeft and nose say nearly the same (cosine similarity 1.000)"
    assert list(near_duplicates(renamed, embed, 0.98, Company((frozenset({"eyeLeft"}), frozenset({"nose"}))))) == []


def test_small_differences_between_left_and_right_around_0_are_no_contradiction() -> None:
    entries = {"eyeLeft": "l", "eyeRight": "r", "smile": "s", "frown": "f"}
    places = {"l": 0.05, "r": -0.05, "s": 1.0, "f": -1.0, "joy": 1.0, "fun": 1.0, "woe": -1.0, "grief": -1.0}
    embed: Callable[[Any], torch.Tensor] = lambda texts: torch.tensor([[places[text], 0.0] for text in texts])  # noqa: E731
    anchors = {"valence": Anchors(("joy", "fun"), ("woe", "grief"))}
    lexicon = Lexicon("mine", "1", "en", "CC0-1.0", entries, anchors=anchors)
    assert list(opposite_meanings(lexicon, embed)) == []
    places.update(l=0.6, r=-0.6)
    (fault,) = opposite_meanings(lexicon, embed)
    assert fault.message.startswith("eyeLeft speaks for high valence and eyeRight for low")
    silent = replace(lexicon, speaks={"valence": frozenset({"smile", "frown"})})
    assert list(opposite_meanings(silent, embed)) == []
