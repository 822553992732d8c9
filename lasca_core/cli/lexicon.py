"""`lasca lexicon`: read and check lexicons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.common import Settings, common_options, option_option, print_json, print_table
from lasca_core.contract.errors import LexiconError

if TYPE_CHECKING:
    from lasca_core.contract.lexicon import Lexicon


@click.group(short_help="Show and check lexicons.")
@common_options
def lexicon() -> None:
    """Show and check lexicons."""


def _load(
    settings: Settings, name: str, language: str, extractors: Sequence[str], assignments: Sequence[str]
) -> Lexicon:
    """The entries of one lexicon for the features of the given extractors (default: all installed ones)."""
    from lasca_core.contract.lexicon import LexiconContext
    from lasca_core.experiment.components import build_component
    from lasca_core.experiment.config import resolve

    runtime = settings.runtime("cpu")
    config = resolve(chosen={"lexicon": name}, assignments=assignments)
    provider = build_component(settings.registry, runtime, "lexicon", name, config.values_for("lexicon", name))
    features = tuple(feature for extractor in extractors for feature in _names(settings, extractor))
    found: Lexicon = provider.component.lexicon_for(LexiconContext(features=features, language=language))
    return found


def _names(settings: Settings, extractor: str) -> tuple[str, ...]:
    from lasca_core.experiment.components import build_component

    built = build_component(settings.registry, settings.runtime("cpu"), "extractor", extractor, {})
    names: tuple[str, ...] = built.component.names
    return names


def _all_extractors(settings: Settings) -> tuple[str, ...]:
    return tuple(registered.spec.name for registered in settings.registry.all("extractor"))


@lexicon.command()
@click.argument("name", default="llm")
@click.option("--language", default="en", show_default=True, help="Language of the descriptions.")
@click.option(
    "--extractor", "extractors", multiple=True, help="Whose features (repeatable; default: all installed extractors)."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@option_option
@common_options
@click.pass_obj
def show(
    settings: Settings,
    name: str,
    language: str,
    extractors: tuple[str, ...],
    as_json: bool,
    assignments: tuple[str, ...],
) -> None:
    """Show the descriptions of lexicon NAME (default: llm) with its version, licence, checksum and template."""
    found = _load(settings, name, language, extractors or _all_extractors(settings), assignments)
    if as_json:
        print_json({**_head(found), "entries": dict(found.entries), "provenance": dict(found.provenance)})
        return
    for label, value in _head(found).items():
        click.echo(f"{label}: {value}")
    print_table(("feature", "description"), list(found.entries.items()))


def _head(found: Lexicon) -> dict[str, Any]:
    return {
        "lexicon": found.id,
        "version": found.version,
        "language": found.language,
        "license": found.license,
        "checksum": found.checksum,
        "template": found.template,
    }


@lexicon.command()
@click.argument("names", nargs=-1)
@click.option("--language", default="en", show_default=True, help="Language of the descriptions.")
@click.option(
    "--extractor",
    "extractors",
    multiple=True,
    help="Whose features must be covered (repeatable; default: all installed).",
)
@option_option
@common_options
@click.pass_obj
def check(
    settings: Settings, names: tuple[str, ...], language: str, extractors: tuple[str, ...], assignments: tuple[str, ...]
) -> None:
    """Check lexicons by NAME (default: llm and names): every feature has one description, and no two are the same.

    Exit code 2 if anything is wrong.
    """
    problems: list[str] = []
    for name in names or ("llm", "names"):
        for extractor in extractors or _all_extractors(settings):
            try:
                found = _load(settings, name, language, (extractor,), assignments)
                found.require(_names(settings, extractor))
            except LexiconError as error:
                problems.append(str(error))
                continue
            twins = _twins(found)
            problems += [f"lexicon {name!r}: {first} and {second} have the same description" for first, second in twins]
            if not twins:
                click.echo(
                    f"{name}: {len(found.entries)} descriptions cover extractor {extractor} "
                    f"({found.language}, {found.license})"
                )
    for problem in problems[:-1]:
        click.echo(f"lasca: {problem}", err=True)
    if problems:
        raise LexiconError(problems[-1])


def _twins(found: Lexicon) -> list[tuple[str, str]]:
    """Features whose descriptions differ in nothing but spacing and case."""
    seen: dict[str, str] = {}
    twins = []
    for feature, text in found.entries.items():
        plain = " ".join(text.lower().split())
        if plain in seen:
            twins.append((seen[plain], feature))
        seen.setdefault(plain, feature)
    return twins
