"""Reads chosen columns of a CSV or Parquet file as arrays, without a Python loop over its rows."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lasca_core.api import DatasetError
from lasca_datasets.tables import declared_delimiter, is_parquet, lines_of, read_bytes, require_distinct

if TYPE_CHECKING:
    import pyarrow

_HEAD_BYTES = 4 << 20
_HEAD_ROWS = 50
_EMPTY = ("", "na", "n/a", "nan", "null", "none", "#n/a")
_NULLS = [form for word in _EMPTY for form in dict.fromkeys((word, word.upper(), word.title(), "NaN"))]
_NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?|[+-]?nan(\(\w+\))?|true|false", re.IGNORECASE
)
_PREAMBLE = re.compile(r'"?#.*|\s*|"?sep=[,;\t]"?\s*', re.IGNORECASE | re.DOTALL)
"""A line above the header: blank, a comment, or the one in which Excel is told the delimiter."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)
_CLOCK = r"^(?:(?P<days>\d+) days? )?(?:(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+(?:\.\d+)?)$"
"""How pandas writes a length of time (``0 days 00:00:01.5``), and a clock (``01:02:03``, ``2:03.5``)."""


@dataclass(frozen=True)
class Head:
    """What the beginning of a file tells: its columns and, for text, its first rows and how it is written."""

    path: Path
    columns: tuple[str, ...]
    """Without the spaces around them; a column without a name is empty here."""
    numbers: frozenset[str] = frozenset()
    """Columns whose type is a number, in Parquet."""
    sample: tuple[tuple[str, ...], ...] = ()
    """The first rows, of text."""
    delimiter: str = ""
    decimal: str = "."
    header_row: int = 0
    """The number of the row that names the columns; 0 for Parquet, which has none."""

    @cached_property
    def place(self) -> dict[str, int]:
        """The position of each column."""
        return {name: place for place, name in enumerate(self.columns)}

    def is_numeric(self, column: str) -> bool:
        """Whether ``column`` holds numbers; of text, in more than half of the filled cells seen, or there is none."""
        if not self.header_row:
            return column in self.numbers
        place = self.place[column]
        filled = [cells[place] for cells in self.sample if cells[place].strip().casefold() not in _EMPTY]
        return 2 * sum(_is_number(cell, self.decimal) for cell in filled) > len(filled) or not filled


def read_head(path: Path, delimiter: str = "auto") -> Head:
    """The head of the CSV or Parquet file ``path``.

    A CSV file may begin with a byte order mark, with blank lines, with lines that start with ``#`` and with the line
    ``sep=;``; the next row names the columns. Raises ``DatasetError`` if the file cannot be read as a table.
    """
    return _parquet_head(path) if is_parquet(path) else _text_head(path, delimiter)


def _parquet_head(path: Path) -> Head:
    import pyarrow
    import pyarrow.parquet
    from pyarrow import types

    try:
        schema = pyarrow.parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: not readable as Parquet: {str(error).splitlines()[0]}") from None
    columns = tuple(name.strip() for name in schema.names)
    require_distinct(str(path), columns)
    fits = (types.is_floating, types.is_integer, types.is_decimal, types.is_boolean, types.is_null)
    numeric = [name for name, cell in zip(columns, schema.types, strict=True) if any(fit(cell) for fit in fits)]
    return Head(path, columns, frozenset(numeric))


def _text_head(path: Path, delimiter: str) -> Head:
    lines = list(lines_of(read_bytes(path, _HEAD_BYTES).decode("utf-8-sig", errors="replace")))
    first = next((place for place, line in enumerate(lines) if not _PREAMBLE.fullmatch(line)), None)
    if first is None:
        raise DatasetError(f"{path}: the file is empty; its first row must name the columns")
    if "\ufffd" in lines[first]:
        raise DatasetError(f"{path}, row {first + 1}: not UTF-8 text; save it as CSV in UTF-8")
    if delimiter == "auto":
        declared = next(filter(None, map(declared_delimiter, lines[:first])), None)
        delimiter = declared or max(",;\t", key=lambda mark: len(_cells(lines[first], mark)))
    reader = csv.reader(lines[first:], delimiter=delimiter, skipinitialspace=True)
    try:
        columns = tuple(name.strip() for name in next(reader))
        header_row = first + reader.line_num
        rows = itertools.islice(reader, _HEAD_ROWS)
        sample = [tuple(cells) for cells in rows if len(cells) == len(columns)]
    except csv.Error as error:
        raise DatasetError(f"{path}, row {first + reader.line_num}: not readable as a table: {error}") from None
    require_distinct(f"{path}, row {header_row}", columns)
    comma = delimiter != "," and any(
        _DECIMAL_COMMA.fullmatch(cell.strip()) for cells in sample for cell in cells if "," in cell
    )
    return Head(
        path,
        columns,
        sample=tuple(sample),
        delimiter=delimiter,
        decimal="," if comma else ".",
        header_row=header_row,
    )


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])


