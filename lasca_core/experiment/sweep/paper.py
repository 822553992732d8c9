"""The tables of a sweep in the paper's form: methods by condition, with published rows beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lasca_core.experiment.representations import RECIPES
from lasca_core.experiment.sweep import labels
from lasca_core.experiment.sweep.definition import Definition
from lasca_core.experiment.sweep.published import comparable, literature
from lasca_core.experiment.tables import Row, Table

if TYPE_CHECKING:
    from lasca_core.experiment.sweep.plan import Cell
    from lasca_core.experiment.sweep.tidy import RowDict, Summary

_FAILED = "failed"
_ANY = "any"

Column = tuple[str, str]
"""Condition and target."""


@dataclass
class _Sheet:
    """One table in the making: texts by method (a variant with its place on the row axes) and column."""

    cell: Cell
    columns: dict[Column, None] = field(default_factory=dict)
    methods: dict[tuple[str, ...], dict[Column, str]] = field(default_factory=dict)

    def put(self, method: tuple[str, ...], column: Column, text: str) -> None:
        """Write a text where it belongs."""
        self.columns.setdefault(column)
        self.methods.setdefault(method, {})[column] = text

    def rows(self) -> Iterator[tuple[tuple[str, ...], dict[Column, str]]]:
        """Methods in the order of variants. A variant without words is the same with any encoder or lexicon: where all
        of its rows agree, they are one."""
        for variant in dict.fromkeys(method[0] for method in self.methods):
            own = {method: texts for method, texts in self.methods.items() if method[0] == variant}
            joined = _agreed(list(own.values())) if RECIPES[variant].words is None and len(own) > 1 else None
            if joined is not None:
                yield (variant, *[_ANY] * (len(next(iter(own))) - 1)), joined
            else:
                yield from own.items()


def _agreed(rows: Sequence[dict[Column, str]]) -> dict[Column, str] | None:
    """One row from rows that nowhere contradict each other; a failed cell says nothing."""
    joined: dict[Column, str] = {}
    for texts in rows:
        for column, text in texts.items():
            known = joined.get(column, _FAILED)
            if _FAILED not in (known, text) and known != text:
                return None
            joined[column] = text if known == _FAILED else known
    return joined


def paper_tables(
    definition: Definition, summaries: Sequence[Summary], failed: Sequence[tuple[Cell, str]]
) -> list[Table]:
    """One table for each data set and modality."""
    row_axes = labels.axes_of(definition.axes, "row")
    stub = ("method", *(name.rpartition(".")[2] for name in row_axes), "source")
    return [_table(sheet, stub) for sheet in _sheets(definition, row_axes, summaries, failed)]


def _sheets(
    definition: Definition, row_axes: Sequence[str], summaries: Sequence[Summary], failed: Sequence[tuple[Cell, str]]
) -> list[_Sheet]:
    table_axes, column_axes = (labels.axes_of(definition.axes, role) for role in ("table", "column"))
    sheets: dict[tuple[str, ...], _Sheet] = {}
    segmented = {summary.cell.config.run.dataset for summary in summaries if summary.record["data"]["segments"]}

    def place(cell: Cell) -> tuple[_Sheet, str, tuple[str, ...]]:
        key = (labels.data_name(cell), labels.features_name(cell), *labels.labels_on(cell, table_axes))
        condition = labels.condition(cell, segments=cell.config.run.dataset in segmented)
        column = ", ".join((condition, *labels.labels_on(cell, column_axes)))
        return sheets.setdefault(key, _Sheet(cell)), column, labels.labels_on(cell, row_axes)

    for summary in summaries:
        sheet, column, method = place(summary.cell)
        for target in labels.in_order(summary.targets):
            for variant in summary.cell.config.evaluate.variants:
                row = summary.of(target, variant)
                if row is not None:
                    sheet.put((variant, *method), (column, target), labels.score(row) + _mark(summary, target, variant))
    for cell, _ in failed:
        sheet, column, method = place(cell)
        for target in dict.fromkeys(target for _, target in sheet.columns):
            for variant in cell.config.evaluate.variants:
                sheet.put((variant, *method), (column, target), _FAILED)
    return [sheet for sheet in sheets.values() if sheet.columns]


def _mark(summary: Summary, target: str, variant: str) -> str:
    """An arrow if fused differs from features, or zero-shot from the majority, after correction for all comparisons."""
    other = {"fused": "features", "zero-shot": "majority"}.get(variant)
    row = summary.of(target, f"{variant} - {other}")
    if row is None or not row["shown"]:
        return ""
    return " ↑" if row["mean"] > 0 else " ↓"


def _table(sheet: _Sheet, stub: tuple[str, ...]) -> Table:
    cell = sheet.cell
    targets = {target for _, target in sheet.columns}
    published = [
        row
        for row in literature().beside(cell.config.run.dataset, labels.modality(cell))
        if targets & row.scores.keys()
    ]
    columns = dict(sheet.columns)
    for row in published:
        columns.update({(row.condition, target): None for target in labels.in_order(targets) if target in row.scores})

    def row_of(method: tuple[str, ...], texts: Mapping[Column, str], *, published: bool) -> Row:
        return Row(method, tuple(texts.get(column, labels.MISSING) for column in columns), published)

    rows = [row_of((*method, "ours"), texts, published=False) for method, texts in sheet.rows()]
    for row in published:
        texts = {(row.condition, target): f"{value:.2f}" for target, value in row.scores.items()}
        method = (row.method, *[""] * (len(stub) - 2), f"published, {row.data}")
        rows.append(row_of(method, texts, published=True))
    caption = (
        f"{labels.data_name(cell)}, {labels.features_name(cell)}: accuracy of the direction of change, "
        f"mean ± s.d. over {labels.protocol(cell.config)}"
    )
    return Table(caption, stub, tuple(columns), tuple(rows), tuple(_notes(sheet, with_published=bool(published))))


def _notes(sheet: _Sheet, *, with_published: bool) -> Iterator[str]:
    texts = [text for row in sheet.methods.values() for text in row.values()]
    if any(text.endswith(("↑", "↓")) for text in texts):
        yield (
            "↑ ↓: fused differs from features, or zero-shot from the majority, also after correction for all "
            "comparisons of the sweep."
        )
    if _FAILED in texts:
        yield "failed: the reasons stand in sweep.json."
    if sheet.cell.synthetic:
        yield labels.SYNTHETIC
    if with_published:
        other = "" if comparable(sheet.cell.config.run.dataset) else ", on other recordings than ours"
        yield (
            f"Rows marked published are {literature().source}{other}; none of them was computed here. Their LaScA is "
            "what is called fused here."
        )


def ablation_tables(definition: Definition, summaries: Sequence[Summary]) -> list[Table]:
    """For each data set whose modality is known: the paper's two ablations beside ours, under one condition."""
    found: dict[str, list[Summary]] = {}
    for summary in summaries:
        if labels.modality(summary.cell):
            found.setdefault(labels.data_name(summary.cell), []).append(summary)
    wanted = {row.variant for row in literature().ablations}
    tables = []
    for group in found.values():
        chosen = _of_one_condition(definition, group)
        if len(wanted & set(chosen[0].cell.config.evaluate.variants)) > 1:
            tables.append(_ablation(definition, chosen))
    return tables


