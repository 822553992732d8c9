"""RECOLA: French-speaking people who solve a task over a video call, rated by three men and three women.

Layout, as the corpus is distributed and public code reads it::

    <any>/emotional_behaviour/{arousal,valence}/P16.csv
    <any>/RECOLA-Video-recordings/P16.mp4
    <any>/RECOLA-Audio-recordings/P16.wav

A csv file has the columns ``time; FM1; FM2; FM3; FF1; FF2; FF3`` (seconds, 25 rows a second, semicolons and often
spaces between them) and covers the first five minutes; values lie in [-1, 1]. As in the AVEC 2015 and 2016 challenges,
the folder may also be called ``ratings_individual`` and a file ``train_1.csv``, ``dev_1.csv``: the split then follows
from the name. Each recording is of another person.

Licence: by agreement (EULA) with the owners, for research only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lasca_core.api import DatasetError, Recording
from lasca_datasets.corpora.corpus import Corpus, Item
from lasca_datasets.corpora.files import Media, walk
from lasca_datasets.corpora.options import RecolaOptions
from lasca_datasets.corpora.raters import read_raters

_FOLDERS = frozenset({"emotional_behaviour", "emotional_behavior", "ratings_individual"})
_PART = re.compile(r"(?P<part>train|dev|devel|test)_\d+", re.IGNORECASE)
_PARTS = {"train": "train", "dev": "validation", "devel": "validation", "test": "test"}


@dataclass(frozen=True)
class _Rated(Item):
    traces: dict[str, Path]


class Recola(Corpus[_Rated]):
    """RECOLA; see the module's description."""

    options: RecolaOptions

    def items(self) -> Iterator[_Rated]:
        """The people whom at least one target's file describes."""
        named = self.options.annotations
        tree = walk(self.runtime.report, self.options.path, self.options.media)
        self._media = Media.of(tree)
        found: dict[str, dict[str, Path]] = {}
        targets = {target.casefold(): target for target in self.options.targets}
        for file in (walk(self.runtime.report, named) if named else tree).files:
            folder = file.parent.parent
            target = targets.get(file.parent.name.casefold())
            if target and file.suffix.lower() == ".csv" and (folder == named or folder.name.casefold() in _FOLDERS):
                traces = found.setdefault(file.stem, {})
                if target in traces:
                    self.runtime.report.warn(f"{file}: {file.stem} has {target} in {traces[target]} already; left out")
                traces.setdefault(target, file)
        if not found:
            raise DatasetError(
                f"{named or self.options.path}: no folder emotional_behaviour with {' or '.join(self.options.targets)} "
                "and csv files in it; name the folder that holds these with -o recola.annotations=FOLDER"
            )
        for name, traces in sorted(found.items()):
            yield _Rated(name, next(iter(traces.values())), traces)

    def recording(self, item: _Rated) -> Recording:
        """One person."""
        report = self.runtime.report
        for target in self.options.targets:
            if target not in item.traces:
                report.warn(f"{item.file}: there is no {target} of {item.session}")
        media, audio = self._media.find(item.session, report)
        if media is None:
            raise DatasetError(f"{item.file}: there is neither a video nor a sound called {item.session!r}")
        part = _PART.fullmatch(item.session)
        read = {
            target: partial(read_raters, [item.traces[target]], target, self.options, report, corpus="recola")
            for target in self.options.targets
            if target in item.traces
        }
        return Recording(
            session=item.session,
            subject=item.session,
            media=media,
            audio=audio,
            annotations=self.traces(read),
            split=_PARTS[part["part"].lower()] if part else None,
            metadata={"language": "fr"},
        )
