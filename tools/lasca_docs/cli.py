"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from lasca_core.cli import main
from lasca_docs import installed
from lasca_docs.markup import code, described, fence, intro, page, plain, table


def pages() -> Iterator[tuple[str, str]]:
    """(address, Markdown) of the page of all commands."""
    sections = [_section(path, command, context) for path, command, context in commands()]
    yield "reference/cli.md", page("Command line", intro("cli"), *sections)


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """(``lasca lexicon show``, the command, its context) of every command, groups before what is in them."""
    context = click.Context(main.lasca, info_name="lasca", obj=installed.settings())
    yield from _below("lasca", main.lasca, context)


def _below(
    path: str, command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            below = click.Context(inner, info_name=name, parent=context)
            yield from _below(f"{path} {name}", inner, below)


def _section(path: str, command: click.Command, context: click.Context) -> str:
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [f"## {code(path)}", fence(usage, "text"), _help(path, command)]
    if isinstance(command, click.Group):
        parts.append(_members(path, command, context))
    parts.append(_arguments(path, command, context))
    return "\n\n".join(part for part in parts if part)


def _help(path: str, command: click.Command) -> str:
    """The help as Markdown; what stands after ``\\b`` is code."""
    text = inspect.cleandoc(described(command.help, f"the command {path}"))
    parts = []
    for paragraph in re.split(r"\n\s*\n", text):
        marked = paragraph.startswith("\b")
        parts.append(fence(paragraph.lstrip("\b\n"), "sh") if marked else plain(paragraph))
    return "\n\n".join(parts)


def _members(path: str, group: click.Group, context: click.Context) -> str:
    rows = []
    for name in group.list_commands(context):
        member = group.get_command(context, name)
        assert member is not None
        anchor = f"{path} {name}".replace(" ", "-")
        rows.append((f"[`{path} {name}`](#{anchor})", member.get_short_help_str(limit=300)))
    return table(("command", "what it does"), rows)


def _arguments(path: str, command: click.Command, context: click.Context) -> str:
    """The options of a command. Those that all commands share stand with ``lasca`` alone."""
    shared = {name for parameter in main.lasca.params for name in parameter.opts} if path != "lasca" else set()
    rows = [_option(path, item, context) for item in options(command) if not set(item.opts) & shared]
    return table(("option", "default", "meaning"), rows) if rows else ""


def options(command: click.Command) -> list[click.Option]:
    """The options of a command, shared ones included."""
    return [item for item in command.params if isinstance(item, click.Option) and not item.hidden]


def _option(path: str, item: click.Option, context: click.Context) -> tuple[str, str, str]:
    names = ", ".join([*item.opts, *item.secondary_opts])
    value = "" if item.is_flag or item.count else f" {item.make_metavar(context)}"
    meaning = described(item.help, f"the option {item.opts[-1]} of {path}")
    shown = item.to_info_dict()["default"] if item.show_default else None
    return code(f"{names}{value}"), _default(shown), plain(meaning)


def _default(value: object) -> str:
    if value is None or callable(value):
        return ""
    return ", ".join(code(part) for part in value) if isinstance(value, list | tuple) else code(value)
