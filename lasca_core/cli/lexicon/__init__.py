"""`lasca lexicon`: read, compare, check, measure and build lexicons. A subcommand is imported when it runs.

A plugin adds a subcommand as a command of its own whose name begins with the group's: the command ``lexicon-build`` of
a plugin is ``lasca lexicon build``. Its context's object is the ``Workbench``.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator

import click

from lasca_core.cli.common import Settings, common_options
from lasca_core.cli.lexicon.workbench import Workbench

COMMANDS: dict[str, tuple[str, str]] = {
    "list": ("lasca_core.cli.lexicon.listing:list_lexicons", "List the installed lexicons."),
    "show": ("lasca_core.cli.lexicon.listing:show", "Show what a lexicon says."),
    "diff": ("lasca_core.cli.lexicon.diff:diff", "Compare two lexicons."),
    "check": ("lasca_core.cli.lexicon.check:check", "Check lexicons for faults."),
    "measure": ("lasca_core.cli.lexicon.measure:measure", "Measure what a lexicon's words are worth on a dataset."),
}
"""Subcommand -> where it lives, and its line in the help."""

PREFIX = "lexicon-"


class LexiconGroup(click.Group):
    """The group's own commands, and those that plugins add to it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The group's own commands in their order, then those of plugins."""
        return [*COMMANDS, *(name for name, _ in self._offered(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, imported now."""
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            own: click.Command = getattr(importlib.import_module(module), attribute)
            return own
        registry = ctx.ensure_object(Settings).registry
        if cmd_name in dict(self._offered(ctx)):
            from lasca_core.host.plugins import load_target

            registered = registry.find("command", PREFIX + cmd_name)
            command: click.Command = copy.copy(load_target(registered, registered.spec.target))
            command.name, command.params = cmd_name, list(command.params)  # a copy: the plugin's own stays as it is
            return common_options(command)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from their summaries alone."""
        rows = [(name, summary) for name, (_, summary) in COMMANDS.items()]
        with formatter.section("Commands"):
            formatter.write_dl([*rows, *self._offered(ctx)])

    def _offered(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """(name, summary) of the subcommands of plugins."""
        for registered in ctx.ensure_object(Settings).registry.all("command"):
            name = registered.spec.name.removeprefix(PREFIX)
            if name != registered.spec.name and name not in COMMANDS:
                yield name, registered.spec.summary


@click.group(cls=LexiconGroup, short_help="Show and check lexicons.")
@common_options
@click.pass_context
def lexicon(ctx: click.Context) -> None:
    """List, show, compare, check, measure and build lexicons.

    NAME is that of an installed lexicon, or the folder of one.
    """
    ctx.obj = Workbench(ctx.ensure_object(Settings))
