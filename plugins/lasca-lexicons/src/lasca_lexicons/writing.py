"""Writing lexicons: a whole folder at once, and the checksums and token statistics in `lexicon.toml`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import tomlkit

from lasca_core.api import LexiconError
from lasca_lexicons.files import HEADER, digest, inside, parse, read, validate
from lasca_lexicons.schema import Header, Tokens

_SEALED = {
    "file": "sha256",
    "prompt": "prompt_sha256",
    "anchors": "anchors_sha256",
    "combinations": "combinations_sha256",
}
"""Key that names a file -> key of its checksum."""


def write_lexicon(folder: Path, header: Mapping[str, Any], files: Mapping[str, str | Mapping[str, Any]]) -> None:
    """Write a new lexicon with its checksums: ``header`` is what ``lexicon.toml`` says, without them; ``files`` maps
    the paths that it names to what they hold, as tables or as text.

    The folder appears as a whole or not at all, and equal content gives equal bytes. Raises ``LexiconError`` if the
    folder exists (a lexicon is never overwritten), or if ``header`` is faulty or names a file that is not given; what
    the files say is judged when they are read.
    """
    if folder.exists():
        raise LexiconError(f"{folder} exists already, and a lexicon is never overwritten; choose another folder")
    declared = validate(Header, dict(header), f"{folder / HEADER}")
    tables = dict(header)
    if declared.override:
        tables["override"] = [{**rule, "when": _inline(rule["when"])} for rule in header["override"]]
    of_entries = {part.file for words in (declared, *declared.override) for part in words.entries}
    new = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    try:
        for path, said in {HEADER: tables, **files}.items():
            file = new.joinpath(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            if path in of_entries and not isinstance(said, str):
                said = {name: _inline(value) for name, value in said.items()}
            file.write_bytes((said if isinstance(said, str) else tomlkit.dumps(said)).encode("utf-8"))
        seal(new)
        new.replace(folder)
    except LexiconError as error:
        raise LexiconError(str(error).replace(str(new), str(folder))) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def seal(folder: Path) -> None:
    """Write into ``lexicon.toml`` the checksum of every file that it names, where it is missing or another one.

    Comments, order and spacing stay; the file is replaced as a whole or not at all. Token statistics of a language
    whose words have changed are taken out, since they are no longer true. Raises ``LexiconError`` if ``lexicon.toml``
    is faulty or a file is absent; what the files say is judged when they are read.
    """
    raw, document = _open(folder)
    changed = set()
    for language, table in _tables(document):
        for key, checksum in _SEALED.items():
            if key in table and table.get(checksum) != (actual := digest(read(inside(folder, table[key])))):
                table[checksum] = actual
                changed.add(language)
    for counted in document.get("tokens", {}).values():
        for language in changed & counted.keys():
            del counted[language]
    _save(folder, raw, document)


def write_tokens(folder: Path, encoder: str, language: str, tokens: Tokens) -> None:
    """Write into ``lexicon.toml`` how long the entries of a language are for an encoder."""
    raw, document = _open(folder)
    by_language = document.setdefault("tokens", tomlkit.table(is_super_table=True)).setdefault(
        encoder, tomlkit.table(is_super_table=True)
    )
    by_language[language] = tokens.model_dump()
    _save(folder, raw, document)


def _open(folder: Path) -> tuple[bytes, MutableMapping[str, Any]]:
    file = folder / HEADER
    raw = read(file)
    validate(Header, parse(file, raw), str(file))
    return raw, tomlkit.parse(raw.decode("utf-8"))


def _save(folder: Path, before: bytes, document: MutableMapping[str, Any]) -> None:
    """Replace ``lexicon.toml`` if it has changed: whoever reads meanwhile sees the old or the new one."""
    raw = tomlkit.dumps(document).encode("utf-8")
    if raw == before:
        return
    file = folder / HEADER
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        new.write_bytes(raw)
        shutil.copymode(file, new)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def _tables(document: MutableMapping[str, Any]) -> Iterator[tuple[str | None, MutableMapping[str, Any]]]:
    """The tables that may name files, each with the language whose words they are."""
    yield None, document["provenance"]
    for words in (document, *document.get("override", ())):
        yield from words.get("languages", {}).items()
        for part in words.get("entries", ()):
            yield part["language"], part
            yield None, part.get("provenance", {})


def _inline(value: Any) -> Any:
    """A table in one line, and those in it; anything else as it is."""
    if not isinstance(value, Mapping):
        return value
    table = tomlkit.inline_table()
    table.update({key: _inline(inner) for key, inner in value.items()})
    return table