def _is_number(cell: str, decimal: str) -> bool:
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return _NUMBER.fullmatch(cell.strip()) is not None
    return True


@dataclass
class Cells:
    """Columns of one file, as Arrow read them."""

    head: Head
    table: pyarrow.Table
    ragged: int = 0
    """Rows left out because they have too few or too many cells."""
    faults: dict[str, str] = field(default_factory=dict)
    """Column that was asked for as numbers -> the first cell that is none."""

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @staticmethod
    def read(head: Head, *, texts: Sequence[str], numbers: Sequence[str], narrow: Sequence[str] = ()) -> Cells:
        """Read the columns ``texts`` as text, ``numbers`` as float64 and ``narrow`` as float32.

        Raises ``DatasetError``, naming the row where there is one, if the file cannot be read.
        """
        wanted = list(dict.fromkeys((*texts, *numbers, *narrow)))
        if not head.header_row:
            return Cells(head, _read_parquet(head, wanted))
        import pyarrow

        types = {name: pyarrow.string() for name in texts} | {name: pyarrow.float64() for name in numbers}
        types |= {name: pyarrow.float32() for name in narrow}
        try:
            return Cells(head, *_read_csv(head, types))
        except pyarrow.ArrowInvalid:  # some cell is no number, or not UTF-8
            return Cells(head, *_read_words(head, wanted))

    def text(self, column: str) -> tuple[np.ndarray, list[str]]:
        """Codes int64 [n] into the distinct texts of ``column``; without the spaces and quotes around them."""
        import pyarrow
        import pyarrow.compute

        cells = self._column(column)
        words = pyarrow.compute.fill_null(_as_text(cells), "").dictionary_encode()
        distinct = [str(word).strip().strip("'\"").strip() for word in words.dictionary.to_pylist()]
        place = {word: number for number, word in enumerate(dict.fromkeys(distinct))}
        number = np.array([place[word] for word in distinct], dtype=np.int64)
        return number[words.indices.to_numpy(zero_copy_only=False)], list(place)

    def number(self, column: str) -> np.ndarray:
        """float [n], NaN for an empty cell and for one that is no number, which ``faults`` then names."""
        import pyarrow
        from pyarrow import types

        cells = self._column(column)
        if types.is_floating(cells.type):
            return np.asarray(cells.to_numpy(zero_copy_only=False))
        if types.is_string(cells.type) or types.is_large_string(cells.type) or types.is_dictionary(cells.type):
            numbers, fault = _parse(_as_text(cells), self.head.delimiter)
            if fault is not None:
                row, cell = fault
                self.faults[column] = f"row {self.row(row)}: {column} is {cell!r}, which is not a number"
            return numbers
        try:
            return np.asarray(cells.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False))
        except pyarrow.ArrowException:
            raise DatasetError(f"{self.head.path}: {column} holds {cells.type}, not numbers") from None

    def seconds(self, column: str) -> np.ndarray:
        """float64 [n] seconds: numbers as they are; lengths of time, clock times and dates (from 1970) as seconds."""
        import pyarrow
        import pyarrow.compute as pc
        from pyarrow import types

        cells = self._column(column)
        if types.is_timestamp(cells.type) or types.is_duration(cells.type) or types.is_time64(cells.type):
            return _seconds_of(cells)
        if not types.is_string(cells.type) or self.head.is_numeric(column):
            return self.number(column).astype(np.float64)
        words = pc.utf8_trim_whitespace(cells)
        clock = pc.extract_regex(words, _CLOCK)
        if clock.null_count < len(clock):
            return _clock_seconds(clock)
        try:
            return _seconds_of(pc.if_else(pc.equal(words, ""), None, words).cast(pyarrow.timestamp("us")))
        except pyarrow.ArrowException:
            return self.number(column)

    def row(self, index: int) -> int:
        """The number in the file of the row at ``index``, for a message."""
        return self._rows[index] if self._irregular else self.head.header_row + 1 + index

    @property
    def ragged_row(self) -> int:
        """The number of the first row left out as ``ragged``."""
        return next(row for row, cells in _records(self.head) if len(cells) != len(self.head.columns))

    @cached_property
    def _irregular(self) -> bool:
        """Whether rows of text need counting, because some lines are blank, left out, or a part of a row."""
        return bool(self.head.header_row) and _lines(self.head.path) != self.head.header_row + len(self)

    @cached_property
    def _rows(self) -> list[int]:
        return [row for row, cells in _records(self.head) if len(cells) == len(self.head.columns)]

    def _column(self, column: str) -> pyarrow.Array:
        cells = self.table.column(column)
        return cells.combine_chunks() if cells.num_chunks != 1 else cells.chunk(0)


