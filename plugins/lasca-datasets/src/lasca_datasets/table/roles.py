"""What each column of a table is: the session's name, the time, a label, a feature."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from lasca_core.api import DatasetError
from lasca_datasets.table.cells import Head
from lasca_datasets.table.layouts import Layout
from lasca_datasets.table.options import TableOptions

_SECONDS = ("time", "timestamp", "frameTime", "seconds")
_MILLISECONDS = ("time_ms", "timestamp_ms", "milliseconds")
_FRAMES = ("frame", "frame_number", "frame_index", "frameIndex", "FrameNo")
_SEGMENTS = ("segment", "index")
_VALID = "valid"
_SHOWN = 8  # column names in a message

_NEVER_FEATURES = re.compile(
    r"|__index_level_\d+__|unnamed: \d+|session|subject|split|valid|success|confidence|start|end|name|file|class"
    r"|face_id|(valence|arousal|dominance|liking|emotion|rating)s?(_.*|:.*)?|"
    + "|".join((*_SECONDS, *_MILLISECONDS, *_FRAMES, *_SEGMENTS)),
    re.IGNORECASE,
)
"""Columns of numbers that are no features unless they are named: those that tell where a row belongs, and labels."""


@dataclass(frozen=True)
class Roles:
    """The columns of one table by what they are; None where there is no such column."""

    session: str | None = None
    stated: bool = False
    """Whether ``session`` certainly names the session; else it does if it names more than one."""
    subject: str | None = None
    split: str | None = None
    metadata: tuple[str, ...] = ()
    time: str | None = None
    unit: float = 1.0
    """Seconds that 1 of ``time`` and ``end`` stands for."""
    end: str | None = None
    index: str | None = None
    present: str | None = None
    checks: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def taken(self) -> frozenset[str]:
        """All columns that have a role."""
        single = (self.session, self.subject, self.split, self.time, self.end, self.index, self.present)
        raters = (column for columns in self.labels.values() for column in columns)
        return frozenset((*filter(None, single), *self.metadata, *self.checks, *raters))


def find_roles(head: Head, layout: Layout, options: TableOptions, *, labels: bool) -> Roles:
    """The roles of a table of features, which holds the ``labels`` too or not.

    Raises ``DatasetError`` with the nearest names if a column named in the options is not there.
    """
    separate = options.labels_path is not None  # then subject, split and metadata may stand there
    session = _column(head, options.session, "session", ("session",))
    soft = next(filter(None, (_find(head, name) for name in layout.sessions)), None)
    time, end = _time(head, options, required=True)
    index = _column(head, options.index, "index", _FRAMES if options.rows == "frames" else _SEGMENTS)
    checks = {layout.confidence: options.confidence} if layout.confidence and options.confidence is not None else {}
    floors = {_VALID: 0.5, **layout.checks, **checks}
    return Roles(
        session=session or soft,
        stated=session is not None,
        subject=_column(head, options.subject, "subject", ("subject", layout.subject), required=not separate),
        split=_column(head, options.split, "split", ("split",), required=not separate),
        metadata=_several(head, options.metadata, "metadata", required=not separate),
        time=time,
        unit=_unit(head, time, layout, options),
        end=end,
        index=index,
        present=_find(head, layout.present) if layout.present else None,
        checks={column: least for name, least in floors.items() if (column := _find(head, name)) is not None},
        labels=_labels(head, layout, options) if labels else {},
    )


def find_label_roles(head: Head, options: TableOptions) -> Roles:
    """The roles of a table that holds the labels alone. Columns of the options that are not there may be in the table
    of features."""
    time, end = _time(head, options, required=False)
    index = _column(head, options.index, "index", (*_FRAMES, *_SEGMENTS), required=False)
    session = _column(head, options.session, "session", ("session",), required=False)
    return Roles(
        session=session,
        stated=session is not None,
        subject=_column(head, options.subject, "subject", ("subject",), required=False),
        split=_column(head, options.split, "split", ("split",), required=False),
        metadata=_several(head, options.metadata, "metadata", required=False),
        time=time,
        unit=_unit(head, time, None, options),
        end=end,
        index=index,
        labels=_labels(head, None, options),
    )


def find_features(head: Head, layout: Layout, options: TableOptions, taken: frozenset[str]) -> dict[str, str]:
    """Column -> feature name, of the columns that no other role has ``taken``.

    Raises ``DatasetError`` if there is none, or if a name or pattern of the options fits none.
    """
    free = [name for name in head.columns if name and name not in taken]
    if options.features:
        return _asked_for(head, layout, options.features, free)
    if layout.choose is not None:
        chosen = layout.choose(free)
    else:
        chosen = {name: name for name in free if head.is_numeric(name) and not _NEVER_FEATURES.fullmatch(name)}
    if not chosen:
        raise DatasetError(f"{head.path}: no column is a feature of the format {layout.name!r} ({_listed(head)})")
    return chosen


def _asked_for(head: Head, layout: Layout, patterns: Sequence[str], free: Sequence[str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for pattern in patterns:
        fits = [name for name in free if name == pattern or (head.is_numeric(name) and _fits(name, pattern, layout))]
        if not fits:
            raise DatasetError(_missing(head, pattern, "features"))
        chosen |= {name: layout.rename(name) for name in fits}
    return {name: chosen[name] for name in free if name in chosen}


def _fits(column: str, pattern: str, layout: Layout) -> bool:
    return fnmatchcase(column, pattern) or fnmatchcase(layout.rename(column), pattern)


def _time(head: Head, options: TableOptions, *, required: bool) -> tuple[str | None, str | None]:
    """The columns of time (of a segment: its start) and of a segment's end."""
    if options.rows == "frames":
        return _column(head, options.time, "time", (*_SECONDS, *_MILLISECONDS, "start"), required=required), None
    end = _column(head, options.end, "end", ("end",), required=required)
    if options.start is not None or options.time is None:
        usual = ("start", *_SECONDS, *_MILLISECONDS)
        return _column(head, options.start, "start", usual, required=required), end
    return _column(head, options.time, "time", (), required=required), end


