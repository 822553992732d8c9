"""Reads the traces of several raters: columns of one file, or files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lasca_core.api import DatasetError, Reporter, Trace, build_trace
from lasca_datasets.annotations import warn_outside, warn_times
from lasca_datasets.corpora.options import RaterOptions
from lasca_datasets.corpora.sheets import Sheet, read_sheet

_TIME = ("time", "timestamp", "timestamps", "seconds", "frame")


def read_raters(
    files: Sequence[Path],
    target: str,
    options: RaterOptions,
    report: Reporter,
    *,
    corpus: str,
    unit: float = 1.0,
    step: float | None = None,
) -> Trace:
    """One trace of ``target`` from all columns of ``files`` but those of time, each of which is a rater.

    The time column is the one called time or the like, or else the first; ``unit`` is what it counts, in seconds. A
    file of one column alone has a row every ``step`` seconds. Raises ``DatasetError`` naming the file, and the row
    where there is one, if a file is not like that or no valid value is left.
    """
    if len(files) > 1:
        report.note(
            f"{corpus}: several files fit the pattern of {target} in a recording; each is taken for other raters'"
        )
    axes, ratings = [], []
    for file in files:
        sheet = read_sheet(file)
        times, values = _split(sheet, unit, step)
        warn_times(file, sheet.rows, times, report)
        sentinels = options.not_annotated()
        warn_outside(values, options.scale, sentinels, f"{file}, {target}", report, f"set {corpus}.scale")
        axes.append(times)
        ratings.append(values)
    return build_trace(
        axes,
        ratings,
        scale=options.scale,
        sentinels=options.not_annotated(),
        lag=options.lag,
        fusion=options.fusion,
        rate=options.rate,
        max_gap=options.max_gap,
        where=f"{', '.join(map(str, files))}, {target}",
    )


def _split(sheet: Sheet, unit: float, step: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Times [T] in seconds and the raters' values [T, R]."""
    if sheet.width == 1:
        if step is None:
            raise DatasetError(f"{sheet.path}: one column alone, and no video tells how many rows a second has")
        return np.arange(len(sheet.rows)) * step, sheet.columns([0])
    time = sheet.place(*_TIME) or 0
    names = sheet.names or ()
    raters = [place for place in range(sheet.width) if place != time and names[place : place + 1] != ("name",)]
    return sheet.column(time) * unit, sheet.columns(raters)
