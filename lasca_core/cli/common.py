"""What all commands share: the settings given before or after the command's name, the runtime, output helpers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lasca_core.host.plugins import Registry
    from lasca_core.host.runtime import HostRuntime

FuncT = TypeVar("FuncT", bound=Callable[..., Any])


@dataclass
class Settings:
    """What the person set for this call of ``lasca``, whatever the command."""

    debug: bool = False
    quiet: bool = False
    disabled: tuple[str, ...] = ()
    cache: Path | None = None
    offline: bool = False

    @cached_property
    def registry(self) -> Registry:
        """All plugins; a faulty one is one line on stderr."""
        from lasca_core.host.plugins import discover

        registry = discover(self.disabled)
        for warning in registry.warnings:
            click.echo(f"lasca: warning: {warning}", err=True)
        return registry

    def runtime(self, device: str = "auto", seed: int = 0) -> HostRuntime:
        """The runtime for this call."""
        from lasca_core.cli.progress import TerminalReporter
        from lasca_core.host.runtime import HostRuntime, default_cache, default_offline

        return HostRuntime(
            cache=self.cache or default_cache(),
            device_name=device,
            seed=seed,
            offline=self.offline or default_offline(),
            report=TerminalReporter(quiet=self.quiet),
        )


_WARNED: set[str] = set()


def warn_once(message: str) -> None:
    """A warning line on stderr, once in this process."""
    if message not in _WARNED:
        _WARNED.add(message)
        click.echo(f"lasca: warning: {message}", err=True)


def _store(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Keep an option in the settings, if it was given at this place of the command line."""

    def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value:
            settings = ctx.ensure_object(Settings)
            setattr(settings, name, settings.disabled + value if name == "disabled" else value)

    return callback


def _flag(*names: str, keep: str, text: str, eager: bool = False) -> Callable[[FuncT], FuncT]:
    """A flag that is kept in the settings."""
    return click.option(*names, is_flag=True, expose_value=False, callback=_store(keep), is_eager=eager, help=text)


_COMMON = [
    _flag("--debug", keep="debug", text="Show the traceback of an error.", eager=True),
    _flag("-q", "--quiet", keep="quiet", text="Show neither progress nor notes."),
    _flag("--offline", keep="offline", text="Fetch nothing; also $LASCA_OFFLINE."),
    click.option(
        "--cache", type=click.Path(file_okay=False, path_type=Path), expose_value=False, callback=_store("cache"),
        help="Folder of stored features, embeddings and weights; also $LASCA_CACHE.",
    ),
    click.option(
        "--disable-plugin", metavar="NAME", multiple=True, expose_value=False, callback=_store("disabled"),
        is_eager=True,
        help="Leave a plugin or distribution out (repeatable); $LASCA_PLUGINS names the only ones to load.",
    ),
]  # fmt: skip


def common_options(function: FuncT) -> FuncT:
    """The options every command has, which may stand before or after the command's name."""
    for option in reversed(_COMMON):
        function = option(function)
    return function


def device_option(function: FuncT) -> FuncT:
    """``--device``, for commands that compute."""
    return click.option(
        "--device", default="auto", show_default=True, help="auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:1, mps."
    )(function)


SECONDS = click.FloatRange(min=0.01)
"""A length of time that a person may give."""


def fps_option(function: FuncT) -> FuncT:
    """``--fps``, for folders of images."""
    rate = click.FloatRange(min=0, min_open=True)
    return click.option("--fps", type=rate, help="Frames a second of a folder of images (default: 30).")(function)


def option_option(function: FuncT) -> FuncT:
    """``-o stage.key=value``, repeatable."""
    return click.option(
        "-o", "--option", "assignments", multiple=True, metavar="STAGE.KEY=VALUE",
        help="Set an option of a stage or component, as in -o windows.length=5 (repeatable).",
    )(function)  # fmt: skip


def print_json(value: Any) -> None:
    """A value as JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(
    head: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None, numeric: int | None = None
) -> None:
    """A table on stdout: drawn where a terminal reads it, plain aligned columns otherwise.

    Columns from ``numeric`` on are aligned to the right.
    """
    import sys

    text = [[str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=title, title_justify="left", title_style="bold")
        for index, name in enumerate(head):
            table.add_column(
                name, justify="right" if numeric is not None and index >= numeric else "left", overflow="fold"
            )
        for row in text:
            table.add_row(*(escape(cell) for cell in row))
        Console().print(table)
        return
    widths = [max(len(row[index]) for row in [list(head), *text]) for index in range(len(head))]
    if title:
        click.echo(title)
    for row in [list(head), *text]:
        cells = [
            cell.rjust(width) if numeric is not None and index >= numeric else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())
