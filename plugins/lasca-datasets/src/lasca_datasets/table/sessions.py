"""Splits a sheet into sessions with their rows in order of time, and reports what is wrong with some rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lasca_core.api import DatasetError, Reporter
from lasca_datasets.table.options import TableOptions
from lasca_datasets.table.sheet import Codes, Sheet, named_in, take

_DAY = 86_400.0
"""Times that begin later are not counted from the start of a recording, but from some date."""


@dataclass(frozen=True)
class Part:
    """The rows of one session, a part of one sheet in order of time.

    ``times`` float64 [n] seconds, ascending without repetition: of the frame, or of the segment's start. ``ends`` are
    the segments'. ``shift`` seconds have been taken off them.
    """

    session: str
    subject: str | None
    sheet: Sheet
    times: np.ndarray
    ends: np.ndarray
    shift: float = 0.0

    def where(self, row: int) -> str:
        """The file and the number of a row in it, for a message."""
        return self.sheet.where(row)

    def constant(self, codes: Codes | None, what: str) -> str | None:
        """The one text of ``codes`` in this session. Raises ``DatasetError`` naming the row of a second one."""
        if codes is None:
            return None
        other = codes.code != codes.code[0]
        if other.any():
            row = int(other.argmax())
            raise DatasetError(
                f"{self.where(row)}: {what} {codes.at(row)!r} in session {self.session!r}, whose {what} is "
                f"{codes.at(0)!r} in row {self.where(0).rpartition(' ')[2]}"
            )
        return codes.at(0) or None


def parts_of(sheet: Sheet, options: TableOptions, report: Reporter) -> list[Part]:
    """The sessions of ``sheet``, in the order in which they begin there.

    Rows without a session or a time, rows out of order and rows whose time is already there are reported. A session
    with more than one subject is reported and left out. Raises ``DatasetError`` if frames have no time at all.
    """
    sheet = _without(sheet, _nameless(sheet), "no session is named", report)
    times = _times(sheet, options)
    sheet, times = _with_times(sheet, times, report)
    sheet, times = _in_order(sheet, times, report)
    sheet, times = _once(sheet, times, report)
    starts = np.flatnonzero(np.diff(sheet.session.code, prepend=-1))
    stops = np.append(starts[1:], len(sheet))
    parts = []
    for place in np.argsort(sheet.row[starts], kind="stable"):
        rows = slice(starts[place], stops[place])
        try:
            parts.append(_part(take(sheet, rows), times[rows], options, report))
        except DatasetError as fault:
            report.warn(f"{fault}; this session is left out")
    return parts


def _part(sheet: Sheet, times: np.ndarray, options: TableOptions, report: Reporter) -> Part:
    name = sheet.session.at(0)
    part = Part(name, None, sheet, times, times)
    subject = part.constant(sheet.subject, "subject")
    if options.pattern is not None:
        found = named_in(options.pattern, name)
        if found is not None:
            part = replace(part, session=found[0])
            subject = found[1] or subject
        elif options.labels_path is None or sheet.values.shape[1]:
            raise DatasetError(f"{part.where(0)}: table.pattern does not fit the session's name {name!r}")
    if times[0] > _DAY:
        report.note(f"{sheet.path}: its times do not begin near 0; they count from the start of each session")
        part = replace(part, shift=float(times[0]), times=times - times[0])
    if options.rows == "segments":
        part = _with_ends(part, report)
    return replace(part, subject=subject)


def _nameless(sheet: Sheet) -> np.ndarray:
    empty = [number for number, name in enumerate(sheet.session.names) if not name]
    return np.isin(sheet.session.code, empty)


def _times(sheet: Sheet, options: TableOptions) -> np.ndarray:
    """float64 [n]: seconds of a frame; of a segment its start, or what else puts the segments in order."""
    if options.rows == "segments":
        for order in (sheet.times, sheet.index):
            if order is not None:
                return order
        return _place(sheet)
    if sheet.times is not None:
        return sheet.times
    if options.fps is None:
        what = "a column of time" if sheet.index is None else "the frames a second"
        raise DatasetError(
            f"{sheet.path}: {what} is needed; name a column of seconds with table.time, or give the frames a second "
            "with table.fps (or say rows = 'segments', if every row is a segment)"
        )
    return (sheet.index if sheet.index is not None else _place(sheet)) / options.fps


def _place(sheet: Sheet) -> np.ndarray:
    """Each row's place among the rows of its session, float64 [n]."""
    order = np.argsort(sheet.session.code, kind="stable")
    first = np.flatnonzero(np.diff(sheet.session.code[order], prepend=-1))
    count = np.diff(np.append(first, len(order)))
    place = np.empty(len(order))
    place[order] = np.arange(len(order)) - np.repeat(first, count)
    return place


