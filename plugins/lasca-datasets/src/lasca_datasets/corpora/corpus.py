"""What all corpora share: sessions one by one, each in its own guard, and a sentence for everything left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from lasca_core.api import Component, DatasetError, MediaError, Recording, Trace
from lasca_datasets.corpora.options import CorpusOptions
from lasca_datasets.corpora.people import People


@dataclass(frozen=True)
class Item:
    """A session that was found: its name and the file that makes it one."""

    session: str
    file: Path


ItemT = TypeVar("ItemT", bound=Item)


class Corpus(Component, Generic[ItemT]):
    """A corpus on disk. Subclasses say which sessions there are (``items``) and read one (``recording``)."""

    options: CorpusOptions

    @property
    def targets(self) -> tuple[str, ...]:
        """The affect dimensions that are read."""
        return self.options.targets

    def sessions(self) -> Iterator[Recording]:
        """The recordings in a fixed order. Annotations are read, and of media the headers at most.

        A faulty session is reported and left out. Raises ``DatasetError`` if the corpus is not where it should be, or
        no session of it can be used.
        """
        report = self.runtime.report
        people = People(self.options.people, report)
        seen: dict[str, Path] = {}
        faults: list[str] = []
        for item in self.items():
            try:
                if item.session in seen:
                    raise DatasetError(f"{item.file}: session {item.session!r} is already in {seen[item.session]}")
                recording = self.recording(item)
            except (DatasetError, MediaError) as fault:
                faults.append(str(fault))
                report.warn(f"{fault}; this session is left out")
                continue
            seen[item.session] = item.file
            yield people.complete(recording)
        self.summarize()
        if not seen:
            first = f"; the first fault: {faults[0]}" if faults else ""
            raise DatasetError(f"{self.options.path}: no session can be used{first}")
        people.check(set(seen))

    def items(self) -> Iterable[ItemT]:
        """The sessions, in order. Raises ``DatasetError`` if the corpus is not there."""
        raise NotImplementedError

    def recording(self, item: ItemT) -> Recording:
        """One session. Raises ``DatasetError`` or ``MediaError`` if it cannot be used."""
        raise NotImplementedError

    def summarize(self) -> None:
        """Report what is worth a sentence about the whole corpus, once its sessions have been read."""

    def traces(self, read: Mapping[str, Callable[[], Trace]]) -> dict[str, Trace]:
        """The traces of all targets that can be read; the others are reported.

        Raises the first one's ``DatasetError`` if there is none.
        """
        found: dict[str, Trace] = {}
        faults: dict[str, DatasetError] = {}
        for target, build in read.items():
            try:
                found[target] = build()
            except DatasetError as fault:
                faults[target] = fault
        if not found:
            raise next(iter(faults.values()))
        for target, reason in faults.items():
            self.runtime.report.warn(f"{reason}; {target} of this session is left out")
        return found


def some(sessions: Iterable[str]) -> str:
    """``5 sessions (a, b, c, ...)``: no more than three names."""
    names = list(sessions)
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} session{'s' if len(names) > 1 else ''} ({shown})"
