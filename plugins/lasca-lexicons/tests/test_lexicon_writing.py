"""Writing lexicons: whole or not at all, equal bytes for equal content, and checksums that leave the rest as it was."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lasca_lexicons.format import Tokens, read_lexicon, seal, write_lexicon, write_tokens

from lasca_core.api import LexiconError

Write = Callable[..., Path]
CAREFUL = """# My lexicon.
format   = 2        # the newest
version  = '1'
id       = "mine"
license  = "CC0-1.0"

[provenance]
author = "me"
date = "2026-11-22"
reviewer = "you"   # thank you
prompt = "prompt.md"

[languages.en]
template = "Seen: {cues}."
separator = "; "
empty = "Nothing."
anchors = "anchors.toml"

[[entries]]
language = "en"   # Queen's English
features = "face"
file = "face.toml"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

# sessions in Germany
[[override]]
when = { culture = "DE" }
[[override.entries]]
language = "en"
features = "face"
file = "german.toml"
provenance = { author = "a model", prompt = "prompt.md" }
"""
FILES = {
    "prompt.md": "Describe.",
    "face.toml": 'smile = "a smile"\n',
    "german.toml": 'smile = "a smile, not for strangers"\n',
    "anchors.toml": '[valence]\nhigh = ["joy", "bliss"]\nlow = ["grief", "woe"]\n',
}


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything in a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture
def careful(tmp_path: Path) -> Path:
    """A lexicon written by hand, with comments, and without checksums."""
    (tmp_path / "mine").mkdir()
    for name, text in {**FILES, "lexicon.toml": CAREFUL}.items():
        (tmp_path / "mine" / name).write_text(text)
    return tmp_path / "mine"


def test_sealing_writes_every_checksum_and_leaves_the_rest_as_it_was(careful: Path) -> None:
    os.chmod(careful / "lexicon.toml", 0o640)
    seal(careful)
    text = (careful / "lexicon.toml").read_text()
    assert read_lexicon(careful).languages == ("en",)
    expected = {name: hashlib.sha256(content.encode()).hexdigest() for name, content in FILES.items()}
    found = tomllib.loads(text)
    assert found["entries"][0]["sha256"] == expected["face.toml"]
    assert found["override"][0]["entries"][0]["sha256"] == expected["german.toml"]
    assert found["override"][0]["entries"][0]["provenance"]["prompt_sha256"] == expected["prompt.md"]
    assert found["provenance"]["prompt_sha256"] == expected["prompt.md"]
    assert found["languages"]["en"]["anchors_sha256"] == expected["anchors.toml"]
    kept = [line for line in text.splitlines() if "sha256" not in line and line]
    assert kept == [
        line for line in CAREFUL.splitlines() if "sha256" not in line and 'prompt.md" }' not in line and line
    ]
    assert (careful / "lexicon.toml").stat().st_mode & 0o777 == 0o640
    assert sorted(files_of(careful)) == sorted([*FILES, "lexicon.toml"])


def test_sealing_twice_changes_nothing(careful: Path) -> None:
    seal(careful)
    once = (careful / "lexicon.toml").read_bytes(), (careful / "lexicon.toml").stat().st_ino
    seal(careful)
    assert ((careful / "lexicon.toml").read_bytes(), (careful / "lexicon.toml").stat().st_ino) == once


def test_what_cannot_be_sealed_is_named_and_left_alone(careful: Path) -> None:
    header = careful / "lexicon.toml"
    before = header.read_bytes()
    (careful / "german.toml").unlink()
    with pytest.raises(LexiconError, match=r"german\.toml does not exist"):
        seal(careful)
    assert header.read_bytes() == before
    header.write_text(CAREFUL.replace("license", "licence"))
    with pytest.raises(LexiconError, match=r"lexicon\.toml: licence is not a key of the format"):
        seal(careful)


def test_token_statistics_are_written_and_go_when_the_words_change(careful: Path) -> None:
    seal(careful)
    counted = Tokens(max=21, mean=14.5, checksum="abc")
    write_tokens(careful, "all-MiniLM-L6-v2", "en", counted)
    write_tokens(careful, "hub/other", "en", counted)
    write_tokens(careful, "hub/other", "en", Tokens(max=30, mean=20.0, checksum="def"))
    (layer,) = read_lexicon(careful).layers
    assert layer.tokens["all-MiniLM-L6-v2"]["en"] == counted
    assert layer.tokens["hub/other"]["en"].max == 30
    seal(careful)
    assert read_lexicon(careful).layers[0].tokens["hub/other"]["en"].max == 30
    (careful / "face.toml").write_text('smile = "a broad smile"\n')
    seal(careful)
    assert not any(read_lexicon(careful).layers[0].tokens.values())
    assert "# Queen's English" in (careful / "lexicon.toml").read_text()


HEADER: dict[str, Any] = {
    "format": 2,
    "id": "new",
    "version": "1",
    "license": "CC0-1.0",
    "provenance": {"author": "m", "date": "2026-11-22", "reviewer": "none yet", "parameters": {"temperature": 0}},
    "languages": {"hu": {"template": "Látható: {cues}.", "separator": "; ", "empty": "Semmi."}},
    "entries": [{"language": "hu", "features": "face", "file": "hu/face.toml"}],
    "override": [{"when": {"culture": ["HU", "RO"]}, "languages": {"hu": {"template": "Itt látható: {cues}."}}}],
}
ENTRIES: dict[str, Any] = {
    "hu/face.toml": {"smile": "egy mosoly", "F0.max": {"text": "a hang", "strongly raised": 'éles "hang"'}}
}


def test_a_written_lexicon_is_read_as_it_was_meant(tmp_path: Path) -> None:
    write_lexicon(tmp_path / "new", HEADER, ENTRIES)
    words = read_lexicon(tmp_path / "new").words("hu")
    assert words.entries == {"smile": "egy mosoly", "F0.max": "a hang"}
    assert words.forms == {"F0.max": {"strongly raised": 'éles "hang"'}}
    assert read_lexicon(tmp_path / "new").layers[0].provenance["parameters.temperature"] == "0"
    text = (tmp_path / "new" / "hu" / "face.toml").read_text()
    assert text.splitlines()[0] == 'smile = "egy mosoly"'
    assert 'when = {culture = ["HU", "RO"]}' in (tmp_path / "new" / "lexicon.toml").read_text()


def test_where_an_entry_comes_from_is_written_beside_it(tmp_path: Path) -> None:
    said = {"text": "egy mosoly", "provenance": {"author": "én", "parameters": {"seed": 3}}}
    write_lexicon(tmp_path / "new", HEADER, {"hu/face.toml": {"smile": said}})
    assert read_lexicon(tmp_path / "new").words("hu").origin["smile"] == {
        "new/hu/face.toml/smile.author": "én",
        "new/hu/face.toml/smile.parameters.seed": "3",
    }


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    write_lexicon(tmp_path / "a", HEADER, ENTRIES)
    write_lexicon(tmp_path / "b", HEADER, ENTRIES)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_a_lexicon_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(LexiconError, match="new exists already, and a lexicon is never overwritten; choose another"):
        write_lexicon(tmp_path / "new", HEADER, ENTRIES)
    assert files_of(tmp_path) == {}


def test_a_faulty_lexicon_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match=r"new/lexicon\.toml: id is missing"):
        write_lexicon(tmp_path / "new", {key: said for key, said in HEADER.items() if key != "id"}, ENTRIES)
    with pytest.raises(LexiconError, match=r"/new/hu/face\.toml does not exist"):
        write_lexicon(tmp_path / "new", HEADER, {})
    assert list(tmp_path.iterdir()) == []
