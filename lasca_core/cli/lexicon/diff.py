"""`lasca lexicon diff`: what differs between two lexicons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.common import common_options, print_json
from lasca_core.cli.lexicon.listing import default_language
from lasca_core.cli.lexicon.workbench import OpenLexicon, Workbench, json_option
from lasca_core.contract.errors import LexiconError

if TYPE_CHECKING:
    from lasca_core.contract.lexicon import Lexicon

DIFFERENT = 1
"""Exit code where something differs, as that of the system's ``diff``."""


@click.command(short_help="Compare two lexicons.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--language", "languages", multiple=True, help="Language (repeatable; default: all that both have).")
@json_option
@common_options
@click.pass_context
def diff(ctx: click.Context, first: str, second: str, languages: tuple[str, ...], as_json: bool) -> None:
    """Compare lexicons A and B: languages, templates, descriptions and their forms, combinations, anchors, licence.

    Lines beginning with - are in A alone, those with + in B alone. Exit code 0 if nothing differs, 1 if something
    does, 2 if one of them cannot be read. Names, versions and provenance are shown and do not count as a difference.

    \b
    lasca lexicon diff llm names
    lasca lexicon diff llm ./my-lexicon --language en
    """
    workbench: Workbench = ctx.obj
    before, after = workbench.open(first), workbench.open(second)
    found = compare(before, after, languages, workbench.all_features())
    if as_json:
        print_json(found)
    else:
        _print(first, second, found)
    ctx.exit(DIFFERENT if found["different"] else 0)


def compare(
    before: OpenLexicon, after: OpenLexicon, languages: Sequence[str], features: Sequence[str]
) -> dict[str, Any]:
    """What differs, as JSON values. A lexicon that describes by rule is asked for the other one's features, and for
    ``features`` if both are.

    Raises ``LexiconError`` if one of them cannot be read or they share no language.
    """
    have, has = before.languages(), after.languages()
    common = tuple(languages) or tuple(language for language in have if language in has)
    if not common:
        raise LexiconError(
            f"lexicon {before.name} has {', '.join(have)} and {after.name} {', '.join(has)}: no language to compare"
        )
    compared = {}
    for language in common:
        old = before.complete(language, after.features(language) or features)
        new = after.complete(language, before.features(language) or features)
        compared[language] = _differences(old, new)
    either = {
        "removed": [language for language in have if language not in has],
        "added": [language for language in has if language not in have],
    }
    heads = {side: _head(opened, default_language(common), features) for side, opened in (("a", before), ("b", after))}
    differs = any(either.values()) or any(part for found in compared.values() for part in found.values())
    return {"different": differs, **heads, "languages": either, "by_language": compared}


def _head(opened: OpenLexicon, language: str, features: Sequence[str]) -> dict[str, str]:
    lexicon = opened.complete(language, features)
    return {"name": opened.name, "id": lexicon.id, "version": lexicon.version, "license": lexicon.license}


def _differences(old: Lexicon, new: Lexicon) -> dict[str, Any]:
    """What differs between two lexicons of one language; empty parts mean no difference."""
    parts: dict[str, Callable[[Lexicon], dict[str, str]]] = {
        "settings": _settings,
        "entries": lambda lexicon: dict(lexicon.entries),
        "forms": _forms,
        "combinations": _combinations,
        "anchors": _anchors,
        "speaks": _speaks,
    }
    found: dict[str, Any] = {name: _changes(read(old), read(new)) for name, read in parts.items()}
    shared = [name for name in old.entries if name in new.entries]
    if shared != [name for name in new.entries if name in old.entries]:
        found["order"] = "the shared features stand in another order, and so do the cues of every sentence"
    return {name: changes for name, changes in found.items() if changes}


def _settings(lexicon: Lexicon) -> dict[str, str]:
    return {name: getattr(lexicon, name) for name in ("license", "template", "separator", "empty")}


def _forms(lexicon: Lexicon) -> dict[str, str]:
    return {f"{feature} ({form})": text for feature, forms in lexicon.forms.items() for form, text in forms.items()}


def _combinations(lexicon: Lexicon) -> dict[str, str]:
    return {" + ".join(sorted(item.features)): item.text for item in lexicon.combinations}


def _anchors(lexicon: Lexicon) -> dict[str, str]:
    return {
        f"{target} ({end})": "; ".join(phrases)
        for target, anchors in lexicon.anchors.items()
        for end, phrases in (("high", anchors.high), ("low", anchors.low))
    }


def _speaks(lexicon: Lexicon) -> dict[str, str]:
    return {target: ", ".join(sorted(features)) for target, features in lexicon.speaks.items()}


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, Any]:
    found = {
        "removed": {name: text for name, text in old.items() if name not in new},
        "added": {name: text for name, text in new.items() if name not in old},
        "changed": {name: [text, new[name]] for name, text in old.items() if new.get(name, text) != text},
    }
    return {kind: values for kind, values in found.items() if values}


def _print(first: str, second: str, found: dict[str, Any]) -> None:
    for sign, name, side in (("-", first, found["a"]), ("+", second, found["b"])):
        click.echo(f"{sign * 3} {name}: {side['id']} {side['version']} ({side['license']})")
    for sign, kind in (("-", "removed"), ("+", "added")):
        for language in found["languages"][kind]:
            click.echo(f"{sign} language {language}")
    for language, parts in found["by_language"].items():
        _print_language(language, parts)


def _print_language(language: str, parts: dict[str, Any]) -> None:
    said = [] if parts else ["the same words"]
    for part, changes in parts.items():
        if part == "order":
            said.append(changes)
            continue
        said.append(f"{part}: {', '.join(f'{len(values)} {kind}' for kind, values in changes.items())}")
        for kind, signs in (("removed", "-"), ("added", "+"), ("changed", "-+")):
            for name, texts in changes.get(kind, {}).items():
                for sign, text in zip(signs, texts if kind == "changed" else [texts], strict=True):
                    click.echo(f"{sign} {language} {part} {name}: {text}")
    click.echo(f"{language}: {'; '.join(said)}")
