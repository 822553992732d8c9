"""Labels of sessions: from the table of features itself, or joined from a table of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lasca_core.api import DatasetError, Reporter, Trace, build_trace
from lasca_datasets.table.cells import read_head
from lasca_datasets.table.files import find_files, report_faults
from lasca_datasets.table.options import TableOptions
from lasca_datasets.table.roles import find_label_roles
from lasca_datasets.table.sessions import Part, parts_of
from lasca_datasets.table.sheet import read_sheet

_SLACK = 1e-3
"""Share of the scale by which a value may lie outside it: the rounding that ``build_trace`` allows."""
_SAME_TIME = 1e-6
_SHOWN = 5  # sessions in a message


@dataclass(frozen=True)
class Ratings:
    """Raters' values of one session: ``times`` float64 [n], and float64 [n, R] for each target."""

    times: np.ndarray
    values: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Labels:
    """The labels of all sessions that have some, and what their table says of the sessions besides."""

    ratings: Mapping[str, Ratings]
    parts: Mapping[str, Part] = field(default_factory=dict)


def find_labels(parts: Collection[Part], options: TableOptions, report: Reporter) -> Labels:
    """The labels of the sessions ``parts``, from their own tables or from ``options.labels_path``.

    Sessions without labels, labels without a session, and segments without a row of labels are reported. Raises
    ``DatasetError`` if the table of labels cannot be used, or if most values of a target lie outside the scale.
    """
    if options.labels_path is None:
        labels = Labels({part.session: Ratings(part.times, part.sheet.labels) for part in parts})
    else:
        labels = _join(parts, _read(options, report), options, report)
    usable = _usable_targets(labels.ratings.values(), options, report)
    ratings = {
        session: replace(one, values={target: values for target, values in one.values.items() if target in usable})
        for session, one in labels.ratings.items()
    }
    return replace(labels, ratings=ratings)


def traces(ratings: Ratings, options: TableOptions, where: str, report: Reporter) -> dict[str, Trace]:
    """The traces of all targets of a session; a target without a valid value is reported and left out.

    Raises ``DatasetError`` naming ``where`` if none is left.
    """
    found: dict[str, Trace] = {}
    faults: list[str] = []
    for target in ratings.values:
        try:
            found[target] = _trace(ratings, target, options, f"{where}, {target}")
        except DatasetError as fault:
            faults.append(str(fault))
    if not found:
        raise DatasetError(f"{where}: no label is valid")
    for sentence in faults:
        report.warn(sentence)
    return found


def _trace(ratings: Ratings, target: str, options: TableOptions, where: str) -> Trace:
    """Of frames, at the moments that hold a cell, so that labels may be rarer than frames; of segments, one value for
    each."""
    values = ratings.values[target]
    moments = slice(None) if options.rows == "segments" else ~np.isnan(values).all(axis=1)
    return build_trace(
        ratings.times[moments],
        values[moments],
        scale=options.scale,
        sentinels=options.not_annotated(),
        lag=options.lag,
        fusion=options.fusion,
        where=where,
    )


def _read(options: TableOptions, report: Reporter) -> dict[str, Part]:
    """The sessions in the table of labels. A file that cannot be read is reported and left out."""
    assert options.labels_path is not None
    parts: list[Part] = []
    faults: list[DatasetError] = []
    files = find_files(options.labels_path, None)
    for name, path in files:
        try:
            head = read_head(path, options.delimiter)
            roles = find_label_roles(head, options)
            sheet = read_sheet(head, roles, (), name, report, alone=len(files) == 1)
            parts += parts_of(sheet, options, report)
        except DatasetError as fault:
            faults.append(fault)
    report_faults(faults, parts, options.labels_path, report)
    return each_once(parts, report)


def each_once(parts: Sequence[Part], report: Reporter) -> dict[str, Part]:
    """The parts by their session; of two parts of one session, in two files, the first."""
    found: dict[str, Part] = {}
    for part in parts:
        if part.session in found:
            first = found[part.session].where(0)
            report.warn(f"{part.where(0)}: session {part.session!r} is already in {first}; what is here is left out")
        else:
            found[part.session] = part
    return found


def _join(parts: Collection[Part], labels: dict[str, Part], options: TableOptions, report: Reporter) -> Labels:
    ratings: dict[str, Ratings] = {}
    unlabelled = 0
    for part in parts:
        own = labels.get(part.session)
        if own is None:
            continue
        if options.rows == "frames":
            ratings[part.session] = Ratings(own.times + own.shift - part.shift, own.sheet.labels)
            continue
        try:
            place = _segment_rows(part, own)
        except DatasetError as fault:
            report.warn(f"{fault}; this session is left out")
            continue
        unlabelled += int((place < 0).sum())
        values = {
            target: np.where(place[:, None] < 0, np.nan, column[place]) for target, column in own.sheet.labels.items()
        }
        ratings[part.session] = Ratings(part.times, values)
    names = [part.session for part in parts]
    _report_names(f"{options.labels_path}: no labels of", [name for name in names if name not in labels], report)
    _report_names(f"{options.path}: no features of", [name for name in labels if name not in set(names)], report)
    if unlabelled:
        report.warn(f"{options.labels_path}: no row for {unlabelled} segments, which count as not annotated")
    return Labels(ratings, labels)


def _segment_rows(part: Part, labels: Part) -> np.ndarray:
    """For each segment of ``part`` its row in ``labels``, -1 where there is none, int64 [n]: by index, else by time,
    else by order. Raises ``DatasetError`` if these are not there and the numbers of rows differ."""
    for own, other in ((part.sheet.index, labels.sheet.index), (part.sheet.times, labels.sheet.times)):
        if own is not None and other is not None:
            order = np.argsort(other, kind="stable")
            ranked = other[order]
            place = np.clip(np.searchsorted(ranked, own - _SAME_TIME), 0, len(ranked) - 1)
            return np.where(np.abs(ranked[place] - own) <= _SAME_TIME, order[place], -1)
    if len(part.sheet) != len(labels.sheet):
        raise DatasetError(
            f"{labels.where(0)}: {len(labels.sheet)} rows of labels for the {len(part.sheet)} segments of session "
            f"{part.session!r}, and neither a time nor an index (table.index) to join them on"
        )
    return np.arange(len(part.sheet))


def _report_names(what: str, names: Sequence[str], report: Reporter) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        report.warn(f"{what} {len(names)} sessions ({', '.join(names[:_SHOWN])}{more}), which are left out")


def _usable_targets(ratings: Collection[Ratings], options: TableOptions, report: Reporter) -> frozenset[str]:
    """The targets that have a value at all. Values outside the scale are counted in one warning for each target."""
    path = options.labels_path or options.path
    low, high = options.scale
    slack = _SLACK * (high - low)
    usable = set()
    for target in dict.fromkeys(target for one in ratings for target in one.values):
        values = np.concatenate([one.values[target].ravel() for one in ratings if target in one.values])
        there = values[~np.isnan(values) & ~np.isin(values, options.not_annotated())]
        if not len(there):
            report.warn(f"{path}: {target} is not annotated in any row; it is left out")
            continue
        usable.add(target)
        outside = (there < low - slack) | (there > high + slack)
        found = (
            f"{path}: {int(outside.sum())} of {len(there)} values of {target} lie outside the scale {low:g}..{high:g} "
            f"(they reach from {there.min():g} to {there.max():g})"
        )
        if 2 * outside.sum() > len(there):
            raise DatasetError(f"{found}; set table.scale")
        if outside.any():
            report.warn(f"{found} and count as not annotated; set table.scale or table.sentinels")
    return frozenset(usable)
