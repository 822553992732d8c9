"""Aff-Wild2: videos from the web, annotated frame by frame with valence and arousal (ABAW challenges 2020 to today).

Layout, as the challenge distributes it and public challenge code reads it::

    <any>/VA_Estimation_Challenge/{Train_Set,Validation_Set}/<video>[_left|_right].txt    (ABAW 3 to today)
    <any>/VA_Set/{Training_Set,Validation_Set}/<video>[_left|_right].txt                  (ABAW 1 and 2)
    <any>/{batch1,batch2,new_vids}/<video>.{mp4,avi}
    <any>/cropped_aligned*/<video>[_left|_right]/00001.jpg

where ``<any>`` is any folder below ``path``, such as ``6th ABAW Annotations``. A label file begins with the line
``valence,arousal`` and has one line for each frame; values lie in [-1, 1], and -5 says that a frame is not annotated.
Line k belongs to frame k of the video and to the image of number k, both counted from 1; a missing image is a frame in
which no face was found. ``_left`` and ``_right`` name one of two people in a video. Labels of the test set are not
public; where there is a ``Test_Set`` nevertheless, its split is ``test``.

The corpus does not say who is in a video. By its owners' count 564 videos show 554 people, so every label file counts
as a person of its own, unless the table ``people`` says otherwise; the official parts are said to share nobody.

Licence: by agreement (EULA) with the owners, for research only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from lasca_core.api import DatasetError, Recording, Trace, build_trace
from lasca_datasets.annotations import warn_outside
from lasca_datasets.corpora.corpus import Corpus, Item, some
from lasca_datasets.corpora.files import SOUND, VIDEO, Tree, only, walk
from lasca_datasets.corpora.options import AffWild2Options
from lasca_datasets.corpora.sheets import read_sheet
from lasca_datasets.corpora.video import Video, read_video

_TASKS = frozenset({"va_estimation_challenge", "va_set"})
_PARTS = {
    "train_set": "train",
    "training_set": "train",
    "validation_set": "validation",
    "val_set": "validation",
    "test_set": "test",
}
_SIDES = ("_left", "_right")
_SCALE = (-1.0, 1.0)
_SENTINEL = -5.0
_LARGE = 1.0
"""Seconds by which lines and frames may differ before it is worth a sentence about the file itself."""


@dataclass(frozen=True)
class _LabelFile(Item):
    part: str


@dataclass
class _Found:
    """What lies on the disk, and what was noticed when it was read."""

    videos: dict[str, list[Path]]
    sounds: dict[str, list[Path]]
    images: dict[str, list[Path]]
    described: set[str] = field(default_factory=set)
    unequal: dict[str, tuple[int, int]] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)
    varying: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    @staticmethod
    def of(tree: Tree) -> _Found:
        """The media in ``tree`` by name."""
        images: dict[str, list[Path]] = {}
        for folder in tree.images:
            images.setdefault(folder.name, []).append(folder)
        return _Found(tree.by_stem(VIDEO), tree.by_stem(SOUND), images)

    def video_name(self, session: str) -> str:
        """A session's video: of its own name, or without the side that tells two people apart."""
        side = next((side for side in _SIDES if session.endswith(side)), "")
        return session if session in self.videos else session.removesuffix(side)


