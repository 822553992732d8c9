"""Finds the files of a table and agrees on one format and one list of features for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import Path

from lasca_core.api import DatasetError, Reporter
from lasca_datasets.table.cells import Head, read_head
from lasca_datasets.table.layouts import LAYOUTS, Layout, recognise
from lasca_datasets.table.options import TableOptions
from lasca_datasets.table.roles import Roles, find_features, find_roles

_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")


@dataclass(frozen=True)
class File:
    """A file of features whose header has been understood; ``features`` maps its columns to the features' names."""

    name: str
    """The session's name where no column tells it: the path within the folder, without its ending."""
    head: Head
    roles: Roles
    features: Mapping[str, str]


@dataclass(frozen=True)
class Files:
    """All usable files, with one format and equal features in one order."""

    layout: Layout
    files: tuple[File, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The features."""
        return tuple(self.files[0].features.values())


def understand(options: TableOptions, report: Reporter) -> Files:
    """The files of ``options.path``. A file that cannot be used is reported and left out.

    Raises ``DatasetError`` if none is left.
    """
    heads: list[tuple[str, Head]] = []
    files: list[File] = []
    faults: list[DatasetError] = []
    for name, path in find_files(options.path, options.files):
        if options.labels_path is not None and path.resolve() == options.labels_path.resolve():
            continue  # a table of labels may lie beside those of features
        try:
            heads.append((name, read_head(path, options.delimiter)))
        except DatasetError as fault:
            faults.append(fault)
    if not heads:
        raise faults[0] if faults else DatasetError(f"{options.path}: holds nothing but the labels")
    layout = _layout([head for _, head in heads], options, report)
    for name, head in heads:
        try:
            roles = find_roles(head, layout, options, labels=options.labels_path is None)
            files.append(File(name, head, roles, find_features(head, layout, options, roles.taken())))
        except DatasetError as fault:
            faults.append(fault)
    report_faults(faults, files, options.path, report)
    return Files(layout, _agreed(files, report))


def report_faults(faults: Sequence[DatasetError], kept: Sized, path: Path, report: Reporter) -> None:
    """Say that the files which have ``faults`` are left out. If nothing is ``kept`` of ``path``, raise the first."""
    if not kept:
        raise (
            faults[0] if faults else DatasetError(f"{path}: none of its sessions can be used; the reasons stand above")
        )
    for one in faults:
        report.warn(f"{one}; this file is left out")


def find_files(path: Path, pattern: str | None) -> list[tuple[str, Path]]:
    """The names and paths of the file ``path``, or of the files in that folder, sorted.

    Raises ``DatasetError`` if there is none.
    """
    if path.is_file():
        return [(path.stem, path)]
    if not path.is_dir():
        raise DatasetError(f"{path}: no such file or folder; name a table, or a folder of tables, with table.path")
    if pattern is not None:
        found = [file for file in path.glob(pattern) if file.is_file()]
    else:
        found = [file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")]
    if not found:
        what = f"that is called {pattern}" if pattern is not None else f"that ends in {', '.join(_SUFFIXES)}"
        raise DatasetError(f"{path}: there is no file {what} in this folder; choose others with table.files")
    return [(file.relative_to(path).with_suffix("").as_posix(), file) for file in sorted(found)]


def _layout(heads: Sequence[Head], options: TableOptions, report: Reporter) -> Layout:
    """The format asked for, else the one that most files have."""
    if options.format != "auto":
        return LAYOUTS[options.format]
    found = Counter(recognise(head.columns).name for head in heads)
    name = found.most_common(1)[0][0]
    report.note(f"{options.path}: format {name}, by its header (table.format names another)")
    return LAYOUTS[name]


def _agreed(files: Sequence[File], report: Reporter) -> tuple[File, ...]:
    """Files with the features that most of them have, in the order of the first; one that lacks some is left out."""
    counts = Counter(name for file in files for name in file.features.values())
    common = [name for name in counts if 2 * counts[name] > len(files)]
    if not common:
        raise DatasetError(f"{files[0].head.path}: its columns are not those of the other files; name table.features")
    agreed = []
    for file in files:
        columns = {name: column for column, name in file.features.items()}
        missing = [name for name in common if name not in columns]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            report.warn(
                f"{file.head.path}: no column {missing[0]!r}{more}, which most of the {len(files)} files have; "
                "this file is left out"
            )
        else:
            agreed.append(replace(file, features={columns[name]: name for name in common}))
    if not agreed:
        raise DatasetError(f"{files[0].head.path}: no two files have the same columns; name table.features")
    return tuple(agreed)
