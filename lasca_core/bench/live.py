"""The benchmarks `window-stored` and `window-new`: how long a live prediction waits for its words and model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lasca_core.bench.data import Data
from lasca_core.contract.errors import MediaError
from lasca_core.contract.protocols import Agreement, Benchmark
from lasca_core.contract.types import Recording, Track
from lasca_core.experiment.live.predictor import LivePredictor
from lasca_core.experiment.model import load, restore
from lasca_core.experiment.predict import WindowPrediction, predict

if TYPE_CHECKING:
    from lasca_core.host.runtime import HostRuntime

HOP = 0.1
_SAME_TIME = 1e-6


class _WindowBenchmark(Benchmark):
    """A recording's features are given to the live predictor window by window, one every tenth of a second.

    The timed call is the one that completes a window whose text is as the benchmark wants it; what lies between is
    given outside the clock. At the recording's end it begins again.
    """

    data: Data
    runtime: HostRuntime
    new_texts: int
    """How many texts of a window that counts are not stored."""

    def prepare(self) -> None:
        """Measure the features, train a model, and go through the recording once, so that its texts are known."""
        pipeline = self.data.pipeline(extractors=self.data.extractors)
        self._tracks = {
            built.spec.name: track.to(self.runtime.device)
            for built, track in zip(pipeline.extractors, pipeline.tracks(self.data.recording), strict=True)
        }
        self._passes = 0
        self._model = load(self.data.model("llm"))
        self._feed(self.data.silent)
        list(self._predictions())
        self._begin()
        self._chosen = [
            number
            for number, (window, new) in enumerate(self._predictions())
            if window.directions and new == self.new_texts
        ]
        if not self._chosen:
            what = f"{self.new_texts or 'no'} new text{'' if self.new_texts == 1 else 's'}"
            raise MediaError(
                self.data.media, f"has no window of 3 s with {what}, in which and before which a face is seen"
            )
        self._begin()
        kind = "one text that is new" if self.new_texts else "texts that are stored"
        self.work = f"a window with {kind}, {self.data.media_origin}"

    def reset(self) -> None:
        """Get to the next window that counts, once ``ours`` has told the one before."""
        if self._done > self._chosen[-1]:
            self._begin()
        for parts in self._parts_to_come:
            self._parts = parts
            if self._done in self._chosen:
                return
            self.ours()

    def ours(self) -> WindowPrediction:
        """The next window's prediction, from the features that it lacked."""
        found: list[WindowPrediction] = []
        for name, part in self._parts:
            found += self._predictor.push(name, part)
        self._done += 1
        (window,) = found
        return window

    def compare(self, ours: WindowPrediction, reference: None) -> Agreement:
        """What is said of a window live and, of the recording cut off at its end, offline."""
        cut = {name: _before(track, ours.end) for name, track in self._tracks.items()}
        recording = Recording(session="cut off", subject="?", features=cut)
        pipeline = restore(self._model, self.data.registry, self.data.silent, {"hop": HOP})
        offline = predict(self._model, pipeline, recording)[-1]
        pipeline.close()
        gap = max(
            (abs(_rise(ours, target) - _rise(offline, target)) for target in offline.directions), default=float("nan")
        )
        return Agreement("probability of a rise, live and offline", gap, 1e-3)

    def close(self) -> None:
        """Give back the pipeline."""
        if "_pipeline" in self.__dict__:
            self._pipeline.close()

    # --- feeding ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Begin the recording anew; where texts must not be stored, with an empty store."""
        self._passes += 1
        runtime = self.data.silent
        if self.new_texts:
            runtime = replace(runtime, cache=self.data.empty_cache(f"{type(self).__name__}-{self._passes}"))
        self._feed(runtime)

    def _feed(self, runtime: HostRuntime) -> None:
        """Make ready what predicts the windows, and the features that each of them lacks."""
        self.close()
        self._pipeline = restore(self._model, self.data.registry, runtime, {"hop": HOP})
        self._pipeline.encoder.component.prepare()
        self._predictor = LivePredictor.of_model(self._model, self._pipeline)
        self._predictor.prepare()
        self._parts_to_come = _parts(self._tracks, self._pipeline.config.windows.length)
        self._done = 0

    def _predictions(self) -> Iterator[tuple[WindowPrediction, int]]:
        """Those of all windows, and how many texts were encoded for each."""
        encoded = 0
        for parts in self._parts_to_come:
            self._parts = parts
            window = self.ours()
            stage = self._pipeline.stages.get("encode")
            before, encoded = encoded, 0 if stage is None else stage.computed
            yield window, encoded - before


def _parts(tracks: dict[str, Track], length: float) -> Iterator[list[tuple[str, Track]]]:
    """The tracks in parts that end with the first row beyond a window, which completes it."""
    given = dict.fromkeys(tracks, 0)
    for number in itertools.count():
        parts = []
        for name, track in tracks.items():
            until = _rows_until(track, number * HOP + length) + 1
            if until > len(track):
                return
            parts.append((name, _slice(track, given[name], until)))
            given[name] = until
        yield parts


def _rows_until(track: Track, moment: float) -> int:
    """How many rows begin before ``moment``."""
    return int((track.times < moment - _SAME_TIME).sum())


def _before(track: Track, moment: float) -> Track:
    return _slice(track, 0, _rows_until(track, moment))


def _slice(track: Track, start: int, end: int) -> Track:
    rows = slice(start, end)
    return replace(track, values=track.values[rows], times=track.times[rows], valid=track.valid[rows])


def _rise(found: WindowPrediction, target: str) -> float:
    rises, probability = found.directions[target]
    return probability if rises else 1 - probability


class StoredWindowBenchmark(_WindowBenchmark):
    """The store has the texts of the window and of the one before; no model is needed."""

    new_texts = 0


class NewWindowBenchmark(_WindowBenchmark):
    """The window's text must be encoded; the model is loaded. Where the window changes what normalisation knows of the
    recording, the window before gets new words, too: such windows do not count."""

    new_texts = 1
