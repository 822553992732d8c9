"""The reference of a run's folder: every key and column of a real, tiny run, with the meanings in ``meanings.toml``.

What the run writes and the file does not describe is an error, and so is what it describes and no run writes.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lasca_docs.markup import Undocumented, code, fence, intro, page, table

MEANINGS = Path(__file__).with_name("meanings.toml")


def pages() -> Iterator[tuple[str, str]]:
    """(address, Markdown) of the page of a run's folder."""
    sections = []
    for file, rows in described().items():
        kind = "tensor" if file.endswith(".safetensors") else "column" if file.endswith(".parquet") else "key"
        cells = [(code(name), type_name, meaning) for name, type_name, meaning in rows]
        sections.append(f"## {code(file)}\n\n{_meanings()['files'][file]}\n\n{table((kind, 'type', 'meaning'), cells)}")
    files = "\n".join(_meanings()["files"])
    yield "reference/run-folder.md", page("A run's folder", intro("run-folder"), fence(files, "text"), *sections)


@cache
def _meanings() -> dict[str, dict[str, str]]:
    """``files`` says what each file of a run's folder is for; a table for each says what is in it."""
    with MEANINGS.open("rb") as file:
        return tomllib.load(file)


@cache
def described() -> dict[str, list[tuple[str, str, str]]]:
    """File -> (name, type, meaning) of everything in it. Raises ``Undocumented`` naming what lacks a meaning."""
    return {file: rows_of(file, found, _meanings()[file]) for file, found in written().items()}


def rows_of(file: str, found: Mapping[str, str], meanings: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """``found`` (name -> type) with their meanings; names that end in ``?`` in ``meanings`` may be absent."""
    known = {name.removesuffix("?"): text for name, text in meanings.items()}
    if missing := [name for name in found if name not in known]:
        raise Undocumented(f"{file} of a run has {', '.join(missing)}, which {MEANINGS.name} does not describe")
    if stale := [name for name in meanings if not name.endswith("?") and name not in found]:
        raise Undocumented(f"{MEANINGS.name} describes {', '.join(stale)} of {file}, which no run writes")
    return [(name, found.get(name, "text"), text) for name, text in known.items()]


# --- what a run writes ------------------------------------------------------------------------------------------------


def written() -> dict[str, dict[str, str]]:
    """File of a run's folder -> name -> type of everything in it, names grouped as the meanings group them."""
    from lasca_docs.tiny import tiny_run

    with TemporaryDirectory(prefix="lasca-docs-") as name:
        folder = tiny_run(Path(name))
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        known = list(_meanings()["files"])
        if odd := sorted(files.symmetric_difference(known)):
            raise Undocumented(f"of {', '.join(odd)} either a run writes it or {MEANINGS.name} describes it, not both")
        return {
            file: _types(folder / file, frozenset(n.removesuffix("?") for n in _meanings()[file])) for file in known
        }


def _types(path: Path, known: frozenset[str]) -> dict[str, str]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return {field.name: _column_type(str(field.type)) for field in pq.read_schema(path)}
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        tensors = load_file(path)
        targets = {name.partition("/")[0] for name in tensors} - {"statistics"}
        shapes = {}
        for name, tensor in tensors.items():
            owner, _, rest = name.partition("/")
            place = rest.partition("/")[0] + ("/*" if "/" in rest else "") if owner in targets else "*"
            kept = f"{'*' if owner in targets else owner}/{place}"
            shapes[kept] = "its learner's" if "/*" in place else str(tensor.dtype).removeprefix("torch.")
        return shapes
    found: dict[str, str] = {}
    for name, kind in leaves(json.loads(path.read_text(encoding="utf-8")), "", known):
        if found.get(name, "") in ("", "none"):
            found[name] = kind
    return found


def leaves(value: Any, path: str, known: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(name, type) of all values below ``path`` that ``known`` does not take as a whole; keys that it does not name
    stand under ``*`` where it has one."""
    below = [name for name in known if not path or name.startswith((f"{path}.", f"{path}[]"))]
    if below and isinstance(value, dict):
        for key, inner in value.items():
            literal, any_key = (f"{path}.{part}" if path else part for part in (key, "*"))
            wild = not _speaks_of(known, literal) and _speaks_of(known, any_key)
            yield from leaves(inner, any_key if wild else literal, known)
    elif below and isinstance(value, list):
        for item in value:
            yield from leaves(item, f"{path}[]", known)
    elif not below or value is not None:
        yield path, _json_type(value)


def _speaks_of(known: frozenset[str], path: str) -> bool:
    return any(name == path or name.startswith((f"{path}.", f"{path}[]")) for name in known)


def _json_type(value: Any) -> str:
    if isinstance(value, list):
        return f"list of {_json_type(value[0])}s" if value else "list"
    names = {bool: "true or false", int: "whole number", float: "number", str: "text", dict: "table"}
    return names.get(type(value), "none")


def _column_type(name: str) -> str:
    return "string" if name.startswith("dictionary") else name
