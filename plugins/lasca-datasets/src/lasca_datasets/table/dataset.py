"""The dataset `table`: recordings from files of ready features with named columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property

import numpy as np

from lasca_core.api import Component, DatasetError, ReadyFeatures, Recording, Track
from lasca_datasets.table.files import Files, find_files, report_faults, understand
from lasca_datasets.table.labels import Labels, each_once, find_labels, traces
from lasca_datasets.table.layouts import Layout
from lasca_datasets.table.options import TableOptions
from lasca_datasets.table.sessions import Part, parts_of
from lasca_datasets.table.sheet import Sheet, read_sheet

_SHOWN = 6  # features in a message
_FAR_APART = 1.0
"""Seconds between two rows from which on they are hardly frames."""


class FeatureTable(Component):
    """Ready features from a CSV or Parquet file, or a folder of them, one row a frame or one row a segment.

    What is wrong with a row, a session or a file is reported with file and row and left out; a ``DatasetError`` is
    raised if nothing is left, or if most labels lie outside the scale.
    """

    options: TableOptions

    def feature_sets(self) -> Mapping[str, ReadyFeatures]:
        """What is known of the features: one set, under the name of the format or of ``options.extractor``."""
        return {self._name: self._content[0]}

    def sessions(self) -> Iterator[Recording]:
        """The recordings, file by file in order of their names, in the order in which they begin there."""
        yield from self._content[1]

    def fingerprint(self) -> str:
        """sha256 of the names and the content of all files."""
        files = find_files(self.options.path, self.options.files)
        if self.options.labels_path is not None:
            files += find_files(self.options.labels_path, None)
        digest = hashlib.sha256()
        for name, path in files:
            try:
                with path.open("rb") as file:
                    digest.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
        return digest.hexdigest()

    @cached_property
    def _files(self) -> Files:
        return understand(self.options, self.runtime.report)

    @property
    def _name(self) -> str:
        layout = self._files.layout.name
        return self.options.extractor or ("table" if layout == "plain" else layout)

    @cached_property
    def _content(self) -> tuple[ReadyFeatures, list[Recording]]:
        """Everything, read once: the features are known only when it is known which columns hold anything."""
        options, report = self.options, self.runtime.report
        sheets: list[Sheet] = []
        parts: list[Part] = []
        holds = np.zeros(len(self._files.names), dtype=bool)
        faults: list[DatasetError] = []
        for file in self._files.files:
            try:
                sheet = read_sheet(
                    file.head,
                    file.roles,
                    list(file.features),
                    file.name,
                    report,
                    layout=self._files.layout,
                    pattern=options.pattern,
                    alone=len(self._files.files) == 1,
                )
                found = parts_of(sheet, options, report)
            except DatasetError as fault:
                faults.append(fault)
                continue
            holds |= np.isfinite(sheet.values).any(axis=0)
            sheets.append(sheet)
            parts += found
        report_faults(faults, parts, options.path, report)
        ready = self._ready(holds)
        for sheet in sheets:
            self._report_holes(sheet, holds)
        sessions = each_once(parts, report)
        labels = find_labels(sessions.values(), options, report)
        self._hint_at_segments(parts)
        labelled = [part for part in sessions.values() if part.session in labels.ratings]
        recordings = list(filter(None, (self._recording(part, ready, holds, labels) for part in labelled)))
        report_faults((), recordings, options.path, report)
        if len(recordings) > 1 and not any(part.subject for part in (*sessions.values(), *labels.parts.values())):
            report.warn(
                f"{options.path}: no subject is known, so each of the {len(recordings)} sessions counts as another "
                "person; name table.subject or table.pattern"
            )
        return ready, recordings

    def _ready(self, holds: np.ndarray) -> ReadyFeatures:
        """The features whose columns hold anything, bool [F]."""
        options, layout, report = self.options, self._files.layout, self.runtime.report
        empty = [name for name, filled in zip(self._files.names, holds, strict=True) if not filled]
        names = [name for name, filled in zip(self._files.names, holds, strict=True) if filled]
        if not names:
            raise DatasetError(f"{options.path}: the columns of its {len(empty)} features are empty")
        if empty:
            report.note(f"{options.path}: left out, because their columns are empty: {_listed(empty)}")
        report.note(f"{self._name}: {len(names)} features: {_listed(names)} (table.features chooses others)")
        resolution = {name: size for name in names if (size := _resolution(name, layout, options)) is not None}
        return ReadyFeatures(
            tuple(names), frozenset(name for name in names if _is_signed(name, layout, options)), resolution
        )

    def _hint_at_segments(self, parts: Sequence[Part]) -> None:
        steps = [float(np.median(np.diff(part.times))) for part in parts if len(part.times) > 1]
        if self.options.rows == "frames" and steps and (step := float(np.median(steps))) > _FAR_APART:
            self.runtime.report.note(
                f"{self.options.path}: its rows lie {step:g} s apart; if each describes a whole segment, say "
                "table.rows = 'segments', and if time is in milliseconds, table.unit = 'ms'"
            )

    def _recording(self, part: Part, ready: ReadyFeatures, holds: np.ndarray, labels: Labels) -> Recording | None:
        """The recording of one session; None, after a word about it, if it cannot be used."""
        import torch

        options, report = self.options, self.runtime.report
        try:
            where = f"{options.labels_path or part.sheet.path}, session {part.session!r}"
            annotations = traces(labels.ratings[part.session], options, where, report)
            values, valid = self._values(part, holds)
            told = [one for one in (part, labels.parts.get(part.session)) if one is not None]
            subject = next(filter(None, (one.subject for one in told)), part.session)
            split = next(filter(None, (one.constant(one.sheet.split, "split") for one in told)), None)
            metadata = {
                name: text
                for one in reversed(told)
                for name, codes in one.sheet.metadata.items()
                if (text := one.constant(codes, name)) is not None
            }
        except DatasetError as fault:
            report.warn(f"{fault}; this session is left out")
            return None
        times = torch.from_numpy(part.times)
        segments = torch.stack([times, torch.from_numpy(part.ends)], dim=1) if options.rows == "segments" else None
        return Recording(
            session=part.session,
            subject=subject,
            features={
                self._name: Track(ready.names, torch.from_numpy(values), times, torch.from_numpy(valid), ready.signed)
            },
            annotations=annotations,
            split=split,
            segments=segments,
            metadata=metadata,
        )

    def _values(self, part: Part, holds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features float32 [n, F], 0 in rows that are not valid, and which are, bool [n]."""
        values = part.sheet.values if holds.all() else part.sheet.values[:, holds]
        whole = np.isfinite(values).all(axis=1)
        valid = whole & part.sheet.sound
        if not valid.any():
            why = "the tool vouches for none of them" if whole.any() else "each has empty, NaN or infinite cells"
            raise DatasetError(
                f"{part.where(0)}: none of the {len(valid)} rows of session {part.session!r} is valid: {why}"
            )
        return np.where(valid[:, None], values, np.float32(0)), valid

    def _report_holes(self, sheet: Sheet, holds: np.ndarray) -> None:
        lost = ~np.isfinite(sheet.values[:, holds]).all(axis=1) & sheet.sound
        if lost.any():
            self.runtime.report.warn(
                f"{sheet.where(int(lost.argmax()))}: empty, NaN or infinite cells; {int(lost.sum())} of the file's "
                f"{len(sheet)} rows hold such and count as not valid"
            )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _is_signed(name: str, layout: Layout, options: TableOptions) -> bool:
    if options.signed is None:
        return layout.is_signed(name)
    return any(fnmatchcase(name, pattern) for pattern in options.signed)


def _resolution(name: str, layout: Layout, options: TableOptions) -> float | None:
    asked = [size for pattern, size in options.resolution.items() if fnmatchcase(name, pattern)]
    return asked[0] if asked else layout.resolution_of(name)
