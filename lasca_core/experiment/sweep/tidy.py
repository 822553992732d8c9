"""The results of a sweep as tidy rows, and as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lasca_core.experiment.metrics import holm
from lasca_core.experiment.results import is_shown
from lasca_core.experiment.sweep.definition import label_of
from lasca_core.host.store import writing

if TYPE_CHECKING:
    import pyarrow as pa

    from lasca_core.experiment.sweep.cells import Record
    from lasca_core.experiment.sweep.plan import Cell

    Results = Sequence[tuple[Cell, Record]]

RowDict = dict[str, Any]

_FOLD_COLUMNS = {
    "dataset": "string",
    "synthetic": "bool",
    "target": "string",
    "variant": "string",
    "seed": "int32",
    "fold": "int32",
    "train_subjects": "int32",
    "train_pairs": "int32",
    "test_pairs": "int32",
    "accuracy": "float64",
    "balanced_accuracy": "float64",
    "auc": "float64",
}
_SUMMARY_COLUMNS = {
    "dataset": "string",
    "synthetic": "bool",
    "target": "string",
    "kind": "string",
    "name": "string",
    "mean": "float64",
    "sd": "float64",
    "low": "float64",
    "high": "float64",
    "confidence": "float64",
    "p": "float64",
    "p_holm": "float64",
    "shown": "bool",
    "folds": "int32",
    "pairs": "int32",
    "subjects": "int32",
    "balanced_accuracy": "float64",
    "auc": "float64",
    "parameters": "int64",
    "abstains": "bool",
}
COLUMNS = frozenset({*_FOLD_COLUMNS, *_SUMMARY_COLUMNS})
"""Names that no axis may have."""


def fold_rows(results: Results) -> list[RowDict]:
    """One row for each cell, target, variant, seed and fold."""
    rows = []
    for cell, record in results:
        known = {**_axes(cell), "dataset": cell.config.run.dataset, "synthetic": cell.synthetic}
        for target, found in record["targets"].items():
            for variant, folds in found["folds"].items():
                rows += [{**known, "target": target, "variant": variant, **fold} for fold in folds]
    return rows


@dataclass(frozen=True)
class Summary:
    """What a finished cell shows: one row for each target, and variant or comparison of variants.

    Of a variant, ``mean`` and ``sd`` are those of its accuracy over folds, ``low`` and ``high`` the interval of its
    accuracy over all pairs. Of a comparison, ``mean`` is the difference over all pairs, with its interval, ``sd`` that
    of the folds' differences, and ``p_holm`` is corrected for all comparisons of all cells.
    """

    cell: Cell
    record: Record
    rows: list[RowDict]

    def of(self, target: str, name: str) -> RowDict | None:
        """The row of a variant or a comparison."""
        return next((row for row in self.rows if (row["target"], row["name"]) == (target, name)), None)

    @property
    def targets(self) -> list[str]:
        """The targets of the cell."""
        return list(self.record["targets"])


def summarise_cells(results: Results) -> list[Summary]:
    """What every finished cell shows, in their order."""
    found = [Summary(cell, record, _summary_rows(cell, record)) for cell, record in results]
    correct_for_all([row for summary in found for row in summary.rows if row["kind"] == "comparison"])
    return found


def correct_for_all(comparisons: Sequence[RowDict]) -> None:
    """Judge every comparison of a sweep, each having ``p`` and its interval: set ``p_holm``, corrected for all of them,
    ``least_p``, the smallest that so few subjects could give, and ``shown``."""
    for row, p in zip(comparisons, holm([row["p"] for row in comparisons]), strict=True):
        row["p_holm"] = p
        row["least_p"] = min(1.0, 2.0 ** (1 - row["subjects"]) * len(comparisons))
        row["shown"] = is_shown({**row, "p_corrected": p})


def _summary_rows(cell: Cell, record: Record) -> list[RowDict]:
    rows = []
    for target, found in record["targets"].items():
        about = {
            **_axes(cell),
            "dataset": cell.config.run.dataset,
            "synthetic": cell.synthetic,
            "target": target,
            "confidence": cell.config.evaluate.confidence,
            "pairs": found["pairs"]["kept"],
            "subjects": found["subjects"],
        }
        rows += [{**about, "kind": "variant", "name": name, **_variant(row)} for name, row in found["variants"].items()]
        rows += [
            {**about, "kind": "comparison", "name": name, **_comparison(name, row, found["folds"])}
            for name, row in found["comparisons"].items()
        ]
    return rows


def _variant(row: RowDict) -> RowDict:
    low, high = row["accuracy_interval"] or (None, None)
    return {
        "mean": row["accuracy"],
        "sd": row["accuracy_sd"],
        "low": low,
        "high": high,
        "folds": len(row["accuracy_by_fold"]),
        "balanced_accuracy": row["balanced_accuracy"],
        "auc": row["auc"],
        "parameters": row["parameters"],
        "abstains": row["abstains"],
    }


def _comparison(name: str, row: RowDict, folds: dict[str, list[RowDict]]) -> RowDict:
    first, second = (np.array([fold["accuracy"] for fold in folds[variant]]) for variant in name.split(" - "))
    return {
        "mean": row["difference"],
        "sd": float(np.std(first - second, ddof=1)) if len(first) > 1 else 0.0,
        "low": row["low"],
        "high": row["high"],
        "p": row["p"],
        "folds": len(first),
    }


def write_folds(path: Path, rows: Sequence[RowDict]) -> None:
    """``fold_rows`` as Parquet."""
    _write(path, rows, _FOLD_COLUMNS)


def write_summaries(path: Path, summaries: Sequence[Summary]) -> None:
    """The rows of all summaries as Parquet."""
    _write(path, [row for summary in summaries for row in summary.rows], _SUMMARY_COLUMNS)


def _write(path: Path, rows: Sequence[RowDict], columns: dict[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    axes = [name for name in rows[0] if name not in columns]
    arrays = {name: _axis_array([row[name] for row in rows]) for name in axes}
    for name, kind in columns.items():
        arrays[name] = pa.array([row.get(name) for row in rows], type=pa.type_for_alias(kind))
    with writing(path) as temporary:
        pq.write_table(pa.table(arrays), temporary)


def _axis_array(values: Sequence[Any]) -> pa.Array:
    """Numbers stay numbers; anything else is written as tables name it."""
    import pyarrow as pa

    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return pa.array(values, type=pa.int64() if all(isinstance(value, int) for value in values) else pa.float64())
    return pa.array([label_of(value) for value in values], type=pa.string())


def _axes(cell: Cell) -> RowDict:
    return {name: choice.value for name, choice in cell.point.items()}
