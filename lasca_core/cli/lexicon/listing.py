"""`lasca lexicon list` and `show`: which lexicons there are, and what one of them says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.common import common_options, option_option, print_json, print_table
from lasca_core.cli.lexicon.coverage import coverage
from lasca_core.cli.lexicon.workbench import ENGLISH, Workbench, extractor_option, json_option
from lasca_core.contract.errors import LascaError

if TYPE_CHECKING:
    from lasca_core.contract.lexicon import Lexicon

DIGITS = 12
"""Digits of a checksum that a table shows."""


@click.command("list", short_help="List the installed lexicons.")
@json_option
@common_options
@click.pass_obj
def list_lexicons(workbench: Workbench, as_json: bool) -> None:
    """List the installed lexicons: version, languages, licence, the extractors whose features they describe, checksum.

    The checksum covers everything that decides which sentence is written, in the first language; with --json it is
    given for each. That of a lexicon that describes any feature by a rule depends on the features: here, on those of
    all installed extractors.
    """
    ready, wanting = workbench.installed()
    found = [_listed(workbench, name) for name in ready]
    found += [{"name": name, "problem": wanted} for name, wanted in wanting.items()]
    if as_json:
        print_json(found)
        return
    rows = []
    for lexicon in found:
        if "problem" in lexicon:
            rows.append((lexicon["name"], "-", "-", "-", "-", "-", lexicon["problem"]))
            continue
        rows.append(
            (
                lexicon["name"],
                lexicon["version"],
                ", ".join(lexicon["languages"]),
                lexicon["license"],
                "by rule" if lexicon["by_rule"] else str(lexicon["entries"]),
                ", ".join(lexicon["covers"]) or "no installed extractor",
                next(iter(lexicon["checksums"].values()))[:DIGITS],
            )
        )
    print_table(("name", "version", "languages", "license", "entries", "covers", "checksum"), rows)


def _listed(workbench: Workbench, name: str) -> dict[str, Any]:
    try:
        opened = workbench.open(name)
        languages = opened.languages()
        found = {language: opened.complete(language, workbench.all_features()) for language in languages}
        covers = {language: coverage(opened, language, workbench.extractors).complete for language in languages}
    except LascaError as error:  # one faulty lexicon must not hide the others
        return {"name": name, "problem": str(error)}
    first = found[languages[0]]
    return {
        "name": name,
        "id": first.id,
        "version": first.version,
        "license": first.license,
        "plugin": str(opened.built.plugin),
        "languages": list(languages),
        "by_rule": opened.by_rule,
        "entries": len(first.entries),
        "covers": list(covers[languages[0]]),
        "covers_by_language": {language: list(names) for language, names in covers.items()},
        "checksums": {language: lexicon.checksum for language, lexicon in found.items()},
    }


@click.command(short_help="Show what a lexicon says.")
@click.argument("name", default="llm")
@click.option("--language", help="Language of the descriptions (default: en, or the first that it has).")
@extractor_option("Whose features (repeatable; default: all that the lexicon describes).")
@json_option
@option_option
@common_options
@click.pass_obj
def show(
    workbench: Workbench,
    name: str,
    language: str | None,
    extractors: tuple[str, ...],
    as_json: bool,
    assignments: tuple[str, ...],
) -> None:
    """Show lexicon NAME (default: llm): its descriptions and their further forms, combinations of cues, the ends of
    affect dimensions, and where all of it comes from."""
    opened = workbench.open(name, assignments)
    language = language or default_language(opened.languages())
    if extractors:
        chosen = workbench.feature_sets(extractors).values()
        found = opened.lexicon(tuple(feature for one in chosen for feature in one.features), language)
    else:
        found = opened.complete(language, workbench.all_features())
    if as_json:
        print_json(_as_json(found))
        return
    _print(found)


def default_language(languages: tuple[str, ...]) -> str:
    """English where it is among them, else the first."""
    return ENGLISH if ENGLISH in languages or not languages else languages[0]


def _head(found: Lexicon) -> dict[str, Any]:
    return {
        "lexicon": found.id,
        "version": found.version,
        "language": found.language,
        "license": found.license,
        "checksum": found.checksum,
        "template": found.template,
        "separator": found.separator,
        "empty": found.empty,
    }


def _as_json(found: Lexicon) -> dict[str, Any]:
    return {
        **_head(found),
        "entries": dict(found.entries),
        "forms": {name: dict(forms) for name, forms in found.forms.items()},
        "combinations": [{"features": sorted(item.features), "text": item.text} for item in found.combinations],
        "anchors": {target: {"high": list(ends.high), "low": list(ends.low)} for target, ends in found.anchors.items()},
        "speaks": {target: sorted(features) for target, features in found.speaks.items()},
        "provenance": dict(found.provenance),
    }


def _print(found: Lexicon) -> None:
    for label, value in _head(found).items():
        click.echo(f"{label}: {value!r}" if label == "separator" else f"{label}: {value}")
    for label, value in found.provenance.items():
        click.echo(f"provenance, {label}: {value}")
    rows = []
    for feature, text in found.entries.items():
        rows.append((feature, "", text))
        rows += [("", form, said) for form, said in found.forms.get(feature, {}).items()]
    print_table(("feature", "form", "description"), rows)
    if found.combinations:
        said = [(" + ".join(_in_order(item.features, found)), item.text) for item in found.combinations]
        print_table(("cues together", "description"), said, title="\ncombinations")
    if found.anchors:
        ends = [
            (target, end, "; ".join(phrases))
            for target, anchors in found.anchors.items()
            for end, phrases in (("high", anchors.high), ("low", anchors.low))
        ]
        print_table(("dimension", "end", "phrases"), ends, title="\nanchors")
    for target, features in found.speaks.items():
        click.echo(f"speaks of {target}: {', '.join(_in_order(features, found)) or 'no feature'}")


def _in_order(features: frozenset[str], found: Lexicon) -> list[str]:
    return [name for name in found.entries if name in features]
