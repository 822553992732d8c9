"""SEWA DB: people of six cultures who watch adverts and talk about them over the web, rated by several raters.

Layout, as the database's description of its data types states it: a folder for each recording, with ``metadata.ini``
(an index of its files, the session's and the subject's number, demographics), the video (``*.avi``, 20 to 30 frames a
second), the sound (``*.wav``) and the annotations. In public code that reads them, a dimension's trace is called
``<recording>_Valence_AV_Aligned.csv`` (AV: rated with picture and sound, A: sound alone, V: picture alone); its first
column is time and every further one a rater. File naming varies by release, so all patterns are options.

A person took part in one session, alone or with a partner, and the subject is the session's and the subject's number
together: unique whether subjects are counted through or anew in each session. The culture becomes metadata, with all
other keys of ``metadata.ini``.

Licence: by agreement (EULA) with the owners, for research only.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lasca_core.api import DatasetError, Recording
from lasca_datasets.corpora.corpus import Corpus, Item, some
from lasca_datasets.corpora.files import matching, only, walk
from lasca_datasets.corpora.options import SewaOptions
from lasca_datasets.corpora.raters import read_raters
from lasca_datasets.corpora.video import read_video
from lasca_datasets.tables import read_bytes

_SUBJECT = ("subject_number", "subject_id", "subject", "participant", "person")
_SESSION = ("session_number", "session_id", "session")
_CULTURE = ("culture", "nationality", "country", "language")


@dataclass(frozen=True)
class _Folder(Item):
    files: list[Path]
    traces: dict[str, list[Path]]

    @property
    def path(self) -> Path:
        """The recording's folder."""
        return self.file.parent


class Sewa(Corpus[_Folder]):
    """SEWA DB with a folder for each recording; see the module's description."""

    options: SewaOptions

    def items(self) -> Iterator[_Folder]:
        """The folders that hold a file which marks a recording, and a trace."""
        path = self.options.path
        files = walk(self.runtime.report, path).files
        marks = {file.parent: file for file in reversed(matching(files, path, self.options.recordings))}
        if not marks:
            raise DatasetError(
                f"{path}: no file fits {', '.join(self.options.recordings)}; say which files mark a recording's folder "
                'with -o sewa.recordings=["PATTERN"]'
            )
        inside: dict[Path, list[Path]] = {folder: [] for folder in marks}
        for file in files:
            owner = next((folder for folder in file.parents if folder in marks), None)
            if owner is not None:
                inside[owner].append(file)
        self._nameless: list[str] = []
        found = [_Folder(f.name, marks[f], inside[f], self._traces(f, inside[f])) for f in sorted(marks)]
        if not any(folder.traces for folder in found):
            raise DatasetError(
                f"{path}: none of {len(found)} recordings has a trace of {' or '.join(self.options.targets)}; say how "
                "they are called with sewa.traces"
            )
        if unrated := [folder.session for folder in found if not folder.traces]:
            self.runtime.report.note(f"sewa: without a trace, hence not used: {some(unrated)}")
        yield from (folder for folder in found if folder.traces)

    def _traces(self, folder: Path, files: list[Path]) -> dict[str, list[Path]]:
        """The files of each target that has some."""
        patterns = {target: [p.replace("{target}", target) for p in self.options.traces] for target in self.targets}
        fitting = {target: matching(files, folder, own) for target, own in patterns.items()}
        return {target: found for target, found in fitting.items() if found}

    def recording(self, item: _Folder) -> Recording:
        """The recording in one folder."""
        options, report = self.options, self.runtime.report
        about = self._metadata(item.files)
        video = only(matching(item.files, item.path, options.videos), f"the video of {item.session}", report)
        sound = only(matching(item.files, item.path, options.sounds), f"the sound of {item.session}", report)
        if video is None and sound is None:
            raise DatasetError(f"{item.path}: neither a video nor a sound; set sewa.videos and sewa.sounds")
        for target in options.targets:
            if target not in item.traces:
                report.warn(f"{item.path}: there is no trace of {target}")
        step = 1 / read_video(video).fps if video is not None else None
        unit = {"s": 1.0, "ms": 1e-3, "frames": step}[options.unit]
        if unit is None:
            raise DatasetError(f"{item.path}: times are frames, but there is no video that tells how many a second has")
        return Recording(
            session=item.session,
            subject=self._subject(item.session, about),
            media=video or sound,
            audio=sound if video is not None else None,
            annotations=self.traces(
                {
                    target: partial(read_raters, found, target, options, report, corpus="sewa", unit=unit, step=step)
                    for target, found in item.traces.items()
                }
            ),
            metadata=about | self._culture(about),
        )

    def _metadata(self, files: list[Path]) -> dict[str, str]:
        """All keys of ``metadata.ini``, in small letters with ``_`` for what is none; of several the first counts."""
        file = next((file for file in files if file.name.casefold() == "metadata.ini"), None)
        if file is None:
            return {}
        text = read_bytes(file).decode("utf-8-sig", errors="replace")
        parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
        try:
            parser.read_string(text if text.lstrip().startswith("[") else f"[metadata]\n{text}")
        except configparser.Error as error:
            self.runtime.report.warn(f"{file}: not read, it is no ini file: {str(error).splitlines()[0]}")
            return {}
        found: dict[str, str] = {}
        for section in parser.sections():
            for key, value in parser.items(section):
                if value and value.strip():
                    found.setdefault(_plain(key), value.strip().strip('"'))
        return found

    def _subject(self, session: str, about: Mapping[str, str]) -> str:
        """Who is recorded: the session's and the subject's number, as far as they are known."""
        key = self.options.subject_key
        person = _first(about, (_plain(key),) if key else _SUBJECT)
        if person is None:
            self._nameless.append(session)
            return session
        return "-".join(part for part in (_first(about, _SESSION), person) if part)

    def _culture(self, about: Mapping[str, str]) -> dict[str, str]:
        key = self.options.culture_key
        culture = _first(about, (_plain(key),) if key else _CULTURE)
        return {"culture": culture} if culture else {}

    def summarize(self) -> None:
        """Report for whom it is not known who they are."""
        if self._nameless:
            self.runtime.report.warn(
                f"sewa: metadata.ini names no subject for {some(self._nameless)}: each counts as a person of its own; "
                "set sewa.subject_key, or say who it is in a table: sewa.people"
            )


def _plain(key: str) -> str:
    return re.sub(r"\W+", "_", key.strip().casefold()).strip("_")


def _first(about: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    return next((about[key] for key in keys if key in about), None)