class AffWild2(Corpus[_LabelFile]):
    """Aff-Wild2 in any of its distributions; see the module's description."""

    options: AffWild2Options

    def items(self) -> Iterator[_LabelFile]:
        """The label files of all parts."""
        tree = walk(self.runtime.report, self.options.path, self.options.media)
        self._found = _Found.of(tree)
        folder, files = self._label_files(tree)
        parts = {part for _, part in files}
        for part, name in (("train", "Train_Set"), ("validation", "Validation_Set")):
            if part not in parts:
                self.runtime.report.warn(f"{folder}: no label file in {name}; there is no session of the part {part!r}")
        for file, part in files:
            self._found.described.add(self._found.video_name(file.stem))
            yield _LabelFile(file.stem, file, part)

    def _label_files(self, media: Tree) -> tuple[Path, list[tuple[Path, str]]]:
        """The folder of annotations, and the label files in it with their parts."""
        named = self.options.annotations
        own = named or self.options.path
        found: dict[Path, list[tuple[Path, str]]] = {}
        for file in (walk(self.runtime.report, named) if named else media).files:
            part, task = _PARTS.get(file.parent.name.casefold()), file.parent.parent
            if part and file.suffix.lower() == ".txt" and (task.name.casefold() in _TASKS or task == own):
                found.setdefault(task, []).append((file, part))
        if not found:
            raise DatasetError(
                f"{own}: no label file in a folder VA_Estimation_Challenge or VA_Set with Train_Set or Validation_Set; "
                "name the folder that holds these with -o affwild2.annotations=FOLDER"
            )
        if len(found) > 1:
            raise DatasetError(
                f"{own}: annotations of several distributions ({', '.join(map(str, sorted(found)))}); choose one with "
                "-o affwild2.annotations=FOLDER"
            )
        return next(iter(found.items()))

    def recording(self, item: _LabelFile) -> Recording:
        """The person whom one label file describes."""
        sheet = read_sheet(item.file)
        columns = {target: sheet.column(sheet.require(target)) for target in self.options.targets}
        name = self._found.video_name(item.session)
        file = only(self._found.videos.get(name, []), f"the video {name!r}", self.runtime.report)
        images = self._images(item.session)
        if file is None and images is None:
            raise DatasetError(
                f"{item.file}: there is neither a video {name!r} nor a folder {item.session!r} of images"
            )
        video = read_video(file) if file is not None else None
        if video is not None:
            self._compare(item, len(sheet.rows), video)
        else:
            self._found.assumed.append(item.session)
        use_images = images is not None and (video is None or self.options.faces == "images")
        if not use_images and item.session != name:
            self._found.beside.append(item.session)
        fps = video.fps if video is not None else self.options.fps
        count = min(len(sheet.rows), len(video.times)) if video is not None else len(sheet.rows)
        times = np.arange(count) / fps if use_images or video is None else video.times[:count]
        traces = {target: partial(self._trace, item, target, times, values) for target, values in columns.items()}
        return Recording(
            session=item.session,
            subject=item.session,
            media=images if use_images else file,
            audio=self._sound(name, file, video, use_images),
            fps=fps if use_images else None,
            annotations=self.traces(traces),
            split=item.part,
            metadata={"video": name},
        )

    def _images(self, session: str) -> Path | None:
        """The folder of cropped images: the aligned ones where there are others too."""
        found = self._found.images.get(session, [])
        aligned = [folder for folder in found if "aligned" in folder.parent.name.casefold()]
        return only(aligned or found, f"the folder {session!r} of images", self.runtime.report)

    def _sound(self, name: str, file: Path | None, video: Video | None, use_images: bool) -> Path | None:
        """The sound that is not in the medium itself: the video's beside images, or a file of the video's name."""
        if video is not None and video.has_audio:
            return file if use_images else None
        return only(self._found.sounds.get(name, []), f"the sound of {name!r}", self.runtime.report)

    def _trace(self, item: _LabelFile, target: str, times: np.ndarray, values: np.ndarray) -> Trace:
        where = f"{item.file}, {target}"
        values = values[: len(times)]
        advice = "Aff-Wild2 has no such values"
        warn_outside(values, _SCALE, (_SENTINEL,), where, self.runtime.report, advice)
        return build_trace(times, values, scale=_SCALE, sentinels=(_SENTINEL,), lag=self.options.lag, where=where)

    def _compare(self, item: _LabelFile, lines: int, video: Video) -> None:
        """Remember how a file's lines and its video's frames differ; report it where it is much."""
        frames = len(video.times)
        if lines != frames:
            self._found.unequal[item.session] = (lines, frames)
        if abs(lines - frames) > _LARGE * video.fps:
            self.runtime.report.warn(
                f"{item.file}: {lines} lines of labels, but the video has {frames} frames; the first "
                f"{min(lines, frames)} count"
            )
        if not video.constant:
            self._found.varying.append(item.session)

    def summarize(self) -> None:
        """What differs between labels and media, and what was taken for granted."""
        report, found = self.runtime.report, self._found
        if found.unequal:
            name, (lines, frames) = max(found.unequal.items(), key=lambda item: abs(item[1][0] - item[1][1]))
            report.note(
                f"affwild2: lines of labels and frames of the video differ in number in {some(found.unequal)}, most in "
                f"{name} ({lines} and {frames}); what both have counts"
            )
        if found.assumed:
            report.warn(
                f"affwild2: no video tells the frame rate of {some(found.assumed)}: {self.options.fps:g} images a "
                "second are assumed; set affwild2.fps"
            )
        if found.varying:
            report.note(
                f"affwild2: the frame rate varies in {some(found.varying)}; labels lie at the frames' own times"
            )
        if found.beside:
            report.warn(
                f"affwild2: in {some(found.beside)} the video shows another person too, and a face is taken as it is "
                "found; the cropped images tell them apart: -o affwild2.faces=images"
            )
        if unused := found.videos.keys() - found.described:
            report.note(f"affwild2: {len(unused)} videos have no label file and are not used")
