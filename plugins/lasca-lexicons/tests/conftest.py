"""What the tests of lexicons share: a small lexicon to begin with, and plugins that are installed for one test."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lasca_lexicons.format import write_lexicon

HEADER: dict[str, Any] = {
    "format": 2,
    "id": "mine",
    "version": "2",
    "license": "CC0-1.0",
    "provenance": {"author": "me", "date": "2026-11-22", "reviewer": "you"},
    "languages": {"en": {"template": "Seen: {cues}.", "separator": "; ", "empty": "Nothing is seen."}},
    "entries": [{"language": "en", "features": "face", "file": "en/face.toml"}],
}
FACE = {"smile": "a smile", "frown": "a frown", "nod": "a moving head"}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a lexicon: ``write("mine", {"version": "3"}, {"en/face.toml": ...})`` is the small one with these keys of
    ``lexicon.toml`` (None takes one out) and these files."""

    def written(name: str = "mine", header: dict[str, Any] | None = None, files: dict[str, Any] | None = None) -> Path:
        tables = {**copy.deepcopy(HEADER), "id": name, **(header or {})}
        tables = {key: value for key, value in tables.items() if value is not None}
        named = {part["file"] for words in (tables, *tables.get("override", ())) for part in words.get("entries", ())}
        small = {"en/face.toml": FACE} if "en/face.toml" in named else {}
        write_lexicon(tmp_path / name, tables, {**small, **(files or {})})
        return tmp_path / name

    return written


_numbers = itertools.count()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a plugin of one lexicon: the one in ``folder``, or any target."""

    def installed(name: str, folder: Path | None = None, target: str = "", options: str = "") -> None:
        module = f"lexicon_of_a_test_{next(_numbers)}"
        site = tmp_path / f"site-{module}"
        (site / f"{module}-1.0.dist-info").mkdir(parents=True)
        (site / f"{module}-1.0.dist-info" / "METADATA").write_text(f"Name: {module}\nVersion: 1.0\n")
        (site / f"{module}-1.0.dist-info" / "entry_points.txt").write_text(f"[lasca]\n{module} = {module}\n")
        (site / f"{module}.py").write_text(
            f"""
from pathlib import Path
from lasca_core.api import LexiconSpec, hookimpl
from lasca_lexicons.stored import StoredLexicon

class Mine(StoredLexicon):
    def folder(self):
        return Path({str(folder)!r})

@hookimpl
def lasca_register_lexicons():
    yield LexiconSpec(
        name={name!r}, target={target or f"{module}:Mine"!r}, options={options or None!r}, summary="of a test"
    )
"""
        )
        monkeypatch.syspath_prepend(str(site))

    return installed
