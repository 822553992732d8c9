"""Reads one feature table: named features over time, ready for use, as `lasca extract` writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lasca_core.api import DatasetError, Reporter, Track
from lasca_datasets.table.cells import Cells, read_head
from lasca_datasets.tables import Table

_TIME, _VALID, _SPAN = "time", "valid", "span"
_INDEX = ("", "__index_level_0__")  # how pandas calls an index without a name in CSV and in Parquet


def read_features(path: Path, delimiter: str, report: Reporter) -> Track:
    """The track in the Parquet or CSV file ``path``: columns ``time`` (seconds) and the features, perhaps ``valid`` and
    ``span``.

    With a column ``span`` each row describes as a whole so many seconds from its time on; without one, rows are frames.
    Rows may come in any order. A row with a cell that is empty, NaN or infinite is not valid; unless ``valid`` says so
    already, such rows are counted in one warning. An index that pandas wrote is ignored. A table does not tell which
    features are signed, so ``signed`` is empty.

    Raises ``DatasetError`` naming the file, and the row where there is one, if anything else is found.
    """
    import torch

    head = read_head(path, delimiter)
    header = Table(path, head.columns, (), head.delimiter or None)
    time, valid, span = header.require(_TIME), header.find(_VALID), header.find(_SPAN)
    names = tuple(name for name in head.columns if name not in (time, valid, span, *_INDEX))
    if not names:
        raise DatasetError(f"{path}: no feature column, only {', '.join(map(repr, head.columns))}")
    about = [column for column in (time, valid, span) if column is not None]
    cells = Cells.read(head, texts=(), numbers=about, narrow=names)
    if not len(cells):
        raise DatasetError(f"{path}: there is no row below the header")
    if cells.ragged:
        raise DatasetError(f"{path}, row {cells.ragged_row}: not {len(head.columns)} cells, as the header has")

    times = cells.number(time).astype(np.float64)
    stated = np.ones(len(times)) if valid is None else cells.number(valid)
    spans = None if span is None else cells.number(span).astype(np.float64)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, hence not valid
        values = np.stack([cells.number(name) for name in names], axis=1).astype(np.float32)
    for fault in cells.faults.values():
        raise DatasetError(f"{path}, {fault}")
    order = _ascending(cells, times)
    _require(cells, np.isin(stated, (0.0, 1.0)) | np.isnan(stated), "valid must be true or false, 1 or 0")
    if spans is not None:
        _require(cells, np.isfinite(spans) & (spans > 0), "the span must be a number of seconds above 0")
    known = np.isfinite(values).all(axis=1) & (stated == 1)
    if lost := int((~known & (stated != 0)).sum()):
        report.warn(f"{path}: {lost} of {len(times)} rows hold empty, NaN or infinite cells and count as not valid")
    values[~known] = 0.0
    return Track(
        names,
        torch.from_numpy(values[order]),
        torch.from_numpy(times[order]),
        torch.from_numpy(known[order]),
        spans=None if spans is None else torch.from_numpy(spans[order]),
    )


def _ascending(cells: Cells, times: np.ndarray) -> np.ndarray:
    """The order that sorts the rows by time, int64 [T]."""
    _require(cells, np.isfinite(times), "the time is empty, NaN or infinite")
    order = np.argsort(times, kind="stable")
    repeated = np.flatnonzero(np.diff(times[order]) == 0)
    if len(repeated):
        first, second = (int(place) for place in order[repeated[0] : repeated[0] + 2])
        raise DatasetError(
            f"{cells.head.path}, row {cells.row(second)}: the time {times[second]} is already in row {cells.row(first)}"
        )
    return order


def _require(cells: Cells, sound: np.ndarray, promise: str) -> None:
    """Raise ``DatasetError`` naming the first row that is not ``sound``, bool [T]."""
    if not sound.all():
        raise DatasetError(f"{cells.head.path}, row {cells.row(int((~sound).argmax()))}: {promise}")
