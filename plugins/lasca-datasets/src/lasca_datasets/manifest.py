"""A dataset of one's own: a table of recordings and their annotation files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lasca_core.api import Component, DatasetError, Recording
from lasca_datasets.annotations import read_annotation
from lasca_datasets.options import ManifestOptions
from lasca_datasets.tables import Table, read_table

_REQUIRED = ("session", "subject", "media", "annotation")
_OPTIONAL = ("audio", "fps", "split")


class Manifest(Component):
    """Recordings listed in a CSV or Parquet file. Relative paths start at its folder; further columns become
    metadata."""

    options: ManifestOptions

    @property
    def targets(self) -> tuple[str, ...]:
        """The annotated affect dimensions."""
        return self.options.targets

    def sessions(self) -> Iterator[Recording]:
        """The recordings, in the manifest's order. Media are not opened; annotations are read.

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
                recording = self._recording(row, f"{path}, row {number}")
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

    def _recording(self, row: Mapping[str, str], where: str) -> Recording:
        for name in _REQUIRED:
            if not row[name]:
                raise DatasetError(f"{where}: {name} is empty")
        kinds = [name for name in ("media", "annotation", "audio") if row.get(name)]
        files = {name: self._file(row[name], f"{where}, {name}") for name in kinds}
        fps = _positive(row["fps"], f"{where}, fps") if row.get("fps") else None
        return Recording(
            session=row["session"],
            subject=row["subject"],
            media=files["media"],
            audio=files.get("audio"),
            fps=fps or self.options.fps,
            annotations=read_annotation(files["annotation"], self.options, fps),
            split=row.get("split") or None,
            metadata={name: cell for name, cell in row.items() if cell and name not in (*_REQUIRED, *_OPTIONAL)},
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
    parquet = path.suffix.lower() in (".parquet", ".pq")
    table = _read_parquet(path) if parquet else read_table(path, _REQUIRED, delimiter)
    for name in _REQUIRED:
        table.require(name)
    if not table.rows:
        raise DatasetError(f"{path}: there is no row below the header")
    known = (*_REQUIRED, *_OPTIONAL)
    return replace(table, columns=tuple(name.lower() if name.lower() in known else name for name in table.columns))


def _read_parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DatasetError(f"{path}: not readable as Parquet: {str(error).splitlines()[0]}") from None
    columns = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in table.columns]
    return Table(path, tuple(table.column_names), tuple(enumerate(zip(*columns, strict=True), start=1)), delimiter=None)


def _positive(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DatasetError(f"{where}: {text!r} is not a number") from None
    if not 0.0 < value < float("inf"):
        raise DatasetError(f"{where}: {text} must be above 0")
    return value