def _without(sheet: Sheet, wrong: np.ndarray, why: str, report: Reporter) -> Sheet:
    """The sheet without the rows that are ``wrong``, bool [n], which are reported."""
    if not wrong.any():
        return sheet
    rows = f"{int(wrong.sum())} such rows are" if wrong.sum() > 1 else "it is"
    report.warn(f"{sheet.where(int(wrong.argmax()))}: {why}; {rows} left out")
    return take(sheet, np.flatnonzero(~wrong))


def _with_times(sheet: Sheet, times: np.ndarray, report: Reporter) -> tuple[Sheet, np.ndarray]:
    wrong = ~np.isfinite(times)
    return _without(sheet, wrong, "the time (or index) is empty, NaN or infinite", report), times[~wrong]


def _in_order(sheet: Sheet, times: np.ndarray, report: Reporter) -> tuple[Sheet, np.ndarray]:
    """Rows sorted by session, then by time."""
    together = np.argsort(sheet.session.code, kind="stable")
    back = (np.diff(times[together]) < 0) & (np.diff(sheet.session.code[together]) == 0)
    if back.any():
        row = together[int(back.argmax()) + 1]
        report.warn(f"{sheet.where(int(row))}: the rows are not in order of time; they are sorted")
    order = np.lexsort((times, sheet.session.code))
    return take(sheet, order), times[order]


def _once(sheet: Sheet, times: np.ndarray, report: Reporter) -> tuple[Sheet, np.ndarray]:
    """Of rows with one time, the first: of several faces in a frame, tools list the surest first."""
    again = np.zeros(len(times), dtype=bool)
    again[1:] = (np.diff(times) == 0) & (np.diff(sheet.session.code) == 0)
    if not again.any():
        return sheet, times
    row = int(again.argmax())
    rows = f"{int(again.sum())} such rows are" if again.sum() > 1 else "it is"
    session = "" if len(sheet.session.names) > 1 else "; if the file holds several sessions, name table.session"
    report.warn(
        f"{sheet.where(row)}: the time {times[row]:g} is already in row {sheet.where(row - 1).rpartition(' ')[2]}; "
        f"{rows} left out{session}"
    )
    kept = np.flatnonzero(~again)
    return take(sheet, kept), times[kept]


def _with_ends(part: Part, report: Reporter) -> Part:
    """Ends of segments: as stated, else where the next one begins. Segments that only have an order are a second long.

    A segment that does not end after it starts is reported and left out.
    """
    sheet, times = part.sheet, part.times
    if sheet.times is None:
        report.note(f"{sheet.path}: its segments have an order but no time; each counts as one second")
        times = np.arange(len(times), dtype=np.float64)
        return replace(part, times=times, ends=times + 1)
    if sheet.ends is None:
        steps = np.diff(times)
        last = times[-1] + (float(np.median(steps)) if len(steps) else 1.0)
        return replace(part, ends=np.append(times[1:], last))
    ends = sheet.ends - part.shift
    wrong = ~(ends > times)
    kept = np.flatnonzero(~wrong)
    sheet = _without(sheet, wrong, "the segment does not end after it starts", report)
    if not len(kept):
        raise DatasetError(f"{sheet.path}: no segment of session {part.session!r} is left")
    return replace(part, sheet=sheet, times=times[kept], ends=ends[kept])
