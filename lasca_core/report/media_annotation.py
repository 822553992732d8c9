"""Reads the annotation that a timeline shows beside the predictions: a table of times and values, as a dataset's."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lasca_core.contract.errors import DatasetError
from lasca_core.steps.labels import build_trace

if TYPE_CHECKING:
    from lasca_core.contract.types import Trace

_DELIMITERS = (",", ";", "\t")
_SENTINEL = -5.0
_TIME = "time"
_VALUE = "value"


def read_annotation(path: Path, targets: Sequence[str], scale: tuple[float, float] = (-1.0, 1.0)) -> dict[str, Trace]:
    """The traces of those ``targets`` that the table ``path`` annotates, at least one.

    The first row names the columns, in any case: ``time`` in seconds, and a column of each target's name, or several
    raters' in ``target_1``, ``target_r2`` or ``target:anything``, whose mean counts; ``value`` if there is but one
    target. Cells are split by commas, semicolons or tabs. An empty cell, a value outside ``scale`` and -5, unless it
    lies in the scale, are not annotated. Raises ``DatasetError`` naming the file, and the row where there is one.
    """
    columns, rows = _read(path)
    place = {name.casefold(): number for number, name in enumerate(columns)}
    if _TIME not in place:
        raise DatasetError(f"{path}: no column 'time' (found {_listed(columns)}); name the column of seconds so")
    raters = {target: _raters(place, target) for target in targets}
    if len(targets) == 1 and not raters[targets[0]] and _VALUE in place:
        raters[targets[0]] = [place[_VALUE]]
    if not any(raters.values()):
        raise DatasetError(f"{path}: no column is named {' or '.join(targets)} (found {_listed(columns)})")
    times = [_number(path, row, cells, place[_TIME], columns) for row, cells in rows]
    low, high = scale
    sentinels = () if low <= _SENTINEL <= high else (_SENTINEL,)
    traces = {}
    for target, chosen in raters.items():
        if not chosen:
            continue
        values = [[_number(path, row, cells, column, columns) for column in chosen] for row, cells in rows]
        traces[target] = _trace(times, values, scale, sentinels, f"{path}, {target}")
    return traces


def _trace(
    times: list[float], values: list[list[float]], scale: tuple[float, float], sentinels: tuple[float, ...], where: str
) -> Trace:
    import numpy as np

    try:
        return build_trace(np.array(times), np.array(values), scale=scale, sentinels=sentinels, where=where)
    except DatasetError as error:
        raise DatasetError(f"{error}; state the annotation's scale with --scale LOW HIGH") from None


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The columns' names, and (number in the file, cells) of each row below them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"--annotation {path}: there is no such file") from None
    except OSError as error:
        raise DatasetError(f"--annotation {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DatasetError(f"--annotation {path}: is not a text file; give a CSV table of times and values") from None
    lines = text.splitlines()
    header = next((line for line in lines if line.strip()), "")
    reader = csv.reader(lines, delimiter=max(_DELIMITERS, key=header.count), skipinitialspace=True)
    try:
        filled = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise DatasetError(f"{path}, row {reader.line_num}: not readable as a table: {error}") from None
    if len(filled) < 2:
        raise DatasetError(f"{path}: there is no row below the header")
    return filled[0][1], filled[1:]


def _raters(place: dict[str, int], target: str) -> list[int]:
    """The columns that hold a target's values."""
    own = target.casefold()
    if own in place:
        return [place[own]]
    return [number for name, number in place.items() if re.fullmatch(rf"{re.escape(own)}(_r?\d+|:.+)", name)]


def _number(path: Path, row: int, cells: list[str], column: int, columns: Sequence[str]) -> float:
    """The number in a cell, NaN if it is empty."""
    if column >= len(cells):
        raise DatasetError(f"{path}, row {row}: {len(cells)} cells, but the header names {len(columns)} columns")
    text = cells[column]
    if not text or text.casefold() in ("nan", "na", "null"):
        return float("nan")
    try:
        return float(text.replace(",", "."))  # the decimal comma of files whose cells are split by semicolons
    except ValueError:
        raise DatasetError(f"{path}, row {row}: {columns[column]} is {text!r}, which is not a number") from None


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in columns[:8])
    return shown if len(columns) <= 8 else f"{shown} and {len(columns) - 8} more"
