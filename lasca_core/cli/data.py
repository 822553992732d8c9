"""`lasca data`: list, make and check datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.common import Settings, common_options, option_option, print_json, print_table
from lasca_core.contract.errors import DatasetError

if TYPE_CHECKING:
    from lasca_core.contract.types import Recording


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


def _recordings(settings: Settings, name: str, assignments: tuple[str, ...]) -> tuple[Any, list[Recording]]:
    from lasca_core.experiment.components import build_component
    from lasca_core.experiment.config import resolve

    config = resolve(chosen={"dataset": name}, assignments=assignments)
    built = build_component(
        settings.registry, settings.runtime("cpu"), "dataset", name, config.values_for("dataset", name)
    )
    return built, list(built.component.sessions())


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
    built, recordings = _recordings(settings, name, assignments)
    folder = getattr(built.component, "folder", None)
    click.echo(f"{len(recordings)} synthetic recordings{f' in {folder}' if folder else ''}")


@data.command()
@click.argument("name", default="puppet")
@click.option(
    "--window",
    "lengths",
    type=click.FloatRange(min=0, min_open=True),
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
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@option_option
@common_options
@click.pass_obj
def check(
    settings: Settings,
    name: str,
    lengths: tuple[float, ...],
    thresholds: tuple[float, ...],
    as_json: bool,
    assignments: tuple[str, ...],
) -> None:
    """Read dataset NAME without extracting anything: sessions, subjects, media, annotations, and how many pairs
    are kept.

    Pairs are counted as if every window could be measured. Exit code 2 if no session is usable.
    """
    from lasca_core.experiment.survey import survey

    _, recordings = _recordings(settings, name, assignments)
    found = survey(recordings, lengths, thresholds)
    if as_json:
        print_json(found)
    else:
        _print(name, found)
    if not found["usable"]:
        raise DatasetError(
            f"dataset {name!r}: none of its {found['sessions']} sessions can be used; the reasons stand above"
        )


def _print(name: str, found: dict[str, Any]) -> None:
    click.echo(
        f"{name}: {found['sessions']} sessions of {found['subjects']} subjects, {found['hours']:.2f} hours, "
        f"{found['usable']} sessions usable"
    )
    for session, problem in found["problems"].items():
        click.echo(f"  {session}: {problem}")
    rows = [
        (target, f"{row['lowest']:.3f}", f"{row['highest']:.3f}", f"{row['invalid']:.1%}")
        for target, row in found["targets"].items()
    ]
    print_table(("target", "lowest", "highest", "not annotated"), rows, numeric=1)
    counted = [
        (row["target"], f"{row['window']:g} s", f"{row['tau']:g}", row["windows"], row["pairs"], row["rising"])
        for row in found["pairs"]
    ]
    print_table(("target", "window", "tau", "windows", "pairs kept", "rising"), counted, numeric=1)
