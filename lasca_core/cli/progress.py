"""Progress and notes on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress

    from lasca_core.contract.protocols import Task


class TerminalReporter:
    """Says each note and warning once, on stderr, and shows progress bars where a person can see them."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.warnings: list[str] = []
        self._notes: set[str] = set()

    def note(self, message: str) -> None:
        """A note, once."""
        if message not in self._notes and not self.quiet:
            click.echo(message, file=sys.stderr)
        self._notes.add(message)

    def warn(self, message: str) -> None:
        """A warning, once, even when quiet."""
        if message not in self.warnings:
            click.echo(f"lasca: warning: {message}", file=sys.stderr)
            self.warnings.append(message)

    def task(self, label: str, total: float | None = None) -> Task:
        """A progress bar; see ``protocols.Reporter``."""
        return TerminalTask(label, total, self.quiet)


class TerminalTask:
    """One progress bar on a terminal; a single line at its start elsewhere."""

    def __init__(self, label: str, total: float | None, quiet: bool) -> None:
        self._label = label
        self._total = total
        self._quiet = quiet
        self._progress: Progress | None = None

    def advance(self, amount: float = 1) -> None:
        """Count ``amount`` more as done."""
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0], amount)

    def __enter__(self) -> Task:
        if self._quiet:
            return self
        if not sys.stderr.isatty():
            click.echo(f"{self._label} ...", file=sys.stderr)
            return self
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._progress.start()
        self._progress.add_task(self._label, total=self._total)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()
