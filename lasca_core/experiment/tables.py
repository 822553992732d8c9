"""Tables for papers: one model of a table, written as Markdown or as LaTeX with booktabs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One row: its labels under the table's stub, its cells under the columns, and whether others published it."""

    labels: tuple[str, ...]
    cells: tuple[str, ...]
    published: bool = False


@dataclass(frozen=True)
class Table:
    """A table: ``stub`` heads the row labels; each of ``columns`` is a heading, outermost level first, all of equal
    depth; ``notes`` stand below."""

    caption: str
    stub: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len({len(column) for column in self.columns}) > 1:
            raise ValueError("all columns of a table need headings of equal depth")
        for row in self.rows:
            if (len(row.labels), len(row.cells)) != (len(self.stub), len(self.columns)):
                raise ValueError(f"the row {row.labels} does not fit the table's head")


def to_markdown(table: Table) -> str:
    """A table in GitHub's Markdown, aligned so that it also reads well as plain text."""
    head = [*table.stub, *(", ".join(level for level in column if level) for column in table.columns)]
    body = [[*row.labels, *row.cells] for row in table.rows]
    text = [[cell.replace("|", "\\|") for cell in line] for line in [head, *body]]
    widths = [max(3, *(len(line[place]) for line in text)) for place in range(len(head))]
    rule = ["-" * width if place < len(table.stub) else "-" * (width - 1) + ":" for place, width in enumerate(widths)]
    lines = []
    for line in [text[0], rule, *text[1:]]:
        cells = [
            cell.ljust(width) if place < len(table.stub) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"\n{note}" for note in table.notes]
    return "\n".join([f"**{table.caption}**", "", *lines, *notes])


def to_latex(table: Table) -> str:
    """A LaTeX table that needs the packages ``booktabs`` and ``graphicx``; published rows stand apart, in italics."""
    align = "l" * len(table.stub) + "r" * len(table.columns)
    lines = [
        "\\begin{table}[t]",
        "\\centering",
        f"\\caption{{{_escaped(table.caption)}}}",
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"\\begin{{tabular}}{{{align}}}",
        "\\toprule",
        *_latex_head(table),
        "\\midrule",
    ]
    published = False
    for row in table.rows:
        if row.published and not published:
            lines.append("\\midrule")
            published = True
        cells = [_escaped(cell) for cell in (*row.labels, *row.cells)]
        lines.append(_latex_row([f"\\textit{{{cell}}}" if cell else "" for cell in cells] if row.published else cells))
    lines += ["\\bottomrule", "\\end{tabular}}"]
    lines += [f"\\par\\smallskip{{\\footnotesize {_escaped(note)}}}" for note in table.notes]
    return "\n".join([*lines, "\\end{table}"])


def _latex_head(table: Table) -> list[str]:
    """One line for each level of headings; equal neighbours under equal parents are joined."""
    depth = len(table.columns[0]) if table.columns else 0
    lines = []
    for level in range(depth):
        last = level == depth - 1
        cells = [*table.stub] if last else [""] * len(table.stub)
        rules = []
        place = len(table.stub) + 1
        for _, group in itertools.groupby(table.columns, key=lambda column: column if last else column[: level + 1]):
            columns = list(group)
            label, width = _escaped(columns[0][level]), len(columns)
            cells.append(label if width == 1 else f"\\multicolumn{{{width}}}{{c}}{{{label}}}")
            if not last and label:
                rules.append(f"\\cmidrule(lr){{{place}-{place + width - 1}}}")
            place += width
        escaped = [_escaped(cell) for cell in cells[: len(table.stub)]] + cells[len(table.stub) :]
        lines.append(_latex_row(escaped))
        if rules:
            lines.append(" ".join(rules))
    return lines


def _latex_row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
