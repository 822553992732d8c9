"""The files that `lexicon.toml` names: entries, anchors and combinations, each fault named with its line.

What a file says is judged before its checksum, so that whoever edits it mends it once.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from importlib.resources.abc import Traversable

from lasca_core.api import Anchors, Combination, LexiconError
from lasca_lexicons.files import fault_of, lines_of, parse, read, validate, verify
from lasca_lexicons.schema import CombinationsFile, CombinationText, Ends, Entry


def read_entries(
    file: Traversable, declared: str | None, described: AbstractSet[str], *, tables: bool
) -> dict[str, Entry]:
    """Feature -> what is said of it, in the file's order.

    ``described`` are the features that have a text already, so that their forms may be given alone; ``tables`` says
    whether an entry may have forms at all.
    """
    raw = read(file)
    where: dict[str, int] = {}
    for name, line in lines_of(raw):
        if name in where:
            raise LexiconError(f"{file}, line {line}: {name!r} is described twice; remove one of the two")
        where[name] = line
    found = {}
    for name, said in parse(file, raw).items():
        place = f"{file}, line {where[name]}" if name in where else f"{file}"
        found[name] = _entry(said, f"{place}: the entry of {name!r}", tables=tables)
        if found[name].text is None and name not in described:
            raise LexiconError(f"{place}: the entry of {name!r} has no text, and there is no base that has one")
    verify(file, raw, declared, "sha256")
    return found


def _entry(said: object, owner: str, *, tables: bool) -> Entry:
    if isinstance(said, str):
        if fault := fault_of(said):
            raise LexiconError(f"{owner} {fault}")
        return Entry(text=said)
    if not (tables and isinstance(said, dict)):
        raise LexiconError(
            f'{owner} is not a text; write name = "description", with a name that contains a dot in quotes'
        )
    if unknown := said.keys() - {info.alias or key for key, info in Entry.model_fields.items()}:
        raise LexiconError(
            f"{owner} has {min(unknown)!r}, which is no form of a description; put a name that contains a dot in quotes"
        )
    if not said:
        raise LexiconError(f"{owner} is empty; describe it or remove the line")
    for form, text in said.items():
        if isinstance(text, str) and (fault := fault_of(text)):
            raise LexiconError(f"{owner} ({form}) {fault}")
    return validate(Entry, said, owner)


def read_anchors(file: Traversable, declared: str | None) -> dict[str, Anchors]:
    """Affect dimension -> the phrases for its two ends."""
    raw = read(file)
    where = dict(lines_of(raw))
    found = {}
    for target, said in parse(file, raw).items():
        place = f"{file}, line {where[target]}" if target in where else f"{file}"
        ends = validate(Ends, said, f"{place}: the anchors of {target!r}")
        found[target] = Anchors(tuple(ends.high), tuple(ends.low))
    verify(file, raw, declared, "anchors_sha256")
    return found


def read_combinations(file: Traversable, declared: str | None, described: AbstractSet[str]) -> tuple[Combination, ...]:
    """Descriptions for several features at once, all of which must be among those ``described``."""
    raw = read(file)
    lines = [line for name, line in lines_of(raw) if name == "combination"]
    said = parse(file, raw)
    items = said.get("combination")
    found: dict[frozenset[str], str] = {}
    for position, item in enumerate(items if isinstance(items, list) else ()):
        place = f"{file}, line {lines[position]}" if position < len(lines) else f"{file}"
        combination = validate(CombinationText, item, f"{place}: the combination")
        features = frozenset(combination.features)
        if unknown := sorted(features - described):
            raise LexiconError(f"{place}: the combination names {unknown[0]!r}, which has no entry")
        if features in found:
            raise LexiconError(f"{place}: the combination of {' and '.join(sorted(features))} is described twice")
        found[features] = combination.text
    validate(CombinationsFile, said, str(file))
    verify(file, raw, declared, "combinations_sha256")
    return tuple(Combination(features, text) for features, text in found.items())
