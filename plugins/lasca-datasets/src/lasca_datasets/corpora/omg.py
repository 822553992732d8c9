"""OMG-Emotion: monologues from the web of about a minute, annotated utterance by utterance.

Layout, as the corpus's own repository states and prepares it: ``omg_TrainVideos.csv``, ``omg_ValidationVideos.csv`` and
``omg_TestVideos_WithLabels.csv`` with the columns ``link, start, end, video, utterance, arousal, valence,
EmotionMaxVote``, one row for each utterance; ``start`` and ``end`` are seconds in the video. The preparing script keeps
the whole videos as ``youtube_videos_temp/<video>.mp4`` and cuts every utterance out as ``<video>/utterance_1.mp4``. The
whole videos are what is read here, because pairs are made of windows of one recording.

A session is a video and its utterances are its windows (``Recording.segments``), which may overlap a little. Arousal
lies in [0, 1], valence in [-1, 1]. The corpus does not say who speaks: all parts of one address are one person, unless
the table ``people`` says otherwise.

Licence: CC BY-NC-SA 3.0 DE, for research only, and not to be passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lasca_core.api import DatasetError, Recording, Trace, build_trace
from lasca_datasets.annotations import warn_outside
from lasca_datasets.corpora.corpus import Corpus, Item
from lasca_datasets.corpora.files import VIDEO, only, walk
from lasca_datasets.corpora.options import OmgOptions
from lasca_datasets.tables import Table, read_table

_PARTS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}
_SCALES = {"arousal": (0.0, 1.0)}
_SCALE = (-1.0, 1.0)
_ADDRESS = re.compile(r"[?&]v=([\w-]+)")
"""The part of a video's address that tells it from others."""


@dataclass(frozen=True)
class _Utterance:
    row: int
    start: float
    end: float
    values: dict[str, float]


@dataclass(frozen=True)
class _Video(Item):
    part: str
    speaker: str
    utterances: list[_Utterance]


class Omg(Corpus[_Video]):
    """OMG-Emotion; see the module's description."""

    options: OmgOptions

    def items(self) -> Iterator[_Video]:
        """The videos of all parts."""
        tree = walk(self.runtime.report, self.options.path, self.options.media)
        self._videos = tree.by_stem(VIDEO)
        self._cut = {file.parent.name for file in tree.files if file.stem.startswith("utterance_")}
        read = 0
        for file in tree.files:
            name = file.name.casefold()
            part = next((part for word, part in _PARTS.items() if name.startswith(f"omg_{word}videos")), None)
            if part and file.suffix.lower() == ".csv" and "withoutlabels" not in name:
                read += 1
                yield from self._videos_of(file, part)
        if not read:
            raise DatasetError(f"{self.options.path}: none of omg_TrainVideos.csv, omg_ValidationVideos.csv is there")

    def _videos_of(self, file: Path, part: str) -> Iterator[_Video]:
        """The videos that one table describes; a faulty row is reported and left out, and so is a faulty table."""
        report = self.runtime.report
        try:
            table = read_table(file, ("video", "start", "end", *self.options.targets))
            columns = {name: table.require(name) for name in ("video", "start", "end", *self.options.targets)}
        except DatasetError as fault:
            report.warn(f"{fault}; the part {part!r} is left out")
            return
        link = table.find("link")
        found: dict[str, _Video] = {}
        for row, cells in table.rows:
            try:
                record = table.record(row, cells)
                utterance = self._utterance(table, row, {name: record[column] for name, column in columns.items()})
            except DatasetError as fault:
                report.warn(f"{fault}; this utterance is left out")
                continue
            name = record[columns["video"]].strip()
            address = record[link].strip() if link is not None else ""
            known = _ADDRESS.search(address)
            speaker = known[1] if known else address or name
            found.setdefault(name, _Video(name, file, part, speaker, [])).utterances.append(utterance)
        yield from found.values()

    def _utterance(self, table: Table, row: int, cells: dict[str, str]) -> _Utterance:
        start, end = (table.number(row, name, cells[name]) for name in ("start", "end"))
        if not start < end < float("inf"):
            raise DatasetError(f"{table.path}, row {row}: the utterance ends at {end:g} s and starts at {start:g} s")
        if not cells["video"].strip():
            raise DatasetError(f"{table.path}, row {row}: video is empty")
        values = {target: table.number(row, target, cells[target]) for target in self.options.targets}
        return _Utterance(row, start, end, values)

    def recording(self, item: _Video) -> Recording:
        """One video."""
        import torch

        file = only(self._videos.get(item.session, []), f"the video {item.session!r}", self.runtime.report)
        if file is None:
            how = (
                "there only cut into utterances; the whole one is needed" if item.session in self._cut else "not there"
            )
            raise DatasetError(f"{item.file}: the video {item.session!r} is {how}")
        utterances = self._in_order(item)
        starts = np.array([utterance.start for utterance in utterances])
        traces = {
            target: partial(self._trace, item, target, starts, [utterance.values[target] for utterance in utterances])
            for target in self.options.targets
        }
        return Recording(
            session=item.session,
            subject=item.speaker,
            media=file,
            annotations=self.traces(traces),
            split=item.part,
            segments=torch.tensor([[utterance.start, utterance.end] for utterance in utterances], dtype=torch.float64),
        )

    def _in_order(self, item: _Video) -> list[_Utterance]:
        """The utterances by their start; of several that start together the first counts."""
        kept: list[_Utterance] = []
        for utterance in sorted(item.utterances, key=lambda utterance: (utterance.start, utterance.row)):
            if kept and kept[-1].start == utterance.start:
                self.runtime.report.warn(
                    f"{item.file}, row {utterance.row}: an utterance of {item.session} starts where that of row "
                    f"{kept[-1].row} does; it is left out"
                )
            else:
                kept.append(utterance)
        return kept

    def _trace(self, item: _Video, target: str, starts: np.ndarray, values: list[float]) -> Trace:
        where, scale = f"{item.file}, {item.session}, {target}", _SCALES.get(target, _SCALE)
        warn_outside(np.array(values), scale, (), where, self.runtime.report, "OMG-Emotion has no such values")
        return build_trace(starts, np.array(values), scale=scale, sentinels=(), where=where)
