"""The format of a lexicon on disk: a folder with `lexicon.toml` and files of entries, read and verified as a whole."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from lasca_core.api import Lexicon, LexiconError

FORMAT = 1
"""The newest format that this module reads."""

SPREAD = "_std"
"""Ending of the features that tell how much another feature varies within the window."""

_HEADER = "lexicon.toml"
_MARKUP = re.compile(r"[<>{}\[\]*_`#|\\]")
_KEY = re.compile(r"""^[ \t]*(["']?)(?P<name>[^"'=\s]+)\1[ \t]*=""", re.MULTILINE)


# --- what lexicon.toml says -------------------------------------------------------------------------------------------


def _single_line(text: str) -> str:
    if not text.strip() or len(text.splitlines()) > 1:
        raise ValueError("must be one line of text")
    return text


def _relative(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in path:
        raise ValueError("must be a path inside the lexicon's folder, with forward slashes")
    return path


def _has_cue(template: str) -> str:
    if template.count("{cue}") != 1 or re.search(r"[{}]", template.replace("{cue}", "")):
        raise ValueError("must contain {cue} once and no other braces")
    return _single_line(template)


_Line = Annotated[str, AfterValidator(_single_line)]
_File = Annotated[str, AfterValidator(_relative)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Provenance(_Table):
    model_config = ConfigDict(extra="allow")  # whatever else the author wants known

    author: _Line
    date: _Line
    reviewer: _Line
    prompt: _File | None = None
    prompt_sha256: _Digest | None = None


class _Language(_Table):
    template: _Line
    separator: str
    empty: _Line
    varying: Annotated[str, AfterValidator(_has_cue)] | None = None


class _Entries(_Table):
    language: _Line
    features: _Line
    file: _File
    sha256: _Digest


class _Header(_Table):
    format: int
    id: _Line
    version: _Line
    license: _Line
    citation: list[_Line] = []
    provenance: _Provenance
    languages: dict[str, _Language] = Field(min_length=1)
    entries: list[_Entries] = Field(min_length=1)


# --- what it means ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LexiconFolder:
    """A verified lexicon: for each language all its entries, and how to speak of a feature's variation."""

    id: str
    languages: Mapping[str, Lexicon]
    varying: Mapping[str, str]
    """Language -> the phrase around ``{cue}`` that makes the description of ``f_std`` out of that of ``f``."""
    fingerprint: str
    """sha256 (hex) of ``lexicon.toml``, which names the verified checksums of all other files."""

    def complete(self, language: str) -> Lexicon:
        """All entries of ``language``. Raises ``LexiconError`` naming the languages there are."""
        if language not in self.languages:
            known = ", ".join(self.languages)
            raise LexiconError(f"lexicon {self.id!r} has no language {language!r}; it has {known} (lexicon.language)")
        return self.languages[language]

    def select(self, features: Sequence[str], language: str) -> Lexicon:
        """The entries for ``features``, in the lexicon's order.

        A feature ``f_std`` without an entry of its own is described by the language's ``varying`` phrase around the
        entry of ``f``, and follows it. Raises ``LexiconError`` if the language or a feature is not covered.
        """
        complete, varying = self.complete(language), self.varying.get(language)
        wanted = set(features)
        entries: dict[str, str] = {}
        for name, description in complete.entries.items():
            if name in wanted:
                entries[name] = description
            spread = name + SPREAD
            if varying and spread in wanted and spread not in complete.entries:
                entries[spread] = varying.replace("{cue}", description)
        chosen = replace(complete, entries=entries)
        chosen.require(features)
        return chosen


def read_lexicon(folder: Traversable) -> LexiconFolder:
    """Read and verify the lexicon in ``folder``: a path, or a resource of a package.

    Raises ``LexiconError`` naming the file at fault (and line or key, where it has one): a file that is absent, not
    UTF-8 or not TOML; a newer format; a missing, misspelt or malformed key; an entry that is empty, has more than one
    line or holds markup; a feature described twice; a file whose checksum is not the declared one.
    """
    file = folder / _HEADER
    raw = _read(file)
    header = _parse_header(file, raw)
    languages = {language: _read_language(folder, header, language) for language in header.languages}
    if header.provenance.prompt is not None:
        prompt = folder.joinpath(*PurePosixPath(header.provenance.prompt).parts)
        _verify(prompt, _read(prompt), header.provenance.prompt_sha256, "prompt_sha256")
    varying = {name: language.varying for name, language in header.languages.items() if language.varying}
    return LexiconFolder(header.id, languages, varying, _digest(raw))


def _parse_header(file: Traversable, raw: bytes) -> _Header:
    tables = _parse(file, raw)
    declared = tables.get("format")
    if isinstance(declared, int) and declared > FORMAT:  # before all else: a newer format may have any keys
        raise LexiconError(f"{file}: format {declared} is newer than format {FORMAT}; update lasca-lexicons to read it")
    try:
        header = _Header.model_validate(tables)
    except ValidationError as error:
        raise LexiconError(f"{file}: {_explain(error)}") from None
    if header.format != FORMAT:
        raise LexiconError(f"{file}: format {header.format} does not exist; write format = {FORMAT}")
    seen: set[tuple[str, str]] = set()
    for part in header.entries:
        if part.language not in header.languages:
            raise LexiconError(f"{file}: {part.file} is in language {part.language!r}; add [languages.{part.language}]")
        if (part.language, part.features) in seen:
            raise LexiconError(f"{file}: the features {part.features!r} have two files of language {part.language!r}")
        seen.add((part.language, part.features))
    return header


def _read_language(folder: Traversable, header: _Header, language: str) -> Lexicon:
    """All entries of one language, in the order in which ``lexicon.toml`` lists their files."""
    place = folder / _HEADER
    entries: dict[str, str] = {}
    origin: dict[str, str] = {}
    for part in header.entries:
        if part.language != language:
            continue
        file = folder.joinpath(*PurePosixPath(part.file).parts)
        for name, description in _read_entries(file, part.sha256).items():
            if name in entries:
                raise LexiconError(f"{file}: {name!r} is described in {origin[name]} already; remove one of the two")
            entries[name], origin[name] = description, part.file
    if not entries:
        raise LexiconError(f"{place}: language {language!r} has no entries; list a file of them under [[entries]]")
    settings = header.languages[language]
    try:
        return Lexicon(
            id=header.id,
            version=header.version,
            language=language,
            license=header.license,
            entries=entries,
            template=settings.template,
            separator=settings.separator,
            empty=settings.empty,
            provenance=_provenance(header),
        )
    except LexiconError as error:  # the template is judged there
        raise LexiconError(f"{place}: {error}") from None


def _provenance(header: _Header) -> dict[str, str]:
    said = {key: str(value) for key, value in header.provenance.model_dump(exclude_none=True).items()}
    return said | ({"citation": "; ".join(header.citation)} if header.citation else {})


def _read_entries(file: Traversable, declared: str) -> dict[str, str]:
    """The entries of one file. Its content is judged before its checksum, so that whoever edits it mends it once."""
    raw = _read(file)
    where: dict[str, int] = {}
    for name, line in _key_lines(raw.decode("utf-8", errors="replace")):
        if name in where:
            raise LexiconError(f"{file}, line {line}: {name!r} is described twice; remove one of the two")
        where[name] = line
    entries = _parse(file, raw)
    for name, description in entries.items():
        at = f"{file}, line {where[name]}" if name in where else f"{file}"
        if problem := _problem(description):
            raise LexiconError(f"{at}: the entry of {name!r} {problem}")
    _verify(file, raw, declared, "sha256")
    return entries


def _problem(description: object) -> str | None:
    if not isinstance(description, str):
        return 'is not a text; write name = "description", with a name that contains a dot in quotes'
    if not description.strip():
        return "is empty; describe the feature or remove the line"
    if len(description.splitlines()) > 1:
        return "has more than one line; write it in one"
    if found := _MARKUP.search(description):
        return f"contains {found.group()!r}; write plain words, without markup"
    return None


# --- files ------------------------------------------------------------------------------------------------------------


def _read(file: Traversable) -> bytes:
    """The bytes of ``file`` with line ends as ``\\n``, so that a checkout on Windows has the same checksum."""
    try:
        return file.read_bytes().replace(b"\r\n", b"\n")
    except FileNotFoundError:
        raise LexiconError(
            f"{file} does not exist; a lexicon is a folder with {_HEADER} and the files it names"
        ) from None
    except OSError as error:
        raise LexiconError(f"{file} cannot be read: {error.strerror}") from None


def _parse(file: Traversable, raw: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise LexiconError(f"{file}, line {line}: not UTF-8; save the file in that encoding") from None
    except tomllib.TOMLDecodeError as error:
        raise LexiconError(f"{file} is not valid TOML: {error}") from None


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _verify(file: Traversable, raw: bytes, declared: str | None, key: str) -> None:
    actual = _digest(raw)
    if actual != declared:
        raise LexiconError(
            f"{file} is not the file that {_HEADER} declares; if you changed it on purpose, write there "
            f'{key} = "{actual}"'
        )


def _key_lines(text: str) -> list[tuple[str, int]]:
    """The top-level keys of a file of entries with their line numbers, in order, repetitions included."""
    return [(found["name"], text.count("\n", 0, found.start("name")) + 1) for found in _KEY.finditer(text)]


def _explain(error: ValidationError) -> str:
    """The first finding of pydantic in words."""
    first = error.errors()[0]
    key = _dotted(first["loc"])
    if first["type"] == "missing":
        return f"{key} is missing"
    if first["type"] == "extra_forbidden":
        return f"{key} is not a key of the format; remove it or correct its spelling"
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: {message[:1].lower()}{message[1:]}"


def _dotted(path: Iterable[str | int]) -> str:
    """``("entries", 0, "file")`` -> ``entries[1].file``: people count from one."""
    dotted = ""
    for part in path:
        dotted += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return dotted.removeprefix(".")
