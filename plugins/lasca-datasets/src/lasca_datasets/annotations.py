"""Reads one annotation file: continuous traces of affect, by one or several raters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lasca_core.api import DatasetError, Reporter, Trace, build_trace
from lasca_datasets.options import AnnotationOptions
from lasca_datasets.tables import Table, read_table


def read_annotation(
    path: Path, layout: AnnotationOptions, report: Reporter, fps: float | None = None
) -> dict[str, Trace]:
    """The traces of all targets in the CSV file ``path``.

    Times come from ``layout.time_column`` or the column ``time`` (seconds), else from the column ``frame`` (counted
    from 0) or, one row a frame, from the row, both divided by ``fps`` (default: ``layout.fps``). Rows may come in any
    order; of rows with one time the last counts, which is reported. A target's values lie in the column of its name,
    or with several raters in the columns ``target_r1``, ``target_r2`` ..., ``target:anything``, or those that
    ``layout.raters`` names. Values outside ``layout.scale`` are not annotated; unless they are sentinels, they are
    counted in one warning for each target.

    Raises ``DatasetError`` naming the file, and the row where there is one, if anything else is found.
    """
    time_names = (layout.time_column,) if layout.time_column else ("time", "frame")
    table = read_table(path, (*layout.targets, *time_names), layout.delimiter)
    columns = {target: _rater_columns(table, target, layout.raters.get(target, ())) for target in layout.targets}
    if not table.rows:
        raise DatasetError(f"{path}: there is no row below the header")
    records = [(row, table.record(row, cells)) for row, cells in table.rows]
    times = _times(table, records, layout.time_column, fps or layout.fps)
    sentinels = layout.not_annotated()
    warn_times(path, [row for row, _ in records], times, report)
    traces = {}
    for target, raters in columns.items():
        where = f"{path}, {target}"
        values = np.array([[table.number(row, column, cells[column]) for column in raters] for row, cells in records])
        traces[target] = build_trace(
            times,
            values,
            scale=layout.scale,
            sentinels=sentinels,
            lag=layout.lag,
            fusion=layout.fusion,
            where=where,
        )
        warn_outside(values, layout.scale, sentinels, where, report, "set manifest.scale")
    return traces


def warn_outside(
    values: np.ndarray,
    scale: tuple[float, float],
    sentinels: tuple[float, ...],
    where: str,
    report: Reporter,
    advice: str,
) -> None:
    """Count the ``values`` [T, R] that ``build_trace`` takes for not annotated although they are there."""
    low, high = scale
    slack = 1e-3 * (high - low)  # the rounding that build_trace allows
    there = values[~np.isnan(values) & ~np.isin(values, sentinels)]
    outside = int(((there < low - slack) | (there > high + slack)).sum())
    if outside:
        report.warn(
            f"{where}: {outside} of {there.size} values lie outside the scale {low:g}..{high:g} and count as not "
            f"annotated; {advice}"
        )


def warn_times(path: Path, rows: Sequence[int], times: np.ndarray, report: Reporter) -> None:
    """Report ``rows`` [T] of the file ``path`` that do not count because of their ``times`` [T]: those without a time,
    and of rows with one time all but the last."""
    missing = np.flatnonzero(~np.isfinite(times))
    if len(missing):
        report.warn(
            f"{path}, row {rows[missing[0]]}: {len(missing)} of {len(times)} rows have no time and are left out"
        )
    order = np.argsort(times, kind="stable")
    again = np.flatnonzero(np.diff(times[order]) == 0)
    if len(again):
        first, second = (rows[place] for place in order[again[0] : again[0] + 2])
        left_out = "1 row is" if len(again) == 1 else f"{len(again)} rows are"
        report.warn(
            f"{path}, row {second}: the time {times[order[again[0]]]:g} is already in row {first}; {left_out} left out "
            "in favour of a later one with the same time"
        )


def _rater_columns(table: Table, target: str, named: tuple[str, ...]) -> list[str]:
    if named:
        return [table.require(name) for name in named]
    if (fused := table.find(target)) is not None:
        return [fused]
    pattern = re.compile(rf"{re.escape(target)}(_r?\d+|:.+)", re.IGNORECASE)
    raters = [name for name in table.columns if pattern.fullmatch(name)]
    return raters or [table.require(target)]


def _times(
    table: Table, records: list[tuple[int, dict[str, str]]], time_column: str | None, fps: float | None
) -> np.ndarray:
    """Seconds of each row, float64."""
    seconds = table.require(time_column) if time_column else table.find("time")
    column = seconds if seconds is not None else table.find("frame")
    rate = 1.0 if seconds is not None else fps
    if rate is None:
        raise DatasetError(
            f"{table.path}, row {table.header_row}: no column 'time', so the frames a second must be known; set fps, "
            "or name the column of seconds with time_column"
        )
    if column is None:
        return np.arange(len(records)) / rate
    values = []
    for row, cells in records:
        value = table.number(row, column, cells[column])
        if not np.isfinite(value):
            raise DatasetError(f"{table.path}, row {row}: {column} is {cells[column]!r}, not a number")
        values.append(value)
    return np.array(values) / rate
