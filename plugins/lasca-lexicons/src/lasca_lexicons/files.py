"""The files of a lexicon as bytes and TOML: read whole, verified by checksum, every fault named with its place."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lasca_core.api import LexiconError

HEADER = "lexicon.toml"
"""The file that makes a folder a lexicon, and names its other files."""

_MARKUP = re.compile(r"[<>{}\[\]*_`#|\\]")
_KEY = re.compile(r"""[ \t]*(["']?)(?P<name>[^"'=\s]+)\1[ \t]*=""")
_TABLE = re.compile(r"""[ \t]*\[\[?[ \t]*(["']?)(?P<name>[^"'\]]+?)\1[ \t]*\]""")

ModelT = TypeVar("ModelT", bound=BaseModel)


def inside(folder: Traversable, path: str) -> Traversable:
    """The file that ``lexicon.toml`` calls ``path``, with forward slashes."""
    return folder.joinpath(*PurePosixPath(path).parts)


def read(file: Traversable) -> bytes:
    """The bytes of ``file`` with line ends as ``\\n``, so that a checkout on Windows has the same checksum."""
    try:
        return file.read_bytes().replace(b"\r\n", b"\n")
    except FileNotFoundError:
        raise LexiconError(
            f"{file} does not exist; a lexicon is a folder with {HEADER} and the files it names"
        ) from None
    except OSError as error:
        raise LexiconError(f"{file} cannot be read: {error.strerror}") from None


def parse(file: Traversable, raw: bytes) -> dict[str, Any]:
    """The tables of a TOML file. Raises ``LexiconError`` naming the line at fault."""
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise LexiconError(f"{file}, line {line}: not UTF-8; save the file in that encoding") from None
    except tomllib.TOMLDecodeError as error:
        raise LexiconError(f"{file} is not valid TOML: {error}") from None


def validate(model: type[ModelT], tables: object, place: str) -> ModelT:
    """``tables`` as the model understands them. Raises ``LexiconError`` at ``place`` with the first finding."""
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        raise LexiconError(f"{place}: {_explain(error)}") from None


def digest(raw: bytes) -> str:
    """sha256 (hex)."""
    return hashlib.sha256(raw).hexdigest()


def verify(file: Traversable, raw: bytes, declared: str | None, key: str) -> None:
    """Raise ``LexiconError`` if the content is not the declared one; the message tells the checksum that would be."""
    actual = digest(raw)
    if actual != declared:
        raise LexiconError(
            f"{file} is not the file that {HEADER} declares; if you changed it on purpose, run lasca lexicon seal, or "
            f'write there {key} = "{actual}"'
        )


def lines_of(raw: bytes) -> Iterator[tuple[str, int]]:
    """The top-level keys and tables of a TOML file with their line numbers, in order, repetitions included."""
    in_table = False
    for number, line in enumerate(raw.decode("utf-8", errors="replace").split("\n"), start=1):
        if found := _TABLE.match(line):
            in_table = True
            yield found["name"], number
        elif not in_table and (found := _KEY.match(line)):
            yield found["name"], number


def fault_of(text: str) -> str | None:
    """What is wrong with a text that will be spoken in a sentence, or nothing."""
    if not text.strip():
        return "is empty; describe it or remove the line"
    if len(text.splitlines()) > 1:
        return "has more than one line; write it in one"
    if found := _MARKUP.search(text):
        return f"contains {found.group()!r}; write plain words, without markup"
    return None


def _explain(error: ValidationError) -> str:
    """The first finding of pydantic in words; a misspelt key rather than the one that is missing for it."""
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    key = dotted(first["loc"])
    if first["type"] == "missing":
        return f"{key} is missing"
    if first["type"] == "extra_forbidden":
        return f"{key} is not a key of the format; remove it or correct its spelling"
    message = first["msg"].removeprefix("Value error, ")
    message = f"{message[:1].lower()}{message[1:]}"
    return f"{key}: {message}" if key else message


def dotted(path: Iterable[str | int]) -> str:
    """``("entries", 0, "file")`` -> ``entries[1].file``: people count from one."""
    joined = ""
    for part in path:
        joined += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return joined.removeprefix(".")