def _of_one_condition(definition: Definition, summaries: Sequence[Summary]) -> list[Summary]:
    """One cell for each modality: under the condition of the published results, or else under the last one; the first
    choice of everything else."""
    conditions = [labels.condition(summary.cell, segments=summary.record["data"]["segments"]) for summary in summaries]
    usual = {row.condition for row in literature().results}
    condition = next((name for name in conditions if name in usual), conditions[-1])
    chosen: dict[str, Summary] = {}
    for name, summary in zip(conditions, summaries, strict=True):
        if name == condition:
            chosen.setdefault(labels.features_name(summary.cell), summary)
    return list(chosen.values())


def _ablation(definition: Definition, chosen: Sequence[Summary]) -> Table:
    first = chosen[0]
    columns: list[Column] = []
    for summary in chosen:
        targets = labels.in_order(summary.targets)
        columns += [(labels.features_name(summary.cell), target) for target in targets]
    published = [("published", target) for target in labels.in_order(first.targets) if target in ("arousal", "valence")]
    rows = []
    for row in literature().ablations:
        texts = [
            _text(summary.of(target, row.variant)) for summary in chosen for target in labels.in_order(summary.targets)
        ]
        texts += [f"{row.scores[target]:.2f}" for _, target in published]
        rows.append(Row((row.ablation, row.method, row.variant), tuple(texts)))
    condition = labels.condition(first.cell, segments=first.record["data"]["segments"])
    rest = labels.labels_on(first.cell, labels.axes_of(definition.axes, "row"))
    notes = [
        f"The columns published are {literature().source}; data and condition of its ablations are not known to us."
    ]
    if first.cell.synthetic:
        notes.insert(0, labels.SYNTHETIC)
    return Table(
        f"{labels.data_name(first.cell)}, {', '.join((condition, *rest))}: ablations, accuracy, mean ± s.d. over "
        f"{labels.protocol(first.cell.config)}",
        ("ablation", "method", "variant"),
        (*columns, *published),
        tuple(rows),
        tuple(notes),
    )


def _text(row: RowDict | None) -> str:
    return labels.MISSING if row is None else labels.score(row)
