"""One file's rows as arrays: where each row belongs, its features and its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lasca_core.api import DatasetError, Reporter
from lasca_datasets.table.cells import Cells, Head
from lasca_datasets.table.layouts import Layout
from lasca_datasets.table.roles import Roles

_NAMED_FAULTS = 3


@dataclass(frozen=True)
class Codes:
    """A text for each row: ``code`` int64 [n] counts into ``names``."""

    code: np.ndarray
    names: Sequence[str]

    def at(self, row: int) -> str:
        """The text of one row."""
        return self.names[int(self.code[row])]

    def take(self, rows: np.ndarray | slice) -> Codes:
        """The texts of some rows."""
        return replace(self, code=self.code[rows])


@dataclass(frozen=True)
class Sheet:
    """The rows of one file, in its order.

    ``values`` float32 [n, F] with NaN in cells that are empty, ``sound`` bool [n] whether the tool itself vouches for
    the row; ``times`` and ``ends`` float64 [n] seconds and ``index`` float64 [n], None where there is no such column;
    ``labels`` maps a target to its raters' values, float64 [n, R].
    """

    cells: Cells
    row: np.ndarray
    session: Codes
    values: np.ndarray
    sound: np.ndarray
    subject: Codes | None = None
    split: Codes | None = None
    metadata: Mapping[str, Codes] = field(default_factory=dict)
    times: np.ndarray | None = None
    ends: np.ndarray | None = None
    index: np.ndarray | None = None
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file."""
        return self.cells.head.path

    def where(self, row: int) -> str:
        """The file and the number of a row in it, for a message."""
        return f"{self.path}, row {self.cells.row(int(self.row[row]))}"

    def __len__(self) -> int:
        return len(self.row)


def read_sheet(
    head: Head,
    roles: Roles,
    features: Sequence[str],
    name: str,
    report: Reporter,
    *,
    layout: Layout | None = None,
    pattern: str | None = None,
    alone: bool = True,
) -> Sheet:
    """The rows of a file with the columns ``features`` as values.

    ``name`` is the session's where no column names it; if the table is not ``alone``, also part of the names of
    sessions that are only known by their subject. Rows without any cell and those of other sensors are not read. Rows
    of another length than the header, and cells that are no numbers and count as empty, are reported.

    Raises ``DatasetError``, naming the row where there is one, if the file cannot be read.
    """
    clocks = [column for column in (roles.time, roles.end) if column is not None and not head.is_numeric(column)]
    texts = [column for column in (roles.session, roles.subject, roles.split, *roles.metadata) if column is not None]
    raters = [column for columns in roles.labels.values() for column in columns]
    numbers = [roles.time, roles.end, roles.index, roles.present, *roles.checks, *raters]
    cells = Cells.read(
        head,
        texts=[*texts, *clocks],
        numbers=[column for column in numbers if column is not None and column not in clocks and column not in texts],
        narrow=features,
    )
    if not len(cells):
        raise DatasetError(f"{head.path}: there is no row below the header")
    subject = _codes(cells, roles.subject)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, hence not valid
        values = np.empty((len(cells), len(features)), dtype=np.float32)
        for place, column in enumerate(features):
            values[:, place] = cells.number(column)
    sheet = Sheet(
        cells,
        np.arange(len(cells)),
        _sessions(cells, roles, subject, name, pattern=pattern, layout=layout, alone=alone),
        values,
        _sound(cells, roles),
        subject=subject,
        split=_codes(cells, roles.split),
        metadata={column: Codes(*cells.text(column)) for column in roles.metadata},
        times=_seconds(cells, roles.time, roles.unit),
        ends=_seconds(cells, roles.end, roles.unit),
        index=None if roles.index is None else cells.number(roles.index),
        labels={target: np.stack([cells.number(column) for column in columns], axis=1)
                for target, columns in roles.labels.items()},
    )  # fmt: skip
    _report_faults(cells, report)
    return take(sheet, np.flatnonzero(_filled(sheet, roles)))


