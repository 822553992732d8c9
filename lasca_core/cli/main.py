"""The command `lasca`: finds commands without importing them, and turns errors into one sentence and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, NoReturn

import click

from lasca_core import __version__
from lasca_core.cli.common import Settings, common_options, warn_once
from lasca_core.contract.errors import LascaError

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("lasca_core.cli.run:run", "Extract, describe, encode, train and evaluate: the main job."),
    "sweep": ("lasca_core.cli.sweep:sweep", "Cross any options in one file, resumably, and print the tables."),
    "predict": ("lasca_core.cli.predict:predict", "Say window by window whether affect rises or falls, and why."),
    "report": ("lasca_core.cli.report:report", "Show a run, or a recording and what is said of it, as a page."),
    "extract": ("lasca_core.cli.extract:extract", "Write the named features of recordings to Parquet."),
    "bench": ("lasca_core.cli.bench:bench", "Time each stage and the whole path beside what people use otherwise."),
    "plugins": ("lasca_core.cli.plugins:plugins", "List, show, check and begin plugins."),
    "weights": ("lasca_core.cli.weights:weights", "List, fetch and verify pretrained files."),
    "lexicon": ("lasca_core.cli.lexicon:lexicon", "Show and check lexicons."),
    "data": ("lasca_core.cli.data:data", "List, make and check datasets."),
    "doctor": ("lasca_core.cli.doctor:doctor", "Check device, plugins, weights and cache, with the fix for each."),
}
"""Built-in commands: where each one lives, and its line in the help (a test compares it with the command's own)."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they run; plugins may add commands but not replace built-in ones."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Built-in commands in their own order, then those of plugins."""
        return [*COMMANDS, *sorted(self._offered(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, imported now."""
        command: click.Command
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            command = getattr(importlib.import_module(module), attribute)
            return command
        if cmd_name in self._offered(ctx):
            from lasca_core.host.plugins import load_target

            registered = ctx.ensure_object(Settings).registry.find("command", cmd_name)
            command = load_target(registered, registered.spec.target)
            return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from their summaries alone."""
        rows = [(name, summary) for name, (_, summary) in COMMANDS.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        if offered := self._offered(ctx):
            with formatter.section("Commands of plugins"):
                formatter.write_dl(sorted(offered.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does it, with the nearest names in the error about an unknown command."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else "see lasca --help"
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def _offered(self, ctx: click.Context) -> dict[str, str]:
        """Name -> summary of the commands of plugins; one that is named like a built-in command is left out, aloud."""
        offered = {}
        for registered in ctx.ensure_object(Settings).registry.all("command"):
            if registered.spec.name.startswith("lexicon-"):
                continue  # a command of `lasca lexicon`
            if registered.spec.name not in COMMANDS:
                offered[registered.spec.name] = registered.spec.summary
            else:
                warn_once(f"{registered} is left out: lasca has a command of that name")
        return offered


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lasca")
@common_options
def lasca() -> None:
    """Tell from a face and a voice whether valence or arousal rises or falls between windows of a recording, and why.

    Start with `lasca run`, then `lasca predict VIDEO --model runs/latest`.
    """


def main() -> NoReturn:
    """Run the command line; exit code 2 for the user's mistakes, 1 for ours, 130 when interrupted."""
    settings = Settings()
    if not sys.stdout.isatty() and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")  # a file gets every lexicon's language, on Windows too
    sys.exit(_guarded(settings))


def _guarded(settings: Settings) -> int:
    try:
        result = lasca.main(standalone_mode=False, obj=settings, prog_name="lasca")
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        if settings.debug:
            raise
        return _say(error.format_message(), error.exit_code if error.exit_code != 1 else 2)
    except LascaError as error:
        if settings.debug:
            raise
        return _say(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted; what was computed is in the cache, and the same command goes on from there", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone; Python flushes once more
        return 0
    except OSError as error:  # of our own files StoreError and MediaError speak; this is stdout, or the unforeseen
        if settings.debug:
            raise
        return _say(f"{error.filename or 'output'} cannot be read or written ({error.strerror or error})", 2)
    except Exception as error:
        if settings.debug:
            raise
        text = " ".join(str(error).split())
        return _say(f"internal error: {type(error).__name__}: {text} (run `lasca --debug ...` for the traceback)", 1)


def _say(message: str, code: int) -> int:
    click.echo(f"lasca: {message}", err=True)
    return code