def _unit(head: Head, time: str | None, layout: Layout | None, options: TableOptions) -> float:
    if time is None:
        return 1.0
    raw = layout is not None and layout.present and _find(head, layout.present) is not None
    counted = {*_MILLISECONDS, *(layout.milliseconds if layout is not None and raw else ())}
    usual = "ms" if time.casefold() in {name.casefold() for name in counted} else "s"
    return 1e-3 if (options.unit or usual) == "ms" else 1.0


def _labels(head: Head, layout: Layout | None, options: TableOptions) -> dict[str, tuple[str, ...]]:
    if options.labels_named:
        return {
            target: tuple(_require(head, name, "labels") for name in columns)
            for target, columns in options.label_columns().items()
        }
    guesses = layout.estimates(head.columns) if layout is not None else frozenset()
    found = {target: _find(head, target) for target in options.label_columns()}
    labels: dict[str, tuple[str, ...]] = {
        target: (column,) for target, column in found.items() if column is not None and column not in guesses
    }
    if not labels:
        why = f"; {' and '.join(sorted(guesses))} are what the tool guessed" if guesses & set(head.columns) else ""
        raise DatasetError(f"{head.path}: no column of labels{why}; name it with table.labels ({_listed(head)})")
    return labels


def _column(head: Head, named: str | None, option: str, usual: Sequence[str], *, required: bool = True) -> str | None:
    """The column ``named`` in the options, which may be ``required``; else the first of the ``usual`` ones."""
    if named is not None:
        found = _find(head, named)
        if found is not None:
            return found
        if required:
            raise DatasetError(_missing(head, named, option))
    return next(filter(None, (_find(head, name) for name in usual)), None)


def _several(head: Head, names: Sequence[str], option: str, *, required: bool) -> tuple[str, ...]:
    return tuple(filter(None, (_column(head, name, option, (), required=required) for name in names)))


def _require(head: Head, name: str, option: str) -> str:
    column = _find(head, name)
    if column is None:
        raise DatasetError(_missing(head, name, option))
    return column


def _find(head: Head, name: str) -> str | None:
    """The column called ``name``, or called so in another case."""
    if name in head.columns:
        return name
    return next((column for column in head.columns if column.casefold() == name.casefold()), None)


def _missing(head: Head, name: str, option: str) -> str:
    nearest = {column.casefold(): column for column in head.columns if column}
    near = difflib.get_close_matches(name.casefold(), nearest, n=3)
    hint = f"the nearest are {', '.join(repr(nearest[word]) for word in near)}" if near else _listed(head)
    return f"{head.path}: no column {name!r}, which table.{option} names ({hint})"


def _listed(head: Head) -> str:
    named = [column for column in head.columns if column]
    more = len(named) - _SHOWN
    return f"found {', '.join(map(repr, named[:_SHOWN]))}" + (f" and {more} more" if more > 0 else "")
