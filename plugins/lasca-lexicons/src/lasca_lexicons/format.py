"""The format of a lexicon on disk: a folder with `lexicon.toml` and the files it names, read and verified as a whole.

docs/lexicons/format.md describes it, with a complete example.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from importlib.resources.abc import Traversable

from pydantic import BaseModel

from lasca_core.api import LexiconError, Runtime
from lasca_lexicons.bases import Chain, inherit
from lasca_lexicons.content import Layer, LexiconContent, Rule, Words, plain
from lasca_lexicons.entries import read_anchors, read_combinations, read_entries
from lasca_lexicons.files import HEADER, digest, inside, parse, read, validate, verify
from lasca_lexicons.schema import FORMAT, Header, Language, Override, PartProvenance, Tokens
from lasca_lexicons.writing import seal, write_lexicon, write_tokens

__all__ = ["FORMAT", "LexiconContent", "Tokens", "read_lexicon", "seal", "write_lexicon", "write_tokens"]


def read_lexicon(
    folder: Traversable, runtime: Runtime | None = None, *, on: LexiconContent | None = None, above: Chain = ()
) -> LexiconContent:
    """Read and verify the lexicon in ``folder``: a path, or a resource of a package.

    It builds on the lexicon ``on``, or else on the installed one that it names as its base, which gets ``runtime``;
    ``above`` are the lexicons being read that build on this one. Raises ``LexiconError`` naming the file at fault (and
    line or key, where it has one): a file that is absent, not UTF-8 or not TOML; a newer format; a missing, misspelt or
    malformed key; an entry that is empty, has more than one line or holds markup; a feature described twice; anchors
    that lack an end; a combination of features without entries; overrides that cannot be told apart; a base that is not
    there or leads back; a file whose checksum is not the declared one.
    """
    file = folder / HEADER
    raw = read(file)
    header = _parse_header(file, raw)
    below = on if on is not None else _base(folder, header, runtime, above)
    if on is not None and header.base is not None and header.base not in {layer.id for layer in on.layers}:
        raise LexiconError(f"{file}: it builds on {header.base!r}, and not on {on.id!r}; set lexicon.base to that")
    _verify_prompt(folder, header.provenance)
    citation = {"citation": "; ".join(header.citation)} if header.citation else {}
    layer = Layer(
        place=str(file),
        id=header.id,
        version=header.version,
        license=header.license,
        provenance=_flat(header.provenance) | citation,
        words=_read_words(folder, header, header, below),
        rules=(),
        tokens=header.tokens,
        digest=digest(raw),
    )
    content = LexiconContent((*below.layers, layer))
    _require_sentences(layer, content)
    if header.override:
        content = LexiconContent((*below.layers, replace(layer, rules=_read_rules(folder, header, content))))
    return content


# --- lexicon.toml -----------------------------------------------------------------------------------------------------


def _parse_header(file: Traversable, raw: bytes) -> Header:
    tables = parse(file, raw)
    declared = tables.get("format")
    if isinstance(declared, int) and declared > FORMAT:  # before all else: a newer format may have any keys
        raise LexiconError(f"{file}: format {declared} is newer than format {FORMAT}; update lasca-lexicons to read it")
    header = validate(Header, tables, str(file))
    if header.format < 1:
        raise LexiconError(f"{file}: format {header.format} does not exist; write format = {FORMAT}")
    if header.format == 1 and (key := _key_of_format_2(header)):
        raise LexiconError(f"{file}: {key} is not a key of format 1; write format = 2")
    return header


def _key_of_format_2(header: Header) -> str | None:
    """The first key that format 1 did not have."""
    language = Language.model_fields.keys() - {"template", "separator", "empty", "varying"}
    new: list[tuple[str, BaseModel, AbstractSet[str]]] = [("", header, {"base", "override", "tokens"})]
    new += [(f"languages.{tag}.", table, language) for tag, table in header.languages.items()]
    new += [(f"entries[{number}].", part, {"speaks", "provenance"}) for number, part in enumerate(header.entries, 1)]
    return next((where + min(used) for where, table, keys in new if (used := table.model_fields_set & keys)), None)


def _base(folder: Traversable, header: Header, runtime: Runtime | None, above: Chain) -> LexiconContent:
    if header.base is None:
        return LexiconContent(())
    chain = (*above, (str(folder), header.id))
    if str(folder) in dict(above):
        path = " -> ".join(name for _, name in chain)
        raise LexiconError(f"{folder / HEADER}: base leads back to the lexicon itself ({path}); name another base")
    return inherit(header.base, f"{folder / HEADER}: base", runtime, chain)


def _flat(provenance: PartProvenance, prefix: str = "") -> dict[str, str]:
    """What is said, as text; ``parameters.seed`` for what stands in a table."""
    found = {}
    for key, value in provenance.model_dump(exclude_none=True).items():
        inner = {f"{key}.{name}": item for name, item in value.items()} if isinstance(value, Mapping) else {key: value}
        found.update({prefix + name: str(item) for name, item in inner.items()})
    return found


def _verify_prompt(folder: Traversable, provenance: PartProvenance) -> None:
    if provenance.prompt is not None:
        file = inside(folder, provenance.prompt)
        verify(file, read(file), provenance.prompt_sha256, "prompt_sha256")


# --- words ------------------------------------------------------------------------------------------------------------


def _read_words(
    folder: Traversable, header: Header, layer: Header | Override, below: LexiconContent
) -> dict[str, Words]:
    """What a layer says, by language, checked against what it lies on."""
    place = folder / HEADER
    seen: set[tuple[str, str]] = set()
    for part in layer.entries:
        if part.language not in layer.languages and not below.words(part.language).entries:
            raise LexiconError(
                f"{place}: {part.file} is in language {part.language!r}; add [languages.{part.language}]"
            )
        if (part.language, part.features) in seen:
            raise LexiconError(
                f"{place}: the features {part.features!r} have two files of language {part.language!r}; join them"
            )
        seen.add((part.language, part.features))
    tags = dict.fromkeys([*layer.languages, *(part.language for part in layer.entries)])
    return {tag: _read_language(folder, header, layer, tag, below.words(tag)) for tag in tags}


def _read_language(folder: Traversable, header: Header, layer: Header | Override, tag: str, below: Words) -> Words:
    """What a layer says in one language, the entries in the order in which ``lexicon.toml`` lists their files."""
    words = Words()
    owner: dict[str, str] = {}
    for part in (part for part in layer.entries if part.language == tag):
        file = inside(folder, part.file)
        label = f"{header.id}/{part.file}"
        origin = {}
        if part.provenance is not None:
            _verify_prompt(folder, part.provenance)
            origin = _flat(part.provenance, f"{label}.")
        found = read_entries(file, part.sha256, words.over(below).entries.keys(), tables=header.format > 1)
        if twice := next((name for name in found if name in owner), None):
            raise LexiconError(f"{file}: {twice!r} is described in {owner[twice]} already; remove one of the two")
        owner.update(dict.fromkeys(found, part.file))
        words = Words(
            entries={name: entry.text for name, entry in found.items() if entry.text is not None},
            forms={name: entry.forms for name, entry in found.items() if entry.forms},
            speaks=dict.fromkeys(found, frozenset(part.speaks)) if part.speaks is not None else {},
            origin={
                name: origin | (_flat(entry.provenance, f"{label}/{name}.") if entry.provenance is not None else {})
                for name, entry in found.items()
            },
        ).over(words)
    language = layer.languages.get(tag, Language())
    described = words.over(below).entries.keys()
    settings = language.model_dump(exclude_none=True, include={"template", "separator", "empty", "varying", "encoder"})
    anchors, combinations = language.anchors, language.combinations
    return replace(
        words,
        settings=settings,
        anchors=read_anchors(inside(folder, anchors), language.anchors_sha256) if anchors is not None else {},
        combinations=read_combinations(inside(folder, combinations), language.combinations_sha256, described)
        if combinations is not None
        else (),
    )


def _require_sentences(layer: Layer, content: LexiconContent) -> None:
    """Raise ``LexiconError`` if a language cannot be spoken: without entries, or without a way to make a sentence."""
    if not content.languages:
        raise LexiconError(
            f"{layer.place}: there are no entries; list a file of them under [[entries]], or name a base"
        )
    for tag in layer.words:
        words = content.words(tag)
        if missing := [key for key in ("template", "separator", "empty") if key not in words.settings]:
            raise LexiconError(f"{layer.place}: languages.{tag}.{missing[0]} is missing")
        if not words.entries:
            raise LexiconError(f"{layer.place}: language {tag!r} has no entries; list a file of them under [[entries]]")


def _read_rules(folder: Traversable, header: Header, content: LexiconContent) -> tuple[Rule, ...]:
    """The overrides on top of all that is said without them."""
    place = folder / HEADER
    rules: list[Rule] = []
    for number, override in enumerate(header.override, start=1):
        key = f"override[{number}]"
        for tag in (*override.languages, *(part.language for part in override.entries)):
            if plain(tag) not in map(plain, content.languages):
                raise LexiconError(
                    f"{place}: {key} speaks {tag!r}, and the lexicon has {', '.join(content.languages)}; add "
                    f"[languages.{tag}]"
                )
        words = _read_words(folder, header, override, content)
        if not words:
            raise LexiconError(f"{place}: {key} has no words; give it [[override.entries]] or [override.languages]")
        rule = Rule(override.when, words)
        for position, other in enumerate(rules, start=1):
            if rule.clashes(other):
                raise LexiconError(
                    f"{place}: {key} and override[{position}] hold for the same sessions ({rule.name}); join them, or "
                    f"add a key to one of them"
                )
        rules.append(rule)
    return tuple(rules)
