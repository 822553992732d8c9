"""Reads tables as people and programs write them: CSV with any delimiter, byte order mark and blank lines; Parquet."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lasca_core.api import DatasetError

if TYPE_CHECKING:
    import pyarrow

_DELIMITERS = (",", ";", "\t")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
_SHOWN = 8  # column names in an error message
_DECLARED = re.compile(r'"?sep=([,;\t])"?[\r\n]*', re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """The cells of a file. ``rows`` are (row number in the file, cells), which may be too few or too many."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    delimiter: str | None
    """None for a file without delimiters."""
    header_row: int = 1
    """The number of the row that names the columns."""

    def require(self, name: str) -> str:
        """The column called ``name``, whatever its case; raises ``DatasetError`` if there is none."""
        column = self.find(name)
        if column is None:
            found = ", ".join(map(repr, self.columns[:_SHOWN]))
            if (more := len(self.columns) - _SHOWN) > 0:
                found += f" and {more} more"
            split = f"; columns split at every {_NAMES[self.delimiter]}" if self.delimiter else ""
            raise DatasetError(f"{self.path}: no column {name!r} (found {found}{split})")
        return column

    def find(self, name: str) -> str | None:
        """The column called ``name``, whatever its case, or None."""
        return next((column for column in self.columns if column.casefold() == name.casefold()), None)

    def check(self, row: int, cells: tuple[str, ...]) -> None:
        """Raise ``DatasetError`` naming the row if cells are missing or surplus."""
        surplus = any(cell.strip() for cell in cells[len(self.columns) :])
        if surplus or len(cells) < len(self.columns):
            count = len(self.columns)
            raise DatasetError(f"{self.path}, row {row}: {len(cells)} cells, but the header names {count} columns")

    def record(self, row: int, cells: tuple[str, ...]) -> dict[str, str]:
        """Column -> cell of one row. Raises ``DatasetError`` naming the row if cells are missing or surplus."""
        self.check(row, cells)
        return dict(zip(self.columns, cells, strict=False))

    def number(self, row: int, column: str, cell: str) -> float:
        """The number in ``cell``, NaN if it is empty. Raises ``DatasetError`` naming row and column."""
        text = cell.strip()
        if not text or text.casefold() in ("nan", "na", "null"):
            return float("nan")
        if self.delimiter in (";", "\t"):
            text = text.replace(",", ".")  # the decimal comma, which is why such a file is not separated by commas
        try:
            return float(text)
        except ValueError:
            raise DatasetError(f"{self.path}, row {row}: {column} is {cell!r}, which is not a number") from None


def read_table(path: Path, wanted: Collection[str], delimiter: str = "auto") -> Table:
    """The table in the text file ``path``, whose first row names the columns.

    With ``delimiter = "auto"`` the one that a line such as ``sep=;`` above the header declares is taken, else the one
    under which most of the ``wanted`` names are columns, and of equal ones the one that splits the header into more.
    Raises ``DatasetError`` if the file cannot be read as such a table.
    """
    text = _read(path)
    lines = (line for line in lines_of(text) if line.strip())
    first = next(lines, "")
    declared = declared_delimiter(first)
    header = next(lines, "") if declared else first
    if delimiter == "auto":
        delimiter = declared or max(_DELIMITERS, key=lambda mark: _fitness(header, mark, wanted))
    reader = csv.reader(lines_of(text), delimiter=delimiter, skipinitialspace=True)
    try:
        filled = [(reader.line_num, tuple(cells)) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise DatasetError(f"{path}, row {reader.line_num}: not readable as a table: {error}") from None
    if declared:
        del filled[0]
    if not filled:
        raise DatasetError(f"{path}: the file is empty; its first row must name the columns")
    (header_row, names), *rows = filled
    columns = _without_padding(tuple(name.strip() for name in names), [cells for _, cells in rows])
    require_distinct(f"{path}, row {header_row}", columns)
    return Table(path, columns, tuple(rows), delimiter, header_row)


def declared_delimiter(line: str) -> str | None:
    """The delimiter that ``line`` declares, if it is the one before the header in which Excel may be told it."""
    declared = _DECLARED.fullmatch(line)
    return declared[1] if declared else None


def is_parquet(path: Path) -> bool:
    """Whether the file's name says that it is Parquet."""
    return path.suffix.lower() in (".parquet", ".pq")


def read_parquet(path: Path) -> pyarrow.Table:
    """The table in the Parquet file ``path``. Raises ``DatasetError`` if the file cannot be read as one."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            table = file.read()
        names = table.column_names
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: not readable as Parquet: {str(error).splitlines()[0]}") from None
    require_distinct(str(path), names)
    return table


def require_distinct(where: str, columns: Sequence[str]) -> None:
    """Raise ``DatasetError``, naming ``where``, if two columns have one name. Columns without a name do not count."""
    counts = Counter(columns)
    repeated = next((name for name in columns if name and counts[name] > 1), None)
    if repeated is not None:
        raise DatasetError(f"{where}: the column {repeated!r} is there twice")


def lines_of(text: str) -> io.StringIO:
    """The lines of ``text``, which end where a file's do: not at U+2028 and its like, as with ``str.splitlines``."""
    return io.StringIO(text, newline="")


def _without_padding(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The columns, less the last ones without name and content, which spreadsheets append."""
    named = max(place for place, name in enumerate(columns) if name) + 1
    if any(cell.strip() for cells in rows for cell in cells[named : len(columns)]):
        return columns
    return columns[:named]


def _fitness(header: str, delimiter: str, wanted: Collection[str]) -> tuple[int, int]:
    names = [name.strip().casefold() for name in next(csv.reader([header], delimiter=delimiter, skipinitialspace=True))]
    return sum(name.casefold() in names for name in wanted), len(names)


def _read(path: Path) -> str:
    content = read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{path}, row {row}: not UTF-8 text; save it as CSV in UTF-8") from None


def read_bytes(path: Path, limit: int = -1) -> bytes:
    """The content of ``path``, or its first ``limit`` bytes. Raises ``DatasetError`` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
