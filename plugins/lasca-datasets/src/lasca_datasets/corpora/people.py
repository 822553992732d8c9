"""What a corpus does not say of its sessions, from a table of the user's: who, which part, and what else is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lasca_core.api import DatasetError, Recording, Reporter
from lasca_datasets.tables import read_table


class People:
    """The rows of the table by session."""

    def __init__(self, path: Path | None, report: Reporter) -> None:
        self._path = path
        self._report = report
        self._rows: dict[str, dict[str, str]] = {}
        self._numbers: dict[str, int] = {}
        if path is not None:
            self._read(path)

    def _read(self, path: Path) -> None:
        table = read_table(path, ("session", "subject", "split"))
        session = table.require("session")
        for row, cells in table.rows:
            try:
                record = {name: cell.strip() for name, cell in table.record(row, cells).items()}
            except DatasetError as fault:
                self._report.warn(f"{fault}; this row is left out")
                continue
            name = record.pop(session)
            if name in self._rows:
                first = self._numbers[name]
                self._report.warn(
                    f"{path}, row {row}: session {name!r} is already in row {first}; this row is left out"
                )
                continue
            self._rows[name] = {column.casefold(): cell for column, cell in record.items() if column and cell}
            self._numbers[name] = row

    def complete(self, recording: Recording) -> Recording:
        """``recording`` with what the table says of its session, which goes before what the corpus says."""
        row = dict(self._rows.get(recording.session, {}))
        return replace(
            recording,
            subject=row.pop("subject", recording.subject),
            split=row.pop("split", recording.split),
            metadata={**recording.metadata, **row},
        )

    def check(self, sessions: set[str]) -> None:
        """Report rows of sessions that the corpus does not have."""
        if unknown := [name for name in self._rows if name not in sessions]:
            more = f" and {len(unknown) - 1} other rows are" if len(unknown) > 1 else " is"
            self._report.warn(
                f"{self._path}, row {self._numbers[unknown[0]]}: {unknown[0]!r}{more} of no session that was read"
            )
