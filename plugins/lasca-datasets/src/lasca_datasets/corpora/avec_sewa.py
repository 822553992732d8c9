"""SEWA as in the AVEC challenges of 2017 to 2019: fused labels every 0.1 s, and features extracted beforehand.

Layout, as the challenges' baseline code reads it::

    labels*/<Train|Devel|Test>[_<DE|HU|CN>]_<nn>.csv      name;timestamp;arousal;valence;liking
    <features>/<Train|Devel|Test>[_<DE|HU|CN>]_<nn>.csv   name;timestamp;feature;feature;...
    audio/<Train|Devel|Test>[_<DE|HU|CN>]_<nn>.wav        (optional)

Semicolons or commas separate the columns. Labels had no header in 2018, and features have none where they are bags of
words: the first two columns are then the name and the time in seconds, those of labels arousal, valence and liking, and
features are called after their folder and counted. In 2017 all files were German and the culture not in the name. Every
folder beside the labels that holds such files is served as ready features of the folder's name
(``--extractor audio_features_xbow_6s``); no sound is needed. Every file is of another person.

Labels lie in [-1, 1] and are 2 s late in the baseline, which is the default ``lag``. The partitions are the official
ones: Devel is the split ``validation``. Labels of the test partition are not public.

Licence: by agreement (EULA) with the owners, for research only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lasca_core.api import DatasetError, ReadyFeatures, Recording, Trace, Track, build_trace
from lasca_datasets.annotations import warn_outside, warn_times
from lasca_datasets.corpora.corpus import Corpus, Item, some
from lasca_datasets.corpora.files import Media, walk
from lasca_datasets.corpora.options import AvecSewaOptions
from lasca_datasets.corpora.sheets import Sheet, read_sheet

_NAME = re.compile(r"(?P<part>train|devel|test)(_(?P<culture>[a-z]{2}))?_\d+", re.IGNORECASE)
_PARTS = {"train": "train", "devel": "validation", "test": "test"}
_FIRST_CULTURE = "DE"
"""The culture of AVEC 2017, whose names do not state it."""
_COLUMNS = ("name", "timestamp", "arousal", "valence", "liking")
"""The columns of labels without a header."""
_SCALE = (-1.0, 1.0)


@dataclass(frozen=True)
class _Labels(Item):
    part: str
    culture: str


class AvecSewa(Corpus[_Labels]):
    """SEWA in the form of the AVEC challenges; see the module's description."""

    options: AvecSewaOptions

    def items(self) -> Iterator[_Labels]:
        """The label files of all partitions."""
        labels, self._features = self._folders()
        self._media = Media.of(walk(self.runtime.report, self.options.path, self.options.media))
        self._without: dict[str, list[str]] = {}
        for folder in labels:
            for file in _csv_files(folder):
                if match := _NAME.fullmatch(file.stem):
                    culture = match["culture"] or _FIRST_CULTURE
                    yield _Labels(file.stem, file, _PARTS[match["part"].lower()], culture.upper())
                else:
                    self.runtime.report.warn(f"{file}: not called like Train_DE_01.csv; it is left out")

    def _folders(self) -> tuple[list[Path], dict[str, Path]]:
        """The folders of labels, and those of features by name."""
        path = self.options.path
        if not path.is_dir():
            raise DatasetError(f"{path}: no such folder")
        folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
        labels = [folder for folder in folders if folder.name.casefold().startswith("labels")]
        if not labels:
            raise DatasetError(f"{path}: no folder 'labels'; path must be the folder that holds labels and features")
        there = {
            folder.name: folder
            for folder in folders
            if folder not in labels and any(_NAME.fullmatch(file.stem) for file in _csv_files(folder))
        }
        if missing := [name for name in self.options.features if name not in there]:
            known = ", ".join(there) or "none"
            raise DatasetError(
                f"{path}: no folder {missing[0]!r} of features (there are: {known}); see avec-sewa.features"
            )
        return labels, {name: there[name] for name in self.options.features or there}

    def feature_sets(self) -> dict[str, ReadyFeatures]:
        """What the ready features are called, from the first file of each folder that can be read."""
        _, folders = self._folders()
        found = {}
        for name, folder in folders.items():
            for file in _csv_files(folder):
                with suppress(DatasetError):  # a faulty file is reported when its session is read
                    names = _feature_names(read_sheet(file), name)
                    found[name] = ReadyFeatures(names, signed=frozenset(names))
                    break
        return found

    def recording(self, item: _Labels) -> Recording:
        """One person."""
        sheet = read_sheet(item.file)
        if sheet.width < 3:
            raise DatasetError(
                f"{item.file}: {sheet.width} columns, but labels have a name, a time and a value at least"
            )
        times = sheet.column(1)
        warn_times(item.file, sheet.rows, times, self.runtime.report)
        features = {
            name: track for name, folder in self._features.items() if (track := self._track(item, name, folder))
        }
        media, audio = self._media.find(item.session, self.runtime.report)
        if not features and media is None:
            raise DatasetError(f"{item.file}: there are neither features nor media of {item.session!r}")
        return Recording(
            session=item.session,
            subject=item.session,
            media=media,
            audio=audio,
            features=features,
            annotations=self.traces(
                {target: partial(self._trace, sheet, target, times) for target in self.options.targets}
            ),
            split=item.part,
            metadata={"culture": item.culture},
        )

    def _trace(self, sheet: Sheet, target: str, times: np.ndarray) -> Trace:
        where = f"{sheet.path}, {target}"
        if sheet.names is None and target in _COLUMNS[: sheet.width]:
            place = _COLUMNS.index(target)
        else:
            place = sheet.require(target)
        values = sheet.column(place)
        warn_outside(values, _SCALE, (), where, self.runtime.report, "labels of the challenge have no such values")
        return build_trace(times, values, scale=_SCALE, sentinels=(), lag=self.options.lag, where=where)

    def _track(self, item: Item, name: str, folder: Path) -> Track | None:
        """One folder's features of a session, or None."""
        import torch

        file = folder / f"{item.session}.csv"
        if not file.is_file():
            self._without.setdefault(name, []).append(item.session)
            return None
        sheet = read_sheet(file)
        names = _feature_names(sheet, name)
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, hence not valid
            times, values = sheet.column(1), sheet.columns(range(2, sheet.width)).astype(np.float32)
        warn_times(file, sheet.rows, times, self.runtime.report)
        times, last = np.unique(times[::-1], return_index=True)  # of rows with one time the last
        times, values = times[np.isfinite(times)], values[::-1][last][np.isfinite(times)]
        known: np.ndarray = np.asarray(np.isfinite(values).all(axis=1))
        if lost := int((~known).sum()):
            self.runtime.report.warn(
                f"{file}: {lost} of {len(known)} rows have an empty or infinite cell and count as not valid"
            )
        values[~known] = 0.0
        return Track(
            names, torch.from_numpy(values), torch.from_numpy(times), torch.from_numpy(known), signed=frozenset(names)
        )

    def summarize(self) -> None:
        """Report whose features are missing."""
        for name, sessions in self._without.items():
            self.runtime.report.warn(f"avec-sewa: the features {name} are missing in {some(sessions)}")


def _feature_names(sheet: Sheet, folder: str) -> tuple[str, ...]:
    """The header's, or the folder's with a number; distinct."""
    count = sheet.width - 2
    if count < 1:
        raise DatasetError(f"{sheet.path}: {sheet.width} columns, but features have a name and a time before them")
    names = sheet.names[2:] if sheet.names is not None else ()
    if len(set(names)) == count and all(names):
        return names
    return tuple(f"{folder}_{number + 1:03d}" for number in range(count))


def _csv_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".csv" and not file.name.startswith("."))
