"""From recordings to tracks: those that the dataset brings along, those in the store, and others measured now."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from lasca_core.contract.errors import ContractError, MediaError
from lasca_core.contract.protocols import Task
from lasca_core.contract.types import Recording, Source, Track
from lasca_core.experiment.components import Built
from lasca_core.experiment.config import WindowOptions
from lasca_core.experiment.stage import Stage
from lasca_core.host.runtime import HostRuntime, torch_threads
from lasca_core.host.store import key_of
from lasca_core.steps.media import media_files, open_media
from lasca_core.steps.windows import every

RECORDINGS_AT_ONCE = 4
"""Recordings extracted at a time at most, by extractors that can: more would hold memory and bring nothing."""


@dataclass(frozen=True)
class _Grid:
    """Where the windows of a recording lie: start and end of each in seconds, perhaps without end; the same as JSON
    values for a key; and what to say of a recording that holds none of them."""

    spans: Iterable[tuple[float, float]]
    key: object
    lacking: str


@dataclass
class Extraction:
    """What the ``extractors`` measure of recordings; those that describe windows are asked for those of ``windows``.

    ``stage`` counts what was measured and what the store had.
    """

    extractors: Sequence[Built]
    windows: WindowOptions
    runtime: HostRuntime
    stage: Stage

    _counting: threading.Lock = field(default_factory=threading.Lock)
    _one_at_a_time: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def tracks(self, recording: Recording, task: Task | None = None, *, by_window: bool = True) -> list[Track]:
        """One track for each extractor: ready ones as they are, others from the store or extracted now.

        Extractors that describe windows are given those of ``windows``, or choose their own if not ``by_window``.
        Raises ``MediaError`` naming the file if the recording cannot be read.
        """
        with self.stage.timed():
            return self._tracks(recording, task, by_window)

    def tracks_of(
        self, recordings: Sequence[Recording], task: Task | None = None
    ) -> Iterator[tuple[Recording, list[Track] | MediaError]]:
        """The ``tracks`` of each recording in order, or why it could not be read.

        Where extractors can work on several recordings at a time, the next ones are begun meanwhile, as many as the
        runtime has workers. Whoever stops early leaves none running: each ends with its current part.
        """
        at_once = min(self.runtime.workers, RECORDINGS_AT_ONCE) if any(map(_is_concurrent, self.extractors)) else 1
        if at_once == 1 or len(recordings) < 2:
            for recording in recordings:
                with self.stage.timed():
                    found = self._tracks_or_error(recording, task)
                yield recording, found
            return
        left = iter(recordings)
        waiting: deque[tuple[Recording, Future[list[Track] | MediaError]]] = deque()
        abandoned = threading.Event()
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="extract")
        try:
            while True:
                while len(waiting) <= at_once and (following := next(left, None)) is not None:
                    waiting.append((following, pool.submit(self._tracks_or_error, following, task, abandoned)))
                if not waiting:
                    return
                recording, future = waiting.popleft()
                with self.stage.timed():
                    found = future.result()
                yield recording, found
        finally:
            abandoned.set()
            pool.shutdown(cancel_futures=True)

    def _tracks_or_error(
        self, recording: Recording, task: Task | None, abandoned: threading.Event | None = None
    ) -> list[Track] | MediaError:
        try:
            return self._tracks(recording, task, True, abandoned)
        except MediaError as error:
            return error

    def _tracks(
        self, recording: Recording, task: Task | None, by_window: bool, abandoned: threading.Event | None = None
    ) -> list[Track]:
        return [self._track(built, recording, task, by_window, abandoned) for built in self.extractors]

    def _track(
        self, built: Built, recording: Recording, task: Task | None, by_window: bool, abandoned: threading.Event | None
    ) -> Track:
        ready = recording.features.get(built.spec.name)
        if ready is not None:
            return _as_announced(ready, built, recording.session)
        windowed = by_window and getattr(built.component, "windowed", False)
        grid = self._grid(recording) if windowed else None
        track, found = self._extracted(built, recording, task, grid, abandoned)
        with self._counting:
            self.stage.stored += found
            self.stage.computed += not found
        if track.names != built.component.names:
            raise ContractError(f"extractor {built.spec.name!r}: the track's names are not the announced ones")
        return track

    def _turn(self, built: Built) -> AbstractContextManager[object]:
        """Held while an extractor works that cannot work on several recordings at a time."""
        return nullcontext() if _is_concurrent(built) else self._one_at_a_time[built.spec.name]

    def _grid(self, recording: Recording) -> _Grid:
        """Where the windows of ``windows`` lie."""
        if recording.segments is not None:
            segments = recording.segments.tolist()
            return _Grid([(start, end) for start, end in segments], segments, "holds none of its segments whole")
        length = self.windows.length
        hop = self.windows.hop or length
        lacking = f"holds no whole window of {length:g} s; choose a smaller -o windows.length"
        return _Grid(every(length, hop), {"length": length, "hop": hop}, lacking)

    def _extracted(
        self,
        built: Built,
        recording: Recording,
        task: Task | None,
        grid: _Grid | None,
        abandoned: threading.Event | None,
    ) -> tuple[Track, bool]:
        if recording.media is None:
            raise MediaError(
                recording.session, f"has neither media nor ready features of the extractor {built.spec.name!r}"
            )
        opened = open_media(  # fails on a damaged file before hashing it
            recording.media, audio=recording.audio, fps=recording.fps, runtime=self.runtime
        )
        files = [recording.media] if recording.audio is None else [recording.media, recording.audio]
        digest = self.runtime.store.digest([file for path in files for file in media_files(path)])
        asked = {"windows": grid.key} if grid is not None else {}
        key = key_of(component=built.identity, input=digest, fps=recording.fps, **asked)
        progressed = 0.0

        def compute() -> Track:
            nonlocal progressed
            component, parts, threads = built.component, [], getattr(built.component, "threads", None)
            with nullcontext() if threads is None else torch_threads(threads):
                for part in component.stream(opened) if grid is None else component.stream_windows(opened, grid.spans):
                    if abandoned is not None and abandoned.is_set():
                        raise _Abandoned
                    parts.append(part)
                    if task is not None and opened.duration > 0 and len(part):
                        share = min(1.0, float(part.times[-1]) / opened.duration)
                        task.advance(max(0.0, share - progressed))
                        progressed = max(progressed, share)
            if not parts:
                lacking = "yields no feature" if grid is None else grid.lacking
                raise MediaError(opened.path, f"is too short for the extractor {built.spec.name!r}: it {lacking}")
            track: Track = Track.concatenate(parts).to("cpu")
            parts.clear()  # they are as large as the track, which is now written
            if grid is not None and track.spans is None:
                raise ContractError(f"extractor {built.spec.name!r}: the rows of its windows have no spans")
            if "video" in getattr(built.spec, "needs", ()) and track.spans is None:  # whole windows end before the end
                self._warn_if_cut_off(opened, track)
            return track

        with self._turn(built):
            track, found = self.runtime.store.track(key, compute)
        if task is not None:
            task.advance(1.0 - progressed)
        return track, found

    def _warn_if_cut_off(self, source: Source, track: Track) -> None:
        """A recording whose end is missing decodes without an error; only its header knows how long it should be."""
        end = float(track.times[-1])
        if end < min(0.9 * source.duration, source.duration - 1):
            stated = f"{source.path} ends at {end:.1f} s although its header says {source.duration:.1f} s"
            self.runtime.report.warn(f"{stated}: the file may be cut off; what is there is used")


class _Abandoned(Exception):  # noqa: N818 - no error: nobody hears of it
    """Ends the extraction of a recording for which nobody waits any more."""


def _is_concurrent(built: Built) -> bool:
    return bool(getattr(built.component, "concurrent", False))


def _as_announced(track: Track, built: Built, session: str) -> Track:
    """A ready track with the columns in the extractor's order and with its signed names, which a table cannot state."""
    names: tuple[str, ...] = built.component.names
    if set(track.names) != set(names):
        missing = [name for name in names if name not in track.names]
        more = [name for name in track.names if name not in names]
        wrong = f"lack {', '.join(missing[:3])}" if missing else f"have {', '.join(more[:3])} besides"
        raise MediaError(
            session, f"its ready features are not those of the extractor {built.spec.name!r}: they {wrong}"
        )
    order = [track.names.index(name) for name in names]
    return replace(track, names=names, values=track.values[:, order], signed=frozenset(built.component.signed))
