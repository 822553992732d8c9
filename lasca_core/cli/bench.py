"""`lasca bench`: how fast each stage and the whole path are, beside what people use without LaScA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lasca_core.cli.common import Settings, common_options, device_option, print_json, print_table
from lasca_core.contract.errors import LascaError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lasca_core.bench.record import Record
    from lasca_core.host.plugins import Registered


@click.command(short_help="Time each stage and the whole path beside what people use otherwise.")
@click.option("--only", metavar="NAMES", help="Benchmarks or stages, with commas between: face,otsu (default: all).")
@click.option("--list", "as_list", is_flag=True, help="List the benchmarks; measure nothing.")
@click.option(
    "--repeats",
    type=click.IntRange(min=2),
    help="Rounds of each, at least; short work gets more (default: 5, with --quick 2).",
)
@click.option("--quick", is_flag=True, help="Little work: shows that the benchmarks run, and measures nothing well.")
@click.option(
    "--media",
    type=click.Path(path_type=Path),
    help="Recording of a face and a voice to measure on (default: a synthetic one is made).",
)
@click.option(
    "--hours",
    metavar="NUMBERS",
    help="In place of benchmarks: the cost of synthetic corpora of so many hours, as in --hours 1,10,100.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the results, JSON (default: runs/bench-TIME.json).",
)
@click.option(
    "--show", type=click.Path(dir_okay=False, path_type=Path), help="Show the results in this file; measure nothing."
)
@click.option(
    "--into",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --show: write the tables into this page, between <!-- bench: FILE --> and <!-- /bench -->.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@device_option
@common_options
@click.pass_obj
def bench(
    settings: Settings,
    only: str | None,
    as_list: bool,
    repeats: int | None,
    quick: bool,
    media: Path | None,
    hours: str | None,
    output: Path | None,
    show: Path | None,
    into: Path | None,
    as_json: bool,
    device: str,
) -> None:
    """Time each stage and the whole path beside a reference that does the same work, in turn, on this machine.

    Before it is timed, each pair must give the same result, within the stated tolerance. What a benchmark needs and is
    not installed is named in its row. Results are medians, with the range that holds the middle half of the rounds.

    \b
    lasca bench
    lasca bench --only face,otsu --media talk.mp4
    lasca bench --hours 1,10,100
    """
    if show is not None:
        _show_again(show, into, as_json=as_json)
        return
    if into is not None:
        raise OptionError("--into goes with --show FILE, the results that are to be written there")
    if hours is not None:
        given = {"--only": only, "--media": media, "--repeats": repeats, "--quick": quick, "--list": as_list}
        if wrong := next((name for name, value in given.items() if value), None):
            raise OptionError(f"{wrong} does not go with --hours, which takes the place of benchmarks")
        _finish(_grow(settings, hours, device), _path(output), as_json=as_json)
        return

    from lasca_core.bench.run import benchmarks, choose

    found = benchmarks(settings.registry)
    if as_list:
        _list(found, as_json=as_json)
        return
    chosen = choose(found, [name.strip() for name in (only or "").split(",") if name.strip()])
    path = _path(output)
    record = _measure(settings, chosen, media, device, path, rounds=repeats or (2 if quick else 5), quick=quick)
    _finish(record, path, as_json=as_json)


def _measure(
    settings: Settings,
    chosen: Sequence[Registered],
    media: Path | None,
    device: str,
    path: Path,
    *,
    rounds: int,
    quick: bool,
) -> Record:
    """Run the chosen benchmarks; after each one ``path`` holds what was measured by then, for whoever is stopped."""
    from lasca_core.bench.data import Data
    from lasca_core.bench.record import Record, describe
    from lasca_core.bench.run import needed_versions, run
    from lasca_core.bench.timing import SETTLED_SECONDS
    from lasca_core.experiment.artifacts import command_line, write_json

    runtime = settings.runtime(device)
    data = Data(settings.registry, runtime, media, quick)
    runtime.report.note(f"device: {runtime.describe_device()}")
    results = []
    try:
        if media is not None:
            _ = data.media  # says at once what is wrong with the file
        about = describe(runtime, command_line(), quick=quick)
        about["versions"] |= needed_versions(chosen)
        settled = 0.0 if quick else SETTLED_SECONDS
        for result in run(chosen, data, runtime, rounds=rounds, settled=settled, debug=settings.debug):
            results.append(result)
            write_json(path, Record(about, tuple(results)).as_json())
            if result.status != "measured":
                runtime.report.warn(f"{result.name}: {result.status}: {result.problem}")
    finally:
        data.close()
    return Record(about, tuple(results))


def _grow(settings: Settings, hours: str, device: str) -> Record:
    from lasca_core.bench.growth import measure, parse_hours
    from lasca_core.bench.record import Record, describe
    from lasca_core.experiment.artifacts import command_line

    wanted = parse_hours(hours)
    runtime = settings.runtime(device)
    runtime.report.note(f"device: {runtime.describe_device()}")
    about = describe(runtime, command_line(), quick=False)
    return Record(about, growth=tuple(measure(wanted, runtime)))


def _path(output: Path | None) -> Path:
    """Where results are kept."""
    from datetime import datetime

    return output or Path("runs") / f"bench-{datetime.now():%Y%m%d-%H%M%S}.json"


def _finish(record: Record, path: Path, *, as_json: bool) -> None:
    """Save and print. Raises ``BenchmarkFailedError`` if something went wrong, which is our mistake."""
    from lasca_core.experiment.artifacts import write_json

    write_json(path, record.as_json())
    if as_json:
        print_json(record.as_json())
    else:
        _print(record)
        click.echo(f"\nsaved: {path}")
    wrong = [result.name for result in record.results if result.status in ("differs", "failed")]
    wrong += [f"{entry['hours']:g} hours" for entry in record.growth if "problem" in entry]
    if wrong:
        raise BenchmarkFailedError(f"{', '.join(wrong)} went wrong; the reasons stand in the table")


def _show_again(path: Path, into: Path | None, *, as_json: bool) -> None:
    from lasca_core.bench.record import load
    from lasca_core.bench.table import write_into

    record = load(path)
    if into is not None:
        write_into(into, record, path.name)
        click.echo(f"written: {into}")
    elif as_json:
        print_json(record.as_json())
    else:
        _print(record)


def _print(record: Record) -> None:
    from lasca_core.bench.table import HEAD, growth_rows, row, surroundings

    if record.results:
        print_table(HEAD, [row(result) for result in record.results])
    if record.growth:
        print_table(*growth_rows(record), numeric=0)
    click.echo()
    for line in surroundings(record):
        click.echo(line)


def _list(found: Sequence[Registered], *, as_json: bool) -> None:
    from lasca_core.bench.run import lacking

    if as_json:
        print_json(
            [{"name": r.spec.name, "stage": r.spec.stage, "summary": r.spec.summary, "reference": r.spec.reference,
              "plugin": r.plugin.distribution, "lacking": lacking(r.spec)} for r in found]
        )  # fmt: skip
        return
    rows = []
    for r in found:
        missing = lacking(r.spec)
        needs = f" (not installed: {', '.join(missing)})" if missing else ""
        rows.append(
            (r.spec.name, r.spec.stage, r.spec.summary, (r.spec.reference or "-") + needs, r.plugin.distribution)
        )
    print_table(("benchmark", "stage", "work", "reference", "plugin"), rows)


class BenchmarkFailedError(LascaError):
    """A benchmark gave a wrong result or none."""

    exit_code = 1
