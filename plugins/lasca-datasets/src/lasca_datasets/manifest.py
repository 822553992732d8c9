"""A dataset of one's own: a table of recordings, or of features extracted from them, and their annotation files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lasca_core.api import Component, DatasetError, Recording
from lasca_datasets.annotations import read_annotation
from lasca_datasets.features import read_features
from lasca_datasets.options import ManifestOptions
from lasca_datasets.tables import Table, is_parquet, read_parquet, read_table, require_distinct

_REQUIRED = ("session", "subject", "annotation")
_KNOWN = (*_REQUIRED, "media", "audio", "fps", "split")
_FEATURES = "features:"  # before the name of an extractor, which is in lower case


class Manifest(Component):
    """Recordings listed in a CSV or Parquet file. Relative paths start at its folder; further columns become
    metadata."""

    options: ManifestOptions

    @property
    def targets(self) -> tuple[str, ...]:
        """The annotated affect dimensions."""
        return self.options.targets

    def sessions(self) -> Iterator[Recording]:
        """The recordings, in the manifest's order. Media are not opened; annotations and features are read.

        A faulty session is reported and left out. Raises ``DatasetError`` if the manifest itself is faulty or no
        session is left.
        """
        path = self.options.path
        table = _read_manifest(path, self.options.delimiter)
        seen: dict[str, int] = {}
        faults: list[str] = []
        for number, cells in table.rows:
            try:
                row = {name: cell.strip() for name, cell in table.record(number, cells).items()}
                fps = table.number(number, "fps", row["fps"]) if row.get("fps") else None
                recording = self._recording(row, fps, f"{path}, row {number}")
                if recording.session in seen:
                    first = seen[recording.session]
                    raise DatasetError(f"{path}, row {number}: session {recording.session!r} is already in row {first}")
            except DatasetError as fault:
                faults.append(str(fault))
                self.runtime.report.warn(f"{fault}; this session is left out")
                continue
            seen[recording.session] = number
            yield recording
        if not seen:
            raise DatasetError(
                f"{path}: none of its {len(table.rows)} sessions can be used; the first fault: {faults[0]}"
            )

    def _recording(self, row: Mapping[str, str], fps: float | None, where: str) -> Recording:
        for name in _REQUIRED:
            if not row[name]:
                raise DatasetError(f"{where}: {name} is empty")
        tables = [name for name in row if name.startswith(_FEATURES)]
        if not any(row.get(name) for name in ("media", *tables)):
            besides = f", and so is {' and '.join(tables)}" if tables else ""
            raise DatasetError(f"{where}: media is empty{besides}")
        if row.get("audio") and not row.get("media"):
            raise DatasetError(f"{where}: audio without media; a recording of sound alone belongs in the column media")
        kinds = [name for name in ("media", "annotation", "audio", *tables) if row.get(name)]
        files = {name: self._file(row[name], f"{where}, {name}") for name in kinds}
        if fps is not None and not 0.0 < fps < float("inf"):
            raise DatasetError(f"{where}, fps: {row['fps']} must be above 0")
        return Recording(
            session=row["session"],
            subject=row["subject"],
            media=files.get("media"),
            audio=files.get("audio"),
            fps=fps or self.options.fps,
            features={
                name.removeprefix(_FEATURES): read_features(files[name], self.options.delimiter, self.runtime.report)
                for name in tables
                if name in files
            },
            annotations=read_annotation(files["annotation"], self.options, self.runtime.report, fps),
            split=row.get("split") or None,
            metadata={name: cell for name, cell in row.items() if name and cell and name not in (*_KNOWN, *tables)},
        )

    def _file(self, name: str, where: str) -> Path:
        path = self.options.path.parent / name
        if not path.exists():
            raise DatasetError(f"{where}: {path} does not exist")
        return path


def _read_manifest(path: Path, delimiter: str) -> Table:
    """The manifest's table, with the columns LaScA knows in lower case and every required one there."""
    if not path.is_file():
        raise DatasetError(f"{path}: no such manifest; name a CSV or Parquet file with -o manifest.path=FILE")
    table = _read_parquet(path) if is_parquet(path) else read_table(path, (*_REQUIRED, "media"), delimiter)
    table = replace(table, columns=tuple(map(_canonical, table.columns)))
    require_distinct(f"{path}, row {table.header_row}", table.columns)
    tables = [name for name in table.columns if name.startswith(_FEATURES)]
    for name in (*_REQUIRED, *(() if tables else ("media",))):
        table.require(name)
    if _FEATURES in tables:
        where = f"{path}, row {table.header_row}"
        raise DatasetError(f"{where}: the column {_FEATURES!r} names no extractor, as features:blendshape does")
    if not table.rows:
        raise DatasetError(f"{path}: there is no row below the header")
    return table


def _canonical(name: str) -> str:
    """The name in lower case, if it is one LaScA knows."""
    lower = name.lower()
    if lower.startswith(_FEATURES):
        return _FEATURES + lower.removeprefix(_FEATURES).strip()
    return lower if lower in _KNOWN else name


def _read_parquet(path: Path) -> Table:
    table = read_parquet(path)
    columns = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in table.columns]
    return Table(path, tuple(table.column_names), tuple(enumerate(zip(*columns, strict=True), start=1)), delimiter=None)
