"""`lasca lexicon check`: everything about lexicons that a program can judge."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from lasca_core.cli.common import common_options, device_option, option_option, print_json
from lasca_core.cli.lexicon.examine import DEFAULT_ENCODER, THRESHOLD, Examiner, Report
from lasca_core.cli.lexicon.workbench import Workbench, extractor_option, json_option
from lasca_core.contract.errors import LexiconError


@click.command(short_help="Check lexicons for faults.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--language", "languages", multiple=True, help="Language (repeatable; default: all of each lexicon).")
@extractor_option("Extractor whose features must be described (repeatable; default: those that the lexicon claims).")
@click.option(
    "--encoder", "encoders", multiple=True, metavar="NAME",
    help="Encoder that compares descriptions and counts tokens (repeatable: the first one compares, all of them count; "
    f"default: {DEFAULT_ENCODER}, for English alone).",
)  # fmt: skip
@click.option(
    "--threshold", type=click.FloatRange(0, 1), default=THRESHOLD, show_default=True,
    help="Cosine similarity from which two descriptions count as near-duplicates.",
)  # fmt: skip
@json_option
@option_option
@device_option
@common_options
@click.pass_obj
def check(
    workbench: Workbench,
    names: tuple[str, ...],
    languages: tuple[str, ...],
    extractors: tuple[str, ...],
    encoders: tuple[str, ...],
    threshold: float,
    as_json: bool,
    assignments: tuple[str, ...],
    device: str,
) -> None:
    """Check lexicons by NAME or folder; without one, all that are installed.

    Every feature of a set that the lexicon claims must be described; descriptions must be distinct, in the language
    they are filed under, and those of left and right features each other's mirror image, also in what they mean for
    valence and arousal; each must fit into the encoder's limit. Licence and checksums must be in order. How long the
    longest possible sentence is, and which of its words would be cut, is told and is no fault: a run leaves out the
    least salient cues. Exit code 2 if anything is wrong.
    """
    if not names:
        ready, wanting = workbench.installed()
        names = tuple(ready)
        for name, wanted in wanting.items():
            workbench.report.note(f"{name}: not checked, because it {wanted}")
    examiner = Examiner(workbench, languages, extractors, encoders, threshold, device, assignments)
    try:
        reports = [examiner.examine(name) for name in names]
    finally:
        examiner.close()
    if as_json:
        print_json({"lexicons": [asdict(report) for report in reports]})
    for report in reports:
        for what in report.unchecked:
            workbench.report.note(f"{report.name}: not checked: {what}")
        if not as_json:
            _print(report)
    problems = [problem["message"] for report in reports for problem in report.problems]
    for problem in problems[:-1]:
        click.echo(f"lasca: {problem}", err=True)
    if problems:
        raise LexiconError(problems[-1])


def _print(report: Report) -> None:
    counts = {name: count for found in report.covers.values() for name, count in found.items()}
    for extractor, count in counts.items():
        languages = ", ".join(language for language, found in report.covers.items() if extractor in found)
        covers = f"{count} descriptions cover extractor {extractor}"
        click.echo(f"{report.name}: {covers} ({languages}; {report.license})")
    for extractor in dict.fromkeys(name for names in report.absent.values() for name in names):
        languages = ", ".join(language for language, names in report.absent.items() if extractor in names)
        click.echo(f"{report.name}: extractor {extractor} is not covered ({languages})")
    for language, pairs in report.synonyms.items():
        if pairs:
            first, second = pairs[0]
            also = f"share a description with features that they never meet, as {second} with {first} ({language})"
            click.echo(f"{report.name}: {len(pairs)} features {also}")
    for found in report.budgets:
        click.echo(f"{report.name}: {_said(found)}")


def _said(found: dict[str, Any]) -> str:
    """A budget in words."""
    words = found["cut"].split()
    cut = f"; {len(words)} word{'s' * (len(words) > 1)} would be cut, from {' '.join(words[:6])!r} on" if words else ""
    return (
        f"all {found['cues']} cues of {found['extractor']} at once ({found['language']}) are {found['tokens']} tokens "
        f"of {found['encoder']}, {found['shortened']} with combinations; it reads {found['max_tokens']}, so that any "
        f"{found['fitting']} cues fit{cut}"
    )
