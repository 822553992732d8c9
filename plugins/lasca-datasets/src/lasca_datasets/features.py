"""Reads one feature table: named features over time, ready for use, as `lasca extract` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from lasca_core.api import DatasetError, Reporter, Track
from lasca_datasets.tables import Table, is_parquet, read_parquet, read_table

_TIME, _VALID = "time", "valid"
_TRUTH = {"true": "1", "false": "0"}
_INDEX = ("", "__index_level_0__")  # how pandas calls an index without a name in CSV and in Parquet


def read_features(path: Path, delimiter: str, report: Reporter) -> Track:
    """The track in the Parquet or CSV file ``path``: columns ``time`` (seconds), perhaps ``valid``, and the features.

    Rows may come in any order. A row with a cell that is empty, NaN or infinite is not valid; unless ``valid`` says so
    already, such rows are counted in one warning. An index that pandas wrote is ignored. A table does not tell which
    features are signed, so ``signed`` is empty.

    Raises ``DatasetError`` naming the file, and the row where there is one, if anything else is found.
    """
    import torch

    table = _ParquetNumbers(path) if is_parquet(path) else _TextNumbers(path, delimiter)
    time, valid = table.header.require(_TIME), table.header.find(_VALID)
    names = tuple(name for name in table.header.columns if name not in (time, valid, *_INDEX))
    if not names:
        raise DatasetError(f"{path}: no feature column, only {', '.join(map(repr, table.header.columns))}")
    if not table.rows:
        raise DatasetError(f"{path}: there is no row below the header")

    times = table.column(time)
    order = _ascending(path, table.rows, times)
    stated = np.ones(len(times)) if valid is None else _truth(path, table.rows, table.column(valid))
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, hence not valid
        values = np.stack([table.column(name) for name in names], axis=1).astype(np.float32)
    known = np.isfinite(values).all(axis=1) & (stated == 1)
    if lost := int((~known & (stated != 0)).sum()):
        report.warn(f"{path}: {lost} of {len(times)} rows hold empty, NaN or infinite cells and count as not valid")
    values[~known] = 0.0
    return Track(
        names,
        torch.from_numpy(values[order]),
        torch.from_numpy(times[order]),
        torch.from_numpy(known[order]),
    )


def _ascending(path: Path, rows: Sequence[int], times: np.ndarray) -> np.ndarray:
    """The order that sorts the rows by time, int64 [T]."""
    if (row := _first(rows, ~np.isfinite(times))) is not None:
        raise DatasetError(f"{path}, row {row}: the time is empty, NaN or infinite")
    order = np.argsort(times, kind="stable")
    repeated = np.flatnonzero(np.diff(times[order]) == 0)
    if len(repeated):
        first, second = (int(place) for place in order[repeated[0] : repeated[0] + 2])
        raise DatasetError(f"{path}, row {rows[second]}: the time {times[second]} is already in row {rows[first]}")
    return order


def _truth(path: Path, rows: Sequence[int], stated: np.ndarray) -> np.ndarray:
    """``stated`` [T], of which each is 0, 1 or, where the cell is empty, NaN."""
    if (row := _first(rows, ~np.isin(stated, (0.0, 1.0)) & ~np.isnan(stated))) is not None:
        raise DatasetError(f"{path}, row {row}: valid must be true or false, 1 or 0")
    return stated


def _first(rows: Sequence[int], fault: np.ndarray) -> int | None:
    """The number of the first row with ``fault`` bool [T], or None."""
    return rows[int(fault.argmax())] if fault.any() else None


class _Numbers(Protocol):
    """A table whose columns can be read as numbers."""

    header: Table
    rows: Sequence[int]
    """The number of each row in the file, for error messages."""

    def column(self, name: str) -> np.ndarray:
        """float64 [T], NaN for an empty cell. Raises ``DatasetError`` naming the row of a cell that is no number."""
        ...


class _TextNumbers:
    """The columns of a CSV file."""

    def __init__(self, path: Path, delimiter: str) -> None:
        self.header = read_table(path, (_TIME, _VALID), delimiter)
        self.rows = [row for row, _ in self.header.rows]

    def column(self, name: str) -> np.ndarray:
        """See ``_Numbers.column``."""
        place = self.header.columns.index(name)
        words = _TRUTH if name.casefold() == _VALID else {}
        numbers = []
        for row, cells in self.header.rows:
            self.header.check(row, cells)
            cell = cells[place]
            numbers.append(self.header.number(row, name, words.get(cell.strip().casefold(), cell)))
        return np.array(numbers)


class _ParquetNumbers:
    """The columns of a Parquet file."""

    def __init__(self, path: Path) -> None:
        self._table = read_parquet(path)
        self.header = Table(path, tuple(self._table.column_names), (), delimiter=None)
        self.rows = range(1, self._table.num_rows + 1)

    def column(self, name: str) -> np.ndarray:
        """See ``_Numbers.column``."""
        import pyarrow
        from pyarrow import types

        cells = self._table[name]
        kind = cells.type
        if cells.null_count == len(cells):
            return np.full(len(cells), np.nan)
        if not any(fits(kind) for fits in (types.is_floating, types.is_integer, types.is_decimal, types.is_boolean)):
            place, cell = next((place, cell) for place, cell in enumerate(cells.to_pylist()) if cell is not None)
            raise DatasetError(
                f"{self.header.path}, row {self.rows[place]}: {name} is {cell!r} ({kind}), which is not a number"
            )
        return np.array(cells.cast(pyarrow.float64(), safe=False).to_numpy())