def take(sheet: Sheet, rows: np.ndarray | slice) -> Sheet:
    """The rows of ``sheet`` at ``rows``, without a copy if they are a slice, or all rows in their order."""
    if isinstance(rows, np.ndarray) and np.array_equal(rows, np.arange(len(sheet))):
        return sheet

    def some(column: np.ndarray | None) -> np.ndarray | None:
        return None if column is None else column[rows]

    return replace(
        sheet,
        row=sheet.row[rows],
        session=sheet.session.take(rows),
        values=sheet.values[rows],
        sound=sheet.sound[rows],
        subject=sheet.subject and sheet.subject.take(rows),
        split=sheet.split and sheet.split.take(rows),
        metadata={name: codes.take(rows) for name, codes in sheet.metadata.items()},
        times=some(sheet.times),
        ends=some(sheet.ends),
        index=some(sheet.index),
        labels={target: values[rows] for target, values in sheet.labels.items()},
    )


def _codes(cells: Cells, column: str | None) -> Codes | None:
    return None if column is None else Codes(*cells.text(column))


def _seconds(cells: Cells, column: str | None, unit: float) -> np.ndarray | None:
    return None if column is None else cells.seconds(column) * unit


def _sound(cells: Cells, roles: Roles) -> np.ndarray:
    sound = np.ones(len(cells), dtype=bool)
    for column, least in roles.checks.items():
        sound &= cells.number(column) >= least  # an empty cell vouches for nothing
    return sound


def _filled(sheet: Sheet, roles: Roles) -> np.ndarray:
    """Rows that hold anything, and are not another sensor's, bool [n]."""
    if roles.present is not None:
        present: np.ndarray = np.isfinite(sheet.cells.number(roles.present))
        return present
    filled = ~np.isnan(sheet.values).all(axis=1) if sheet.values.shape[1] else np.zeros(len(sheet), dtype=bool)
    for column in (sheet.times, sheet.ends, sheet.index):
        if column is not None:
            filled |= ~np.isnan(column)
    for values in sheet.labels.values():
        filled |= ~np.isnan(values).all(axis=1)
    return filled


def _sessions(
    cells: Cells,
    roles: Roles,
    subject: Codes | None,
    name: str,
    *,
    pattern: str | None,
    layout: Layout | None,
    alone: bool,
) -> Codes:
    """The session of each row: that of its column, else its subject's, else the file's."""
    if roles.session is not None:
        codes = Codes(*cells.text(roles.session))
        if layout is not None and roles.session in layout.sessions:
            stems = [Path(path.replace("\\", "/")).stem for path in codes.names]
            codes = Codes(codes.code, stems if len(set(stems)) == len(stems) else codes.names)
        if roles.stated or len(codes.names) > 1:
            return codes
    if subject is not None and (alone or len(subject.names) > 1) and pattern is None:
        return subject if alone else Codes(subject.code, [f"{name}/{person}" for person in subject.names])
    return Codes(np.zeros(len(cells), dtype=np.int64), [name])


def _report_faults(cells: Cells, report: Reporter) -> None:
    path = cells.head.path
    if cells.ragged:
        rows = f"{cells.ragged} rows are" if cells.ragged > 1 else "it is"
        count = len(cells.head.columns)
        report.warn(f"{path}, row {cells.ragged_row}: not {count} cells, as the header has; {rows} left out")
    faults = list(cells.faults.values())
    for fault in faults[:_NAMED_FAULTS]:
        report.warn(f"{path}, {fault}; such cells count as empty")
    if len(faults) > _NAMED_FAULTS:
        report.warn(f"{path}: {len(faults) - _NAMED_FAULTS} more columns hold cells that are no numbers")


def named_in(pattern: str, name: str) -> tuple[str, str | None] | None:
    """The session and the subject that ``pattern`` finds in a session's name; None if it does not fit."""
    found = re.search(pattern, name)
    if found is None:
        return None
    groups = found.groupdict()
    return groups.get("session") or name, groups.get("subject")
