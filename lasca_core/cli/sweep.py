"""`lasca sweep`: many configurations from one file, and the tables they end in."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.common import (
    Settings,
    common_options,
    device_option,
    option_option,
    print_json,
    print_table,
)
from lasca_core.cli.progress import TerminalReporter

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

    from lasca_core.contract.protocols import Task
    from lasca_core.experiment.sweep.definition import Definition
    from lasca_core.experiment.sweep.plan import Plan
    from lasca_core.experiment.sweep.run import Finished, News


@click.command(short_help="Cross any options in one file, resumably, and print the tables.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dataset", help="Dataset for all cells, in place of the file's.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of everything random, in place of the file's.")
@option_option
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the sweep (default: sweeps/ and the file's name). Finished cells in it are not computed again.",
)
@click.option("--dry-run", is_flag=True, help="List the cells and count what they need; compute nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@device_option
@common_options
@click.pass_obj
def sweep(
    settings: Settings,
    file: Path,
    dataset: str | None,
    seed: int | None,
    assignments: tuple[str, ...],
    output: Path | None,
    dry_run: bool,
    as_json: bool,
    device: str,
) -> None:
    """Evaluate every cell of the grid in FILE, a TOML file with a table [sweep], and print its tables.

    What cells share is computed once. A finished cell is stored: the same command goes on where it was interrupted. A
    cell that fails is reported and the others go on. An option given with -o holds in all cells and takes the place of
    an axis of its name.

    \b
    lasca sweep examples/configs/paper.toml --dry-run
    lasca sweep examples/configs/learning-curve.toml --dataset facs -o facs.people=40
    """
    from lasca_core.experiment.artifacts import command_line
    from lasca_core.experiment.sweep.definition import forced_settings, read_definition
    from lasca_core.experiment.sweep.plan import Builder, make_plan
    from lasca_core.experiment.sweep.run import run_sweep

    definition = read_definition(file).with_forced(forced_settings({"dataset": dataset, "seed": seed}, assignments))
    folder = output or Path("sweeps") / definition.name
    with SweepReporter(quiet=settings.quiet) as reporter:
        runtime = replace(settings.runtime(device), report=reporter)
        if dry_run:
            _list(make_plan(definition, Builder(settings.registry, runtime)), definition, as_json=as_json)
            return
        finished = run_sweep(
            definition, settings.registry, runtime, folder, reporter, command_line(), debug=settings.debug
        )
    if as_json:
        print_json(_as_json(finished))
    else:
        _show(finished)


def _list(plan: Plan, definition: Definition, *, as_json: bool) -> None:
    counts = plan.counts()
    if as_json:
        print_json({"cells": [cell.labels for cell in plan.cells], **counts})
        return
    names = [axis.name for axis in definition.axes]
    rows = [(number, *cell.labels.values(), cell.problem) for number, cell in enumerate(plan.cells, 1)]
    print_table(("cell", *names, "problem" if any(cell.problem for cell in plan.cells) else ""), rows)
    heads = f", at most {counts['heads']:,} heads for each target" if counts["heads"] is not None else ""
    click.echo(
        f"\n{counts['cells']} cells ({counts['excluded']} excluded by rules, {counts['repeated']} left out as the same "
        f"as another); windows are made {counts['materials']} times, words {counts['representations']} times{heads}"
    )


def _show(finished: Finished) -> None:
    from lasca_core.experiment.tables import to_markdown

    for table in finished.output.tables:
        click.echo(f"{to_markdown(table)}\n")
    for number, line in enumerate(finished.output.sentences):
        click.echo(f"  {line}" if number else line)
    for problem in dict.fromkeys(problem for _, problem in finished.failed):
        cells = [cell for cell, why in finished.failed if why == problem]
        many = f"{len(cells)} cells, the first being " if len(cells) > 1 else ""
        click.echo(f"failed: {many}{cells[0]}: {problem}")
    stored = len(finished.results) - finished.computed
    click.echo(f"\ncells: {finished.computed} computed, {stored} stored before, {len(finished.failed)} failed")
    click.echo(f"sweep: {finished.folder}")


def _as_json(finished: Finished) -> dict[str, Any]:
    return {
        "folder": str(finished.folder),
        "computed": finished.computed,
        "finished": len(finished.results),
        "failed": [{"axes": cell.labels, "problem": problem} for cell, problem in finished.failed],
        "files": [str(path) for path in finished.output.files],
        "summary": [row for summary in finished.output.summaries for row in summary.rows],
        "sentences": finished.output.sentences,
    }


class SweepReporter(TerminalReporter):
    """One display for the whole sweep on a terminal: a bar for the cells, and below it one for what is being done; a
    line for each cell elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(quiet)
        self._display: Progress | None = None
        self._cells: TaskID | None = None

    def __enter__(self) -> SweepReporter:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
            self._display = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
            self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def task(self, label: str, total: float | None = None) -> Task:
        """A bar of the shared display; see ``protocols.Reporter``."""
        return super().task(label, total) if self._display is None else _Bar(self._display, label, total)

    def training(self, heads: int) -> Task:
        """A bar for the heads of some cells; elsewhere silent, because the cell's own line follows."""
        if self._display is None:
            from lasca_core.host.runtime import SilentTask

            return SilentTask()
        return _Bar(self._display, f"train {heads} heads", heads)

    def begin(self, total: int, stored: int) -> None:
        """The bar of the cells."""
        if stored:
            self.note(f"{stored} of {total} cells are stored already")
        if self._display is not None:
            self._cells = self._display.add_task("cells", total=total, completed=stored, note=f"{stored} of {total}")

    def ended(self, news: News) -> None:
        """A line about a cell, and what the others will take."""
        if self.quiet:
            return
        left = "" if news.remaining is None else f", {_duration(news.remaining)} left"
        if self._display is not None and self._cells is not None:
            note = f"{news.done} of {news.total}{left}"
            self._display.update(self._cells, completed=news.done, note=note)
        result = f"failed: {news.problem}" if news.record is None else _headline(news.record)
        # sys.stderr as it is now: the display prints above itself what is written there
        click.echo(f"[{news.done}/{news.total}{left}] {news.cell}: {result}", file=sys.stderr)


class _Bar:
    """One bar of a shared display, gone when it has ended."""

    def __init__(self, display: Progress, label: str, total: float | None) -> None:
        self._display = display
        self._task = display.add_task(label, total=total, note="")

    def advance(self, amount: float = 1) -> None:
        """Count ``amount`` more as done."""
        self._display.advance(self._task, amount)

    def __enter__(self) -> Task:
        return self

    def __exit__(self, *exception: object) -> None:
        self._display.remove_task(self._task)


def _headline(record: dict[str, Any]) -> str:
    """The first numbers a person wants to see of a cell."""
    said = []
    for target, found in record["targets"].items():
        shown = [name for name in ("zero-shot", "features", "fused") if name in found["variants"]]
        scores = [f"{name} {found['variants'][name]['accuracy']:.3f}" for name in shown or found["variants"]]
        said.append(f"{target}: {', '.join(scores)}")
    return "; ".join(said)


def _duration(seconds: float) -> str:
    """Roughly how long, in words."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
