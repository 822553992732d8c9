"""Reads small text tables of numbers whose first row may or may not name the columns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lasca_core.api import DatasetError
from lasca_datasets.tables import Table, lines_of, read_bytes

_DELIMITERS = (";", "\t", ",")  # a file with semicolons or tabs may have commas in its numbers
_FIRST = frozenset({"time", "timestamp", "timestamps", "seconds", "frame", "name"})
"""What the first column is called in a header whose other names may be numbers, such as those of raters."""


@dataclass(frozen=True)
class Sheet:
    """The cells of a file. ``rows`` are the numbers of the rows in the file; ``names`` is None without a header."""

    path: Path
    delimiter: str
    names: tuple[str, ...] | None
    rows: tuple[int, ...]
    cells: tuple[list[str], ...]

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.cells[0]) if self.names is None else len(self.names)

    def place(self, *names: str) -> int | None:
        """The position of the first column that is called one of ``names``, whatever its case."""
        found = [name.casefold() for name in self.names or ()]
        return next((found.index(name.casefold()) for name in names if name.casefold() in found), None)

    def require(self, name: str) -> int:
        """The position of the column ``name``; raises ``DatasetError`` if there is none."""
        place = self.place(name)
        if place is None:
            there = ", ".join(map(repr, self.names[:8])) if self.names else "no names, only numbers"
            raise DatasetError(f"{self.path}: no column {name!r} (found {there})")
        return place

    def column(self, place: int) -> np.ndarray:
        """The numbers of one column, float64 [T], NaN for an empty cell.

        Raises ``DatasetError`` naming the row and the column of a cell that is not a number.
        """
        cells = [row[place] for row in self.cells]
        try:
            numbers = list(map(float, cells))
        except ValueError:  # a cell is empty, has a decimal comma, or is wrong
            numbers = [self._number(row, place, cell) for row, cell in zip(self.rows, cells, strict=True)]
        return np.array(numbers, dtype=np.float64)

    def columns(self, places: Sequence[int]) -> np.ndarray:
        """The numbers of some columns, float64 [T, C]; see ``column``."""
        return np.stack([self.column(place) for place in places], axis=1)

    def _number(self, row: int, place: int, cell: str) -> float:
        name = self.names[place] if self.names else f"column {place + 1}"
        return Table(self.path, self.names or (), (), self.delimiter).number(row, name, cell)


def read_sheet(path: Path) -> Sheet:
    """The table in the text file ``path``, its columns separated by semicolons, tabs or commas.

    The first row names the columns if none of its cells is a number, or if it begins with ``time`` or the like. Raises
    ``DatasetError``, naming the row where there is one, if the file is not UTF-8 text, is empty, or has rows of
    different length.
    """
    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{path}, row {row}: not UTF-8 text; save it as CSV in UTF-8") from None
    first = next((line for line in lines_of(text) if line.strip()), "")
    delimiter = next((mark for mark in _DELIMITERS if mark in first), ",")
    reader = csv.reader(lines_of(text), delimiter=delimiter, skipinitialspace=True)
    try:
        filled = [(reader.line_num, cells) for cells in reader if any(cells)]
    except csv.Error as error:
        raise DatasetError(f"{path}, row {reader.line_num}: not readable as a table: {error}") from None
    names = None
    if filled and _is_header(filled[0][1]):
        names = tuple(name.strip() for name in filled.pop(0)[1])
    if not filled:
        raise DatasetError(f"{path}: there is no row of numbers")
    width = len(names if names is not None else filled[0][1])
    for row, cells in filled:
        if len(cells) != width:
            raise DatasetError(f"{path}, row {row}: {len(cells)} cells instead of {width}")
    return Sheet(path, delimiter, names, tuple(row for row, _ in filled), tuple(cells for _, cells in filled))


def _is_header(cells: list[str]) -> bool:
    return cells[0].strip().casefold() in _FIRST or not any(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", "."))
    except ValueError:
        return False
    return True
