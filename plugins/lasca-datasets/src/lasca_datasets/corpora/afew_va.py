"""AFEW-VA: 600 short clips from feature films, annotated image by image.

Layout, as the corpus is distributed and public code reads it: a folder for each clip (``001`` to ``600``, in folders
``01`` to ``12`` or not), with its frames ``00000.png``, ``00001.png`` ... and a file ``001.json``::

    {"actor": "...", "video_id": "001", "frames": {"00000": {"valence": 1.0, "arousal": 5.0, "landmarks": [...]}, ...}}

Valence and arousal are whole numbers from -10 to 10. There is no sound. The frame rate is not stated. The subject is
the actor, or where none is named the clip. Most clips are shorter than a window of 3 s: choose shorter windows.

Licence: by agreement with the owners, for research only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lasca_core.api import DatasetError, Recording, Trace, build_trace
from lasca_datasets.annotations import warn_outside
from lasca_datasets.corpora.corpus import Corpus, Item
from lasca_datasets.corpora.files import IMAGE, walk
from lasca_datasets.corpora.options import AfewVaOptions
from lasca_datasets.tables import read_bytes

_SCALE = (-10.0, 10.0)


class AfewVa(Corpus[Item]):
    """AFEW-VA; see the module's description."""

    options: AfewVaOptions

    def items(self) -> Iterator[Item]:
        """The clips: json files called like the folder they lie in, or like the folder of images beside them."""
        tree = walk(self.runtime.report, self.options.path, self.options.media)
        self._folders = frozenset(tree.images)
        self._images = {folder.name: folder for folder in reversed(tree.images)}
        described = {folder / f"{folder.name}.json" for folder in tree.images}  # a folder of images is not read in full
        files = {file for file in described if file.is_file()} | {f for f in tree.files if f.suffix.lower() == ".json"}
        if not files:
            raise DatasetError(f"{self.options.path}: no clip, which is a folder such as 001 with images and 001.json")
        for file in sorted(files):
            yield Item(file.stem, file)

    def recording(self, item: Item) -> Recording:
        """One clip."""
        content = _read(item.file)
        frames = content.get("frames") if isinstance(content, dict) else None
        if not isinstance(frames, dict) or not frames:
            raise DatasetError(f"{item.file}: there are no 'frames', so it is no annotation of AFEW-VA")
        own = item.file.parent
        images = own if own in self._folders else self._images.get(item.session)
        if images is None:
            raise DatasetError(f"{item.file}: there is no folder {item.session!r} of images")
        times = self._times(item, list(frames), images)
        actor = str(content.get("actor") or "").strip()
        return Recording(
            session=item.session,
            subject=actor or item.session,
            media=images,
            fps=self.options.fps,
            annotations=self.traces(
                {
                    target: partial(self._trace, item, target, times, list(frames.values()))
                    for target in self.options.targets
                }
            ),
            metadata={"actor": actor} if actor else {},
        )

    def _times(self, item: Item, names: list[str], images: Path) -> np.ndarray:
        """Seconds of each frame: its number, counted as the images are, over the rate."""
        wrong = next((name for name in names if not name.isdecimal()), None)
        if wrong is not None:
            raise DatasetError(f"{item.file}: the frame {wrong!r} has no number")
        pictures = [file.stem for file in images.iterdir() if file.suffix.lower() in IMAGE]
        counted = [int(stem) for stem in (pictures if all(map(str.isdecimal, pictures)) else names)]
        return (np.array([int(name) for name in names]) - min(1, min(counted))) / self.options.fps

    def _trace(self, item: Item, target: str, times: np.ndarray, frames: list[Any]) -> Trace:
        where = f"{item.file}, {target}"
        try:
            values = np.array([_number(frame.get(target)) for frame in frames])
        except (AttributeError, TypeError, ValueError):
            raise DatasetError(f"{where}: a frame has a value that is not a number") from None
        warn_outside(values, _SCALE, (), where, self.runtime.report, "AFEW-VA has no such values")
        return build_trace(times, values, scale=_SCALE, sentinels=(), lag=self.options.lag, where=where)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _read(file: Path) -> Any:
    try:
        return json.loads(read_bytes(file))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{file}, row {error.lineno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file}: not UTF-8 text (byte {error.start})") from None
