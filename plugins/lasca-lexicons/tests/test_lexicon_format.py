"""Format 2: forms, combinations, anchors, evidence and provenance are read, and every fault names its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lasca_lexicons.format import read_lexicon, seal
from lasca_lexicons.options import FolderOptions
from lasca_lexicons.stored import FolderLexicon

from lasca_core.api import Anchors, Combination, Lexicon, LexiconContext, LexiconError
from lasca_core.testing import make_runtime

Write = Callable[..., Path]

ENGLISH = {"template": "Seen: {cues}.", "separator": "; ", "empty": "Nothing is seen.", "varying": "changes of {cue}"}
FORMS = """smile = "a smile"
frown = { text = "a frown", raised = "a deep frown", lowered = "a brow without a frown" }

[nod]
text = "a moving head"
"strongly raised" = "a head thrown back"
"strongly lowered" = "a head on the chest"
provenance = { author = "a neighbour" }
"""
ANCHORS = {"valence": {"high": ["joy", "delight"], "low": ["sadness", "anger"]}}
COMBINED = '[[combination]]\nfeatures = ["frown", "smile"]\ntext = "a bitter smile"\n'


@pytest.fixture
def full(write: Write) -> Path:
    """A lexicon that uses everything the format has."""
    english = {**ENGLISH, "encoder": "hub/encoder", "anchors": "en/anchors.toml", "combinations": "en/combined.toml"}
    voice = {"language": "en", "features": "voice", "file": "en/voice.toml", "speaks": ["arousal"]}
    voice["provenance"] = {"author": "a model", "prompt": "voice.md", "parameters": {"temperature": 0.5}}
    return write(
        header={
            "citation": ["A", "B"],
            "languages": {"en": english},
            "entries": [{"language": "en", "features": "face", "file": "en/face.toml", "speaks": ["valence"]}, voice],
        },
        files={
            "en/face.toml": FORMS,
            "en/voice.toml": {"loud": "a loud voice"},
            "en/anchors.toml": ANCHORS,
            "en/combined.toml": COMBINED,
            "voice.md": "Describe the voice.",
        },
    )


def lexicon(folder: Path, *features: str, language: str = "en") -> Lexicon:
    component = FolderLexicon(FolderOptions(path=folder), make_runtime(folder.parent))
    return component.lexicon_for(LexiconContext(features, language))


def test_forms_are_spoken_by_direction_and_intensity(full: Path) -> None:
    found = lexicon(full, "smile", "frown", "nod")
    assert dict(found.entries) == {"smile": "a smile", "frown": "a frown", "nod": "a moving head"}
    assert found.sentence(["frown", "nod"], [2, 2]) == "Seen: a deep frown; a head thrown back."
    assert found.sentence(["frown", "nod"], [-1, -1]) == "Seen: a brow without a frown; a moving head."
    assert found.describe("nod", -2) == "a head on the chest"


def test_the_forms_are_those_of_the_contract() -> None:
    from lasca_lexicons.schema import Entry

    from lasca_core.contract.lexicon import FORMS as KNOWN

    everything = {form: "x" for forms in KNOWN.values() for form in forms}
    assert Entry.model_validate(everything).forms == everything


def test_a_combination_is_spoken_where_all_its_features_are_asked_for(full: Path) -> None:
    found = lexicon(full, "smile", "frown", "nod")
    assert found.combinations == (Combination(frozenset({"smile", "frown"}), "a bitter smile"),)
    assert found.sentence(["smile", "frown", "nod"]) == "Seen: a bitter smile; a moving head."
    assert lexicon(full, "smile", "nod").combinations == ()


def test_anchors_and_what_the_words_are_evidence_for(full: Path) -> None:
    found = lexicon(full, "smile", "frown", "loud", "loud_std")
    assert found.anchors == {"valence": Anchors(("joy", "delight"), ("sadness", "anger"))}
    assert found.speaks == {"valence": {"smile", "frown"}, "arousal": {"loud", "loud_std"}}
    assert lexicon(full, "smile", "frown").speaks == {"arousal": frozenset()}


def test_words_without_a_statement_are_evidence_for_everything(write: Write) -> None:
    assert lexicon(write(), "smile", "frown").speaks == {}


def test_provenance_names_encoder_sources_and_who_wrote_what_differs(full: Path) -> None:
    common = {"author": "me", "date": "2026-11-22", "reviewer": "you", "citation": "A; B", "encoder": "hub/encoder"}
    assert dict(lexicon(full, "smile").provenance) == common
    assert dict(lexicon(full, "nod").provenance) == {**common, "mine/en/face.toml/nod.author": "a neighbour"}
    voice = {key: said for key, said in lexicon(full, "loud").provenance.items() if key not in common}
    assert voice.pop("mine/en/voice.toml.prompt_sha256")
    assert voice == {
        "mine/en/voice.toml.author": "a model",
        "mine/en/voice.toml.prompt": "voice.md",
        "mine/en/voice.toml.parameters.temperature": "0.5",
    }


def test_equal_contexts_are_answered_with_the_same_object(full: Path) -> None:
    component = FolderLexicon(FolderOptions(path=full), make_runtime(full.parent))
    first = component.lexicon_for(LexiconContext(("smile", "nod"), "en", {"subject": "1"}))
    assert component.lexicon_for(LexiconContext(("smile", "nod"), "en", {"subject": "2"})) is first
    assert component.lexicon_for(LexiconContext(("smile",), "en")) is not first


@pytest.mark.parametrize("tag", ["de-AT", "de_AT", "DE", "de-Latn-AT"])
def test_a_narrower_language_is_answered_by_a_wider_one(write: Write, tag: str) -> None:
    german = {"template": "Man sieht {cues}.", "separator": "; ", "empty": "Man sieht nichts."}
    folder = write(
        header={
            "languages": {"de": german, "pt-BR": {**german, "template": "Vê-se {cues}."}},
            "entries": [
                {"language": "de", "features": "face", "file": "de.toml"},
                {"language": "pt-BR", "features": "face", "file": "pt.toml"},
            ],
        },
        files={"de.toml": {"smile": "ein Lächeln"}, "pt.toml": {"smile": "um sorriso"}},
    )
    assert lexicon(folder, "smile", language=tag).sentence(["smile"]) == "Man sieht ein Lächeln."
    assert lexicon(folder, "smile", language=tag).language == "de"
    assert lexicon(folder, "smile", language="pt-br").language == "pt-BR"
    with pytest.raises(LexiconError, match=r"lexicon 'mine' has no language 'pt'; it has de, pt-BR"):
        lexicon(folder, "smile", language="pt")


# --- faults -----------------------------------------------------------------------------------------------------------


def fails(folder: Path, message: str) -> None:
    """Reading must fail with one line that names the folder."""
    with pytest.raises(LexiconError, match=message) as caught:
        read_lexicon(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


ENTRY_FAULTS = {
    "a form of two lines": (
        'a = "x"\nb = { text = "y", raised = "z\\nz" }',
        r"line 2: the entry of 'b' \(raised\) has",
    ),
    "a text with markup": ('b = { text = "*y*" }', r"line 1: the entry of 'b' \(text\) contains '\*'"),
    "an unknown form": ('b = { text = "y", high = "z" }', r"line 1: the entry of 'b' has 'high', which is no form"),
    "a dotted name": ('a = "x"\nF0.max = "y"', r"face\.toml: the entry of 'F0' has 'max', .* contains a dot in quotes"),
    "no text": ('a = "x"\n\n[b]\nraised = "y"', r"line 3: the entry of 'b' has no text, and there is no base"),
    "nothing": ("b = {}", r"line 1: the entry of 'b' is empty"),
    "a number": ("b = { text = 3 }", r"line 1: the entry of 'b': text: input should be a valid string"),
    "a list": ('b = ["x"]', r"line 1: the entry of 'b' is not a text"),
    "a table twice": ('[b]\ntext = "x"\n[b]\ntext = "y"', r"line 3: 'b' is described twice"),
}


@pytest.mark.parametrize("fault", ENTRY_FAULTS)
def test_a_fault_in_an_entry_is_named_with_its_file_and_line(write: Write, fault: str) -> None:
    text, message = ENTRY_FAULTS[fault]
    fails(write(files={"en/face.toml": text}), message)


ANCHOR_FAULTS = {
    "an end is missing": ('[arousal]\nhigh = ["a", "b"]', r"line 1: the anchors of 'arousal': low is missing"),
    "one phrase": (
        '[arousal]\nhigh = ["a"]\nlow = ["a", "b"]',
        r"line 1: the anchors of 'arousal': high: needs at least two different",
    ),
    "one phrase twice": (
        '\n[arousal]\nlow = ["a", "a"]\nhigh = ["a", "b"]',
        r"line 2: .*: low: needs at least two different",
    ),
    "an empty phrase": ('[arousal]\nlow = ["a", ""]\nhigh = ["a", "b"]', r"line 1: .*: low\[2\]: is empty"),
    "an unknown end": (
        '[arousal]\nhihg = ["a", "b"]\nlow = ["a", "b"]',
        r"line 1: the anchors of 'arousal': hihg is not a key",
    ),
    "no table": ('arousal = "high"', r"line 1: the anchors of 'arousal': input should be a valid dictionary"),
}


@pytest.mark.parametrize("fault", ANCHOR_FAULTS)
def test_a_fault_in_the_anchors_is_named_with_its_file_and_line(write: Write, fault: str) -> None:
    text, message = ANCHOR_FAULTS[fault]
    languages = {"en": {**ENGLISH, "anchors": "anchors.toml"}}
    fails(write(header={"languages": languages}, files={"anchors.toml": text}), rf"anchors\.toml, {message}")


COMBINATION_FAULTS = {
    "an unknown feature": (
        '["smile", "frwon"]\ntext = "x"',
        r"line 5: the combination names 'frwon', which has no entry",
    ),
    "one feature": ('["smile"]\ntext = "x"', r"line 5: the combination: features: needs at least two different"),
    "a feature twice": (
        '["smile", "smile"]\ntext = "x"',
        r"line 5: the combination: features: needs at least two different",
    ),
    "no text": ('["smile", "frown"]', r"line 5: the combination: text is missing"),
    "markup": ('["smile", "frown"]\ntext = "<b>"', r"line 5: the combination: text: contains '<'"),
    "the same once more": (
        '["nod", "smile"]\ntext = "x"',
        r"line 5: the combination of nod and smile is described twice",
    ),
}


@pytest.mark.parametrize("fault", COMBINATION_FAULTS)
def test_a_fault_in_a_combination_is_named_with_its_file_and_line(write: Write, fault: str) -> None:
    text, message = COMBINATION_FAULTS[fault]
    text = f'[[combination]]\nfeatures = ["smile", "nod"]\ntext = "x"\n\n[[combination]]\nfeatures = {text}\n'
    languages = {"en": {**ENGLISH, "combinations": "both.toml"}}
    fails(write(header={"languages": languages}, files={"both.toml": text}), rf"both\.toml, {message}")


def test_a_file_of_combinations_that_holds_something_else_is_named(write: Write) -> None:
    languages = {"en": {**ENGLISH, "combinations": "both.toml"}}
    for text, message in (
        ("combination = 3", "combination: input should be a valid list"),
        ("pair = 3", "pair is not a"),
    ):
        folder = write(text[:4], {"languages": languages}, {"both.toml": text})
        fails(folder, rf"both\.toml: {message}")


HEADER_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown base": (
        {"base": "nonesuch"},
        r"lexicon\.toml: base: there is no lexicon 'nonesuch' to build on; .*llm",
    ),
    "a base without entries": ({"base": "names"}, r"lexicon\.toml: base: lexicon 'names' has no fixed entries"),
    "a base that needs options": ({"base": "folder"}, r"lexicon\.toml: base: lexicon 'folder' needs options"),
    "no entries and no base": ({"languages": {}, "entries": []}, r"lexicon\.toml: there are no entries; list"),
    "entries in a language that cannot be spoken": ({"languages": {}}, r"is in language 'en'; add \[languages\.en\]"),
    "no separator": (
        {"languages": {"en": {"template": "{cues}", "empty": "-"}}},
        r"languages\.en\.separator is missing",
    ),
    "a checksum that is none": (
        {"provenance": {"author": "a", "date": "b", "reviewer": "c", "prompt_sha256": "x"}},
        r"provenance\.prompt_sha256: ",
    ),
    "token statistics without a mean": (
        {"tokens": {"minilm": {"en": {"max": 3}}}},
        r"tokens\.minilm\.en\.mean is missing",
    ),
}


@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_a_fault_in_the_header_is_named_with_its_key(write: Write, fault: str) -> None:
    header, message = HEADER_FAULTS[fault]
    with pytest.raises(LexiconError, match=message) as caught:
        read_lexicon(write(header=header))
    assert "mine/lexicon.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_changed_file_is_named_until_the_folder_is_sealed(full: Path) -> None:
    for name, key in (("face", "sha256"), ("anchors", "anchors_sha256"), ("combined", "combinations_sha256")):
        file = full / "en" / f"{name}.toml"
        file.write_text(file.read_text() + "# changed\n")
        fails(full, rf'{name}\.toml is not the file .* write there {key} = "[0-9a-f]{{64}}"')
        seal(full)
    (full / "voice.md").write_text("Describe the voice, please.")
    fails(full, r'voice\.md is not the file .* write there prompt_sha256 = "')
    seal(full)
    assert read_lexicon(full).id == "mine"


def test_a_checksum_that_is_missing_is_told(write: Write) -> None:
    folder = write()
    header = folder / "lexicon.toml"
    header.write_text(re.sub(r"sha256 = .*", "", header.read_text()))
    fails(folder, r'face\.toml is not the file .* write there sha256 = "[0-9a-f]{64}"')