def _read_parquet(head: Head, wanted: Sequence[str]) -> pyarrow.Table:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(head.path) as file:
            names = [file.schema_arrow.names[head.place[name]] for name in wanted]
            return file.read(columns=names).select(names).rename_columns(list(wanted))
    except (pyarrow.ArrowException, OSError) as error:
        raise DatasetError(f"{head.path}: not readable as Parquet: {str(error).splitlines()[0]}") from None


def _read_csv(head: Head, types: dict[str, Any]) -> tuple[pyarrow.Table, int]:
    """The columns of ``types`` and how many rows had to be left out."""
    import pyarrow.csv

    ragged = 0

    def leave_out(_: Any) -> str:
        nonlocal ragged
        ragged += 1
        return "skip"

    places = {name: str(head.place[name]) for name in types}  # columns may lack names, which Arrow needs
    table = pyarrow.csv.read_csv(
        head.path,
        read_options=pyarrow.csv.ReadOptions(
            column_names=[str(place) for place in range(len(head.columns))], skip_rows=head.header_row
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=head.delimiter, newlines_in_values=True, invalid_row_handler=leave_out
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={places[name]: kind for name, kind in types.items()},
            include_columns=list(places.values()),
            null_values=_NULLS,
            decimal_point=head.decimal,
        ),
    )
    return table.rename_columns(list(types)), ragged


def _read_words(head: Head, wanted: Sequence[str]) -> tuple[pyarrow.Table, int]:
    import pyarrow

    try:
        return _read_csv(head, dict.fromkeys(wanted, pyarrow.string()))
    except pyarrow.ArrowInvalid as error:
        _require_utf8(head.path)
        raise DatasetError(f"{head.path}: not readable as a table: {str(error).splitlines()[0]}") from None


def _parse(words: pyarrow.Array, delimiter: str) -> tuple[np.ndarray, tuple[int, str] | None]:
    """Numbers float64 [n], and the first cell that is none with its position."""
    import pyarrow
    import pyarrow.compute as pc

    plain = pc.fill_null(pc.utf8_lower(pc.utf8_trim_whitespace(words)), "")
    if delimiter in (";", "\t"):
        plain = pc.replace_substring(plain, ",", ".")
    for word, digit in (("true", "1"), ("false", "0")):
        plain = pc.if_else(pc.equal(plain, word), digit, plain)
    empty = pc.is_in(plain, value_set=pyarrow.array(_EMPTY))
    sound = pc.match_substring_regex(plain, f"^({_NUMBER.pattern})$")
    numbers = pc.if_else(pc.and_(sound, pc.invert(empty)), plain, None).cast(pyarrow.float64())
    wrong = pc.invert(pc.or_(sound, empty)).to_numpy(zero_copy_only=False)
    place = int(wrong.argmax()) if wrong.any() else None
    return numbers.to_numpy(zero_copy_only=False), None if place is None else (place, words[place].as_py())


def _as_text(cells: pyarrow.Array) -> pyarrow.Array:
    import pyarrow

    return cells if pyarrow.types.is_string(cells.type) else cells.cast(pyarrow.string())


def _seconds_of(cells: pyarrow.Array) -> np.ndarray:
    """float64 [n] seconds of moments, times of day or lengths of time."""
    import pyarrow
    import pyarrow.compute as pc

    unit = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[cells.type.unit]
    numbers = pc.divide(cells.cast(pyarrow.int64()).cast(pyarrow.float64(), safe=False), unit)
    return np.asarray(numbers.to_numpy(zero_copy_only=False))


def _clock_seconds(clock: pyarrow.Array) -> np.ndarray:
    """float64 [n] seconds of what ``_CLOCK`` found, NaN where it found nothing."""
    import pyarrow
    import pyarrow.compute as pc

    total = np.zeros(len(clock))
    for name, size in (("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1)):
        digits = pc.struct_field(clock, name)
        number = pc.if_else(pc.equal(digits, ""), "0", digits).cast(pyarrow.float64())
        total += size * number.to_numpy(zero_copy_only=False)
    return total


def _records(head: Head) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header with their numbers, blank ones left out; slow, for messages."""
    with head.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        for _ in range(head.header_row):
            file.readline()
        reader = csv.reader(file, delimiter=head.delimiter)
        for cells in reader:
            if cells:
                yield head.header_row + reader.line_num, cells


def _lines(path: Path) -> int:
    """How many lines the file has."""
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")


def _require_utf8(path: Path) -> None:
    """Raise ``DatasetError`` naming the row if the file is not UTF-8 text."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                raise DatasetError(f"{path}, row {number}: not UTF-8 text; save it as CSV in UTF-8") from None
