"""What a sweep leaves behind: Parquet, tables in Markdown and LaTeX, sentences, figures."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lasca_core.contract.protocols import Reporter
from lasca_core.experiment.sweep.curves import curve_tables, draw, learning_curves
from lasca_core.experiment.sweep.definition import Definition
from lasca_core.experiment.sweep.paper import ablation_tables, paper_tables
from lasca_core.experiment.sweep.statements import rules, statements, verdicts
from lasca_core.experiment.sweep.tidy import Summary, fold_rows, summarise_cells, write_folds, write_summaries
from lasca_core.experiment.tables import Table, to_latex, to_markdown
from lasca_core.host.store import writing

if TYPE_CHECKING:
    from lasca_core.experiment.sweep.cells import Record
    from lasca_core.experiment.sweep.plan import Cell


@dataclass(frozen=True)
class Output:
    """What the finished cells of a sweep show: rows, tables, sentences, and the files that say it.

    The first sentence tells by which rule the others judge.
    """

    summaries: list[Summary]
    tables: list[Table]
    sentences: list[str]
    files: list[Path]


def write_output(
    folder: Path,
    definition: Definition,
    results: Sequence[tuple[Cell, Record]],
    failed: Sequence[tuple[Cell, str]],
    report: Reporter,
) -> Output:
    """Write everything about at least one finished cell."""
    summaries = summarise_cells(results)
    curves = learning_curves(definition, summaries)
    if curves:
        tables = curve_tables(curves)
    else:
        tables = [*paper_tables(definition, summaries, failed), *ablation_tables(definition, summaries)]
    files = [folder / name for name in ("results.parquet", "summary.parquet", "tables.md", "tables.tex")]
    write_folds(files[0], fold_rows(results))
    write_summaries(files[1], summaries)
    said = [rule, *verdicts(summaries)] if (rule := rules(summaries)) else []
    _write(files[2], _page(definition, summaries, tables, said, failed))
    _write(files[3], "\n\n".join(map(to_latex, tables)))
    if curves and importlib.util.find_spec("matplotlib") is None:
        report.warn("the learning curves are not drawn: matplotlib is not installed; python -m pip install matplotlib")
    elif curves:
        files += [path for curve in curves for path in draw(curve, folder)]
    return Output(summaries, tables, said, files)


def _page(
    definition: Definition,
    summaries: Sequence[Summary],
    tables: Sequence[Table],
    said: Sequence[str],
    failed: Sequence[tuple[Cell, str]],
) -> str:
    parts = [f"# Sweep {definition.name}"]
    parts += [to_markdown(table) for table in tables]
    if said:
        parts += [f"## What the comparisons show\n\n{said[0]}", _bullets(said[1:])]
        parts += ["## Every comparison", _bullets(list(statements(summaries)))]
    if failed:
        parts += ["## Cells that failed", _bullets([f"{cell}: {problem}" for cell, problem in failed])]
    return "\n\n".join(parts)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _write(path: Path, text: str) -> None:
    with writing(path) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8")
