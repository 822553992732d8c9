"""Format 1, which stays readable: what is well-formed is read, and every fault is one sentence that names its place."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from lasca_lexicons.format import read_lexicon
from lasca_lexicons.options import FolderOptions
from lasca_lexicons.stored import FolderLexicon

from lasca_core.api import LexiconContext, LexiconError
from lasca_core.testing import make_runtime

HEADER = """
format = 1
id = "mine"
version = "2"
license = "CC0-1.0"
citation = ["A", "B"]

[provenance]
author = "me"
date = "2026-11-22"
reviewer = "you"
method = "by hand"

[languages.en]
template = "Seen: {cues}!"
separator = " and "
empty = "Seen: nothing."
varying = "changes of {cue}"

[languages.de]
template = "Zu sehen: {cues}."
separator = " und "
empty = "Nichts zu sehen."
"""
FILES = {
    ("en", "face"): 'smile = "a smile"\nfrown_std = "a frown that comes and goes"\nfrown = "a frown"\n',
    ("en", "voice"): '"F0.mean" = "a bright voice"\n',
    ("de", "face"): 'frown = "ein Stirnrunzeln"\nsmile = "ein Lächeln"\n',
}


def write(folder: Path, header: str = HEADER, files: dict[tuple[str, str], str] = FILES, more: str = "") -> Path:
    """A lexicon in ``folder`` with correct checksums; ``more`` is added to the end of lexicon.toml."""
    for (language, features), text in files.items():
        (folder / language).mkdir(parents=True, exist_ok=True)
        (folder / language / f"{features}.toml").write_bytes(text.encode())
        digest = hashlib.sha256(text.encode()).hexdigest()
        header += f'\n[[entries]]\nlanguage = "{language}"\nfeatures = "{features}"\n'
        header += f'file = "{language}/{features}.toml"\nsha256 = "{digest}"\n'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lexicon.toml").write_text(header + more, encoding="utf-8")
    return folder


def component(folder: Path, cache: Path) -> FolderLexicon:
    return FolderLexicon(FolderOptions(path=folder), make_runtime(cache))


def test_a_folder_is_read_with_its_languages_its_order_and_its_provenance(tmp_path: Path) -> None:
    mine = component(write(tmp_path / "mine"), tmp_path)
    assert mine.languages() == ("en", "de")
    assert mine.features("en") == ("smile", "frown_std", "frown", "F0.mean")
    assert mine.features("de") == ("frown", "smile")
    english = mine.lexicon_for(LexiconContext(("F0.mean", "smile")))
    assert english.sentence(["smile", "F0.mean"]) == "Seen: a smile and a bright voice!"
    assert (english.id, english.version, english.language, english.license) == ("mine", "2", "en", "CC0-1.0")
    assert english.provenance == {
        "author": "me",
        "date": "2026-11-22",
        "reviewer": "you",
        "method": "by hand",
        "citation": "A; B",
    }
    german = mine.lexicon_for(LexiconContext(("smile", "frown"), language="de"))
    assert german.sentence(["frown", "smile"]) == "Zu sehen: ein Stirnrunzeln und ein Lächeln."


def test_an_entry_of_its_own_comes_before_the_derived_description_of_a_spread(tmp_path: Path) -> None:
    mine = component(write(tmp_path / "mine"), tmp_path)
    entries = mine.lexicon_for(LexiconContext(("smile_std", "frown_std", "F0.mean_std"))).entries
    assert dict(entries) == {
        "smile_std": "changes of a smile",
        "frown_std": "a frown that comes and goes",
        "F0.mean_std": "changes of a bright voice",
    }


def test_a_language_without_a_varying_phrase_does_not_cover_spreads(tmp_path: Path) -> None:
    mine = component(write(tmp_path / "mine"), tmp_path)
    with pytest.raises(LexiconError, match=r"'mine' \(de\) has no entry for smile_std"):
        mine.lexicon_for(LexiconContext(("smile", "smile_std"), language="de"))


def test_the_fingerprint_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    first = component(write(tmp_path / "a"), tmp_path).fingerprint()
    assert first == component(write(tmp_path / "b"), tmp_path).fingerprint()
    changed = FILES | {("de", "face"): 'smile = "ein breites Lächeln"\n'}
    assert first != component(write(tmp_path / "c", files=changed), tmp_path).fingerprint()
    assert FolderOptions(path=tmp_path / "a").identity() == FolderOptions(path=tmp_path / "b").identity()


def test_line_ends_of_another_system_change_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    before = component(folder, tmp_path)
    checksum = before.lexicon_for(LexiconContext(("smile",))).checksum
    for file in folder.rglob("*.toml"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    after = component(folder, tmp_path)
    assert after.fingerprint() == before.fingerprint()
    assert after.lexicon_for(LexiconContext(("smile",))).checksum == checksum


def test_the_constructor_reads_nothing(tmp_path: Path) -> None:
    absent = component(tmp_path / "absent", tmp_path)
    with pytest.raises(LexiconError, match=r"absent/lexicon\.toml does not exist; a lexicon is a folder with lexicon"):
        absent.prepare()


def test_the_path_is_required_and_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"path\s+Field required"):
        FolderOptions.model_validate({})
    with pytest.raises(ValueError, match=r"folder\s+Extra inputs are not permitted"):
        FolderOptions.model_validate({"path": "my-lexicon", "folder": "my-lexicon"})
    assert FolderOptions.model_validate({"path": "my-lexicon"}).path == Path("my-lexicon")


HEADER_FAULTS = {
    "a newer format": ("format = 1", "format = 3\nnovelty = true", "format 3 is newer than format 2; update"),
    "a format that never was": ("format = 1", "format = 0", "format 0 does not exist; write format = 2"),
    "no format": ("format = 1\n", "", "format is missing"),
    "no licence": ('license = "CC0-1.0"\n', "", "license is missing"),
    "no reviewer": ('reviewer = "you"\n', "", "provenance.reviewer is missing"),
    "no template": ('template = "Zu sehen: {cues}."\n', "", "languages.de.template is missing"),
    "a number as version": ('version = "2"', "version = 2", "version: input should be a valid string"),
    "a misspelt key": ("separator", "seperator", "languages.en.seperator is not a key"),
    "a key that is not known": ('id = "mine"', 'id = "mine"\nname = "x"', "name is not a key of the format"),
    "a template without cues": ("Seen: {cues}!", "Seen!", "must contain {cues} once, not 0 times"),
    "a template with other places": ("Seen: {cues}!", "{who}: {cues}", r"must contain {cues} and .* not \{who\}"),
    "a varying phrase without a cue": ("changes of {cue}", "changes", r"varying: must contain \{cue\} once"),
    "an empty sentence of two lines": ("Seen: nothing.", r"Seen:\nnothing", "languages.en.empty: must be one line"),
    "a language without entries": ("[languages.de]", '[languages.fr]\ntemplate="{cues}"\nseparator=","\nempty="-"\n'
                                   "[languages.de]", "language 'fr' has no entries; list a file"),
    "a syntax error": ('id = "mine"', 'id = "mine', r"is not valid TOML: .*line 3"),
    "a key of format 2": ('id = "mine"', 'id = "mine"\nbase = "llm"', "base is not a key of format 1; write"),
    "an encoder": ('separator = " and "', 'separator = " and "\nencoder = "a/b"', "languages.en.encoder is not"),
    "a prompt that is not there": ('author = "me"', 'author = "me"\nprompt = "p.md"', r"p\.md does not exist"),
}  # fmt: skip


@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_a_fault_in_the_header_is_named_with_its_file_and_key(tmp_path: Path, fault: str) -> None:
    good, bad, message = HEADER_FAULTS[fault]
    assert good in HEADER
    folder = write(tmp_path / "mine", HEADER.replace(good, bad, 1))
    message = message.replace("{cues}", r"\{cues\}")
    with pytest.raises(LexiconError, match=message) as caught:
        read_lexicon(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


LISTING_FAULTS = {
    "an undeclared language": ('language = "fr"\nfeatures = "f"\nfile = "f.toml"', r"add \[languages\.fr\]"),
    "a feature set listed twice": ('language = "de"\nfeatures = "face"\nfile = "f.toml"', "'face' have two files"),
    "a path that leads out": (
        'language = "en"\nfeatures = "f"\nfile = "../f.toml"',
        r"entries\[4\]\.file: must be",
    ),
    "an absolute path": (
        'language = "en"\nfeatures = "f"\nfile = "/etc/f.toml"',
        r"entries\[4\]\.file: must be",
    ),
    "a file that is not there": ('language = "en"\nfeatures = "f"\nfile = "f.toml"', r"f\.toml does not exist"),
    "a folder as file": ('language = "en"\nfeatures = "f"\nfile = "en"', r"en cannot be read: "),
    "no feature set": ('language = "en"\nfile = "f.toml"', r"entries\[4\]\.features is missing"),
}


@pytest.mark.parametrize("fault", LISTING_FAULTS)
def test_a_fault_in_the_list_of_files_is_named(tmp_path: Path, fault: str) -> None:
    keys, message = LISTING_FAULTS[fault]
    folder = write(tmp_path / "mine", more=f'\n[[entries]]\n{keys}\nsha256 = "{"0" * 64}"\n')
    with pytest.raises(LexiconError, match=message) as caught:
        read_lexicon(folder)
    assert str(folder) in str(caught.value)


def test_a_checksum_that_is_not_one_is_named(tmp_path: Path) -> None:
    more = '\n[[entries]]\nlanguage = "en"\nfeatures = "f"\nfile = "f.toml"\nsha256 = "abc"\n'
    with pytest.raises(LexiconError, match=r"entries\[4\]\.sha256: "):
        read_lexicon(write(tmp_path / "mine", more=more))


ENTRY_FAULTS = {
    "an empty entry": ('a = "x"\nb = " "\n', r"voice\.toml, line 2: the entry of 'b' is empty"),
    "an entry of two lines": ('# c\n\na = "x\\ny"\n', r"voice\.toml, line 3: the entry of 'a' has more than one line"),
    "an entry with HTML": ('a = "a <b>smile</b>"\n', r"voice\.toml, line 1: the entry of 'a' contains '<'"),
    "an entry with Markdown": ('a = "a *smile*"\n', r"voice\.toml, line 1: the entry of 'a' contains '\*'"),
    "an entry with a placeholder": ('a = "a {cues}"\n', r"voice\.toml, line 1: the entry of 'a' contains '{'"),
    "an entry that is a number": ("a = 3\n", r"voice\.toml, line 1: the entry of 'a' is not a text"),
    "a dotted name without quotes": ('F0.max = "x"\n', r"voice\.toml: the entry of 'F0' is not a text; .* in quotes"),
    "a feature twice in a file": ('a = "x"\nb = "y"\n"a" = "z"\n', r"voice\.toml, line 3: 'a' is described twice"),
    "a feature in two files": ('smile = "x"\n', r"voice\.toml: 'smile' is described in en/face\.toml already"),
    "a syntax error": ('a = "x"\nb = \n', r"voice\.toml is not valid TOML: .*line 2"),
}


@pytest.mark.parametrize("fault", ENTRY_FAULTS)
def test_a_fault_in_an_entry_is_named_with_its_file_and_line(tmp_path: Path, fault: str) -> None:
    text, message = ENTRY_FAULTS[fault]
    folder = write(tmp_path / "mine", files=FILES | {("en", "voice"): text})
    with pytest.raises(LexiconError, match=message) as caught:
        read_lexicon(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_changed_file_is_named_together_with_the_checksum_that_would_accept_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    file = folder / "en" / "voice.toml"
    file.write_text('"F0.mean" = "a brighter voice"\n')
    with pytest.raises(LexiconError, match=r"voice\.toml is not the file that lexicon\.toml declares") as caught:
        read_lexicon(folder)
    found = re.search(r'sha256 = "([0-9a-f]{64})"', str(caught.value))
    assert found is not None
    assert found[1] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_changed_prompt_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write(folder, HEADER.replace('author = "me"', f'author = "me"\nprompt = "p.md"\nprompt_sha256 = "{"0" * 64}"'))
    (folder / "p.md").write_text("Describe the features.")
    with pytest.raises(LexiconError, match=r'p\.md is not the file .* write there prompt_sha256 = "'):
        read_lexicon(folder)


def test_a_file_that_is_not_utf8_is_named_with_the_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    (folder / "de" / "face.toml").write_bytes('frown = "x"\nsmile = "ein Lächeln"\n'.encode("latin-1"))
    with pytest.raises(LexiconError, match=r"face\.toml, line 2: not UTF-8; save the file in that encoding"):
        read_lexicon(folder)
