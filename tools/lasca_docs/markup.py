"""Markdown from docstrings, values and tables."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any


class Undocumented(Exception):  # noqa: N818  a finding about the code, named as a reader would say it
    """Something that the documentation must describe has no description."""


def described(text: str | None, what: str) -> str:
    """``text``, which must say something. Raises ``Undocumented`` naming ``what`` if it does not."""
    if not text or not text.strip():
        raise Undocumented(f"{what} has no description")
    return text


def prose(docstring: str) -> str:
    """A docstring as Markdown: double backticks become single ones, a block after ``::`` Python code, a line with an
    indented block below it an item of a list."""
    lines = inspect.cleandoc(docstring).splitlines()
    found: list[str] = []
    while lines:
        line = lines.pop(0)
        indented = list(itertools.takewhile(lambda one: not one.strip() or one.startswith("    "), lines))
        if line.endswith("::"):
            del lines[: len(indented)]
            code_block = fence(textwrap.dedent("\n".join(indented)).strip("\n"), "python")
            found += [f"{_inline(line.removesuffix('::'))}:", "", code_block, ""]
        elif line.strip() and indented and indented[0].strip():
            text = list(itertools.takewhile(str.strip, indented))
            del lines[: len(text)]
            found += ["", f"- {_inline(line)}: {_inline(' '.join(one.strip() for one in text))}"]
        else:
            found.append(_inline(line))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(found)).strip()


def _inline(line: str) -> str:
    return plain(re.sub(r"``([^`]+)``", r"`\1`", line))


def plain(text: str) -> str:
    """Text that was not written as Markdown: what is not in backticks keeps its angles and asterisks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;").replace("*", "\\*") for part in parts)


def sentence(docstring: str) -> str:
    """The same on one line, for a table's cell."""
    return " ".join(prose(docstring).split())


def fence(code: str, language: str = "", title: str = "") -> str:
    """A fenced block, with a fence that does not occur in ``code``."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    marks = "`" * max(3, longest + 1)
    caption = f' title="{title}"' if title else ""
    return f"{marks}{language}{caption}\n{code.rstrip()}\n{marks}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [_row(head), _row(["---"] * len(head))]
    return "\n".join([*lines, *(_row(row) for row in rows)])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def declaration(function: Callable[..., Any]) -> str:
    """A function as its source declares it, decorators and ``self`` included, without its body."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    (node,) = ast.parse("\n".join(lines)).body
    assert isinstance(node, ast.FunctionDef)
    declared = "\n".join(lines[: node.body[0].lineno - 1])
    return declared.rstrip().removesuffix(":")


def code(text: object) -> str:
    """Inline code."""
    return f"`{text}`"


def intro(name: str) -> str:
    """The text that somebody wrote for the head of a generated page."""
    return (Path(__file__).parent / "intros" / f"{name}.md").read_text(encoding="utf-8")


def page(title: str, head: str, *sections: str) -> str:
    """A page of a title, the text below it, and sections."""
    return "\n\n".join([f"# {title}", head.strip(), *(section.strip() for section in sections)]) + "\n"
