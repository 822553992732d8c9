"""The extractors `egemaps` and `compare`: openSMILE's features of a recording, streamed."""

from __future__ import annotations

import importlib.metadata
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from lasca_core.api import Component, MediaError, Track
from lasca_opensmile import names
from lasca_opensmile.engine import FRAME, functionals, library, stream
from lasca_opensmile.resolution import resolution
from lasca_opensmile.sound import Stretch, Window, grid, stretches, windows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lasca_core.api import Runtime, Source
    from lasca_opensmile.engine import Rows, Samples16

_FIRST, _LAST = -3, 8
"""A frame depends on these steps of 10 ms, counted from its own: six of sound, and on either side one for smoothing and
two for deltas."""
_ALONE = 3.0
"""Seconds of a window where nobody says what windows there are."""


@dataclass(frozen=True)
class _Level:
    """What openSMILE calls a level, its features, and the one of them that is 0 where no voice was found."""

    name: str
    features: tuple[str, ...]
    pitch: str


class _Smile(Component):
    """openSMILE's features.

    Functionals describe windows: a row's time is the start of its window and its span the window's length, and each is
    computed from the samples of that window alone. Descriptors are computed over the whole recording by one engine, a
    row every 10 ms. In both cases the rows are those of ``opensmile.Smile.process_signal`` and do not depend on
    ``chunk``.

    A row is invalid where a sample was no finite number, and, depending on ``voiceless``, where no voice was found.
    """

    name: ClassVar[str]
    feature_set: ClassVar[str]
    levels: ClassVar[Mapping[str, _Level]]

    def __init__(self, options: Any, runtime: Runtime) -> None:
        super().__init__(options, runtime)
        self._level = self.levels[options.level]
        self.names: tuple[str, ...] = self._level.features
        self.signed: frozenset[str] = frozenset(self.names)
        self.resolution: dict[str, float] = resolution(self.names)
        self.windowed: bool = options.level == "functionals" and options.window == "auto"
        recorded = options.level == "functionals" and options.window is None
        self.live_options: dict[str, str] = {"window": "auto"} if recorded else {}
        self._pitch = self.names.index(self._level.pitch)
        self._nothing = np.zeros((1, len(self.names)), np.float32)
        keeps = {"auto": options.level != "functionals", "keep": True, "invalid": False}
        self._keeps_voiceless = keeps[options.voiceless]

    def fingerprint(self) -> str:
        """The engine's version: another one may measure otherwise."""
        return f"opensmile {importlib.metadata.version('opensmile')}"

    def prepare(self) -> None:
        """Import openSMILE, which takes a second."""
        library()

    def stream(self, source: Source) -> Iterator[Track]:
        """Yield one window a part, or the frames of about ``chunk`` seconds.

        A recording without a whole window is described by a single row. Raises ``MediaError`` for a recording without
        sound, or with less of it than openSMILE's frame of 60 ms.
        """
        options = self.options
        if options.level == "functionals" and options.window is not None:
            length = _ALONE if options.window == "auto" else options.window
            if (
                yield from self._windows(self._sound(source), grid(length, options.hop or length), self.runtime.workers)
            ):
                return
            self.runtime.report.note(
                f"{source.path} holds no whole window of {length:g} s: {self.name} gives one row for all of it"
            )
        describe = self._whole if options.level == "functionals" else self._frames
        if not (yield from describe(self._sound(source))):
            raise MediaError(source.path, "has less sound than openSMILE's frame of 60 ms")

    def stream_windows(self, source: Source, spans: Iterable[tuple[float, float]]) -> Iterator[Track]:
        """Yield the functionals of each of ``spans`` that the recording holds, one a part.

        A span without voice, or shorter than openSMILE's frame of 60 ms, is invalid. Raises ``MediaError`` for a
        recording without sound.
        """
        # A live source has the next window's sound only much later: what is done must not wait for it.
        at_once = 1 if getattr(source, "live", False) else self.runtime.workers
        yield from self._windows(self._sound(source), spans, at_once)

    def _sound(self, source: Source) -> Iterator[Stretch]:
        return stretches(source, self.options.rate, self.options.chunk, self.name)

    def _windows(
        self, sound: Iterator[Stretch], spans: Iterable[tuple[float, float]], threads: int
    ) -> Generator[Track, None, bool]:
        """Functionals of each window, ``threads`` of them computed at a time. Returns whether there was one."""
        rate = self.options.rate
        pending: deque[tuple[Window, Future[Rows]]] = deque()
        found = False

        def earliest() -> Track:
            window, future = pending.popleft()
            row = future.result()
            sounds = len(row) > 0 and not len(window.broken)
            return self._track([window.start], row if len(row) else self._nothing, [sounds], [window.seconds])

        with ThreadPoolExecutor(threads) as pool:
            for window in windows(sound, rate, spans):
                found = True
                pending.append((window, pool.submit(functionals, self.feature_set, rate, window.samples)))
                if len(pending) == threads:
                    yield earliest()
            while pending:
                yield earliest()
        return found

    def _whole(self, sound: Iterator[Stretch]) -> Generator[Track, None, bool]:
        """Functionals of the whole recording, a single row. Returns whether there was one."""
        opening = next(sound)
        broken = found = False
        heard = 0

        def blocks() -> Iterator[Samples16]:
            nonlocal broken, heard
            for part in chain([opening], sound):
                broken |= bool(len(part.broken))
                heard += len(part.samples)
                yield part.samples

        with closing(stream(self.feature_set, self._level.name, self.options.rate, blocks())) as results:
            for rows in results:
                if len(rows):
                    found = True
                    yield self._track([opening.start], rows, [not broken], [heard / self.options.rate])
        return found

    def _frames(self, sound: Iterator[Stretch]) -> Generator[Track, None, bool]:
        """Descriptors, one row every 10 ms. Returns whether there was one."""
        opening = next(sound)
        step = round(FRAME * self.options.rate)
        heard = done = 0
        broken = np.empty(0, np.int64)  # steps of 10 ms with a broken sample that frames to come may depend on

        def blocks() -> Iterator[Samples16]:
            nonlocal heard, broken
            for part in chain([opening], sound):
                broken = np.union1d(broken, (heard + part.broken) // step)
                heard += len(part.samples)
                yield part.samples

        with closing(stream(self.feature_set, self._level.name, self.options.rate, blocks())) as results:
            for rows in results:
                if len(rows):
                    frames = np.arange(done, done + len(rows))
                    near = (broken >= frames[:, None] + _FIRST) & (broken <= frames[:, None] + _LAST)
                    yield self._track(opening.start + frames * FRAME, rows, ~near.any(axis=1))
                    done += len(rows)
                    broken = broken[broken >= done + _FIRST]
        return done > 0

    def _track(self, times: ArrayLike, rows: Rows, sound: ArrayLike, spans: ArrayLike | None = None) -> Track:
        """Rows as a track; ``sound`` bool [T] is False where the samples were broken."""
        valid = np.asarray(sound, bool) & np.isfinite(rows).all(axis=1)
        if not self._keeps_voiceless:
            valid &= rows[:, self._pitch] != 0
        track = Track(
            self.names,
            torch.from_numpy(np.where(valid[:, None], rows, np.float32(0))),
            torch.from_numpy(np.asarray(times, np.float64)),
            torch.from_numpy(valid),
            self.signed,
            None if spans is None else torch.from_numpy(np.asarray(spans, np.float64)),
        )
        moved: Track = track.to(self.runtime.device)
        return moved


class Egemaps(_Smile):
    """The extended Geneva minimalistic acoustic parameter set, version 02."""

    name = "egemaps"
    feature_set = "egemaps/v02/eGeMAPSv02"
    levels: ClassVar[Mapping[str, _Level]] = {
        "functionals": _Level("func", names.EGEMAPS_FUNCTIONALS, "F0semitoneFrom27.5Hz_sma3nz_amean"),
        "lld": _Level("lld", names.EGEMAPS_LLD, "F0semitoneFrom27.5Hz_sma3nz"),
    }


class Compare(_Smile):
    """The feature set of the computational paralinguistics challenge of 2016."""

    name = "compare"
    feature_set = "compare/ComParE_2016"
    levels: ClassVar[Mapping[str, _Level]] = {
        "functionals": _Level("func", names.COMPARE_FUNCTIONALS, "F0final_sma_amean"),
        "lld": _Level("lld", names.COMPARE_LLD, "F0final_sma"),
        "lld+deltas": _Level("lld;lld_de", names.COMPARE_LLD + names.COMPARE_DELTAS, "F0final_sma"),
    }
