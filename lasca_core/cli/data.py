"""`lasca data`: list, make and check datasets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.common import SECONDS, Settings, common_options, option_option, print_json, print_table
from lasca_core.contract.errors import DatasetError

if TYPE_CHECKING:
    from lasca_core.contract.types import Recording
    from lasca_core.experiment.config import Config


@click.group(short_help="List, make and check datasets.")
@common_options
def data() -> None:
    """List, make and check datasets."""


@data.command("list")
@common_options
@click.pass_obj
def list_datasets(settings: Settings) -> None:
    """List the installed datasets."""
    rows = [
        (r.spec.name, "synthetic" if r.spec.synthetic else "real", r.spec.license, r.spec.summary)
        for r in settings.registry.all("dataset")
    ]
    print_table(("name", "recordings", "license", "summary"), rows)


def _recordings(settings: Settings, config: Config) -> tuple[Any, list[Recording], list[str]]:
    """The dataset that ``config`` names, its recordings, and what it warned of while reading."""
    from lasca_core.cli.progress import TerminalReporter
    from lasca_core.experiment.components import build_component

    report = TerminalReporter(quiet=settings.quiet)
    runtime = replace(settings.runtime("cpu"), report=report)
    name = config.run.dataset
    built = build_component(settings.registry, runtime, "dataset", name, config.values_for("dataset", name))
    return built, list(built.component.sessions()), report.warnings


@data.command()
@click.argument("name", default="puppet")
@option_option
@common_options
@click.pass_obj
def make(settings: Settings, name: str, assignments: tuple[str, ...]) -> None:
    """Generate the synthetic dataset NAME (default: puppet) and print its folder. What exists is not made again."""
    registered = settings.registry.find("dataset", name)
    if not registered.spec.synthetic:
        raise DatasetError(
            f"dataset {name!r} holds real recordings and cannot be made; `lasca data check {name}` reads it"
        )
    from lasca_core.experiment.config import resolve

    built, recordings, _ = _recordings(settings, resolve(chosen={"dataset": name}, assignments=assignments))
    folder = getattr(built.component, "folder", None)
    click.echo(f"{len(recordings)} synthetic recordings{f' in {folder}' if folder else ''}")


@data.command()
@click.argument("name", required=False)
@click.option(
    "--window",
    "lengths",
    type=SECONDS,
    multiple=True,
    default=(3.0, 5.0),
    show_default=True,
    help="Window length in seconds (repeatable).",
)
@click.option(
    "--tau",
    "thresholds",
    type=click.FloatRange(min=0),
    multiple=True,
    default=(0.1, 0.2),
    show_default=True,
    help="Threshold of change (repeatable).",
)
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file, or the run.json of an earlier run.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@option_option
@common_options
@click.pass_obj
def check(
    settings: Settings,
    name: str | None,
    lengths: tuple[float, ...],
    thresholds: tuple[float, ...],
    file: Path | None,
    as_json: bool,
    assignments: tuple[str, ...],
) -> None:
    """Read dataset NAME (default: the configuration's, or puppet) without extracting anything: sessions, subjects,
    hours, what is not valid, labels, and how many pairs are kept.

    Pairs are counted as a run would keep them; where there are no ready features, every window counts as measured.
    What the dataset leaves out is said on stderr and, with --json, under "warnings". Exit code 2 if no session is
    usable.

    \b
    lasca data check manifest -o dataset.path=study/manifest.csv --window 5
    lasca data check table -o table.path=openface/ -o table.labels_path=labels.csv
    """
    from lasca_core.experiment.config import resolve
    from lasca_core.experiment.survey import survey

    config = resolve(file=file, chosen={"dataset": name}, assignments=assignments)
    _, recordings, warnings = _recordings(settings, config)
    found = survey(recordings, config, lengths, thresholds) | {"warnings": warnings}
    if as_json:
        print_json(found)
    else:
        _print(config.run.dataset, found)
    if not found["usable"]:
        raise DatasetError(
            f"dataset {config.run.dataset!r}: none of its {found['sessions']} sessions can be used; the reasons stand "
            "above"
        )


def _print(name: str, found: dict[str, Any]) -> None:
    segments = f", {found['segments']} segments" if found["segments"] else ""
    click.echo(
        f"{name}: {found['sessions']} sessions of {found['subjects']} subjects, {found['hours']:.2f} hours{segments}, "
        f"{found['usable']} sessions usable"
    )
    for session, problem in found["problems"].items():
        click.echo(f"  {session}: {problem}")
    if found["warnings"]:
        click.echo(f"{len(found['warnings'])} warnings while reading, above")
    for part, inside in found["splits"].items():
        click.echo(f"part {part}: {inside['sessions']} sessions of {inside['subjects']} subjects")
    if found["features"]:
        ready = [
            (set_name, row["features"], row["sessions"], row["rows"], f"{row['invalid']:.1%}")
            for set_name, row in found["features"].items()
        ]
        print_table(("ready features", "columns", "sessions", "rows", "not valid"), ready, numeric=1)
    labels = [
        (
            target,
            row["sessions"],
            f"{row['scale'][0]:g}..{row['scale'][1]:g}",
            f"{row['lowest']:.3f}",
            f"{row['highest']:.3f}",
            f"{row['invalid']:.1%}",
        )
        for target, row in found["targets"].items()
    ]
    print_table(("target", "sessions", "scale", "lowest", "highest", "not annotated"), labels, numeric=1)
    counted = [
        (
            row["target"],
            "segments" if row["window"] is None else f"{row['window']:g} s",
            f"{row['tau']:g}",
            row["windows"],
            row["pairs"],
            row["rising"],
            row["subjects"],
            *row["dropped"].values(),
        )
        for row in found["pairs"]
    ]
    reasons = found["pairs"][0]["dropped"] if found["pairs"] else {}
    head = ("target", "window", "tau", "windows", "pairs kept", "rising", "subjects", *reasons)
    print_table(head, counted, numeric=1)
