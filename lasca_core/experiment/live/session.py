"""A live recording from its source to its rows: one thread for each extractor, one that predicts, and a clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import LascaError, MediaError, OptionError
from lasca_core.contract.types import Track
from lasca_core.experiment.live.predictor import LivePredictor
from lasca_core.experiment.predict import WindowPrediction
from lasca_core.host.channel import Channel
from lasca_core.host.runtime import torch_threads
from lasca_core.steps.windows import every

if TYPE_CHECKING:
    from lasca_core.experiment.components import Built
    from lasca_core.experiment.pipeline import Pipeline
    from lasca_core.steps.feed import LiveSource

_PARTS_WAITING = 8
"""Parts of a track that may wait for a slower extractor before the faster one must."""
_ROWS_WAITING = 64
"""Rows that may wait to be printed."""


@dataclass(frozen=True)
class LiveRow:
    """A window as soon as it is known, and when the recording had ``arrived`` at its end, on the monotonic clock."""

    prediction: WindowPrediction
    arrived: float


def live_options(pipeline: Pipeline) -> dict[str, Mapping[str, Any]]:
    """What would have to be set otherwise for a live recording: the options of each extractor that needs some, as they
    are written after ``-o``; see ``Extractor.live_options``."""
    needed = {built.spec.name: getattr(built.component, "live_options", {}) for built in pipeline.extractors}
    return {name: options for name, options in needed.items() if options}


def require_streams(pipeline: Pipeline, source: LiveSource) -> None:
    """Raise ``MediaError`` if an extractor needs picture or sound that ``source`` does not give."""
    given = {"video": source.has_video, "audio": source.has_audio}
    for built in pipeline.extractors:
        lacking = [kind for kind in sorted(getattr(built.spec, "needs", ())) if not given.get(kind, True)]
        if lacking:
            raise MediaError(source.path, f"has no {lacking[0]}, which the extractor {built.spec.name} needs")


class LiveSession:
    """Iterate over it for the rows; it is a context that ends all threads.

    Extractors run side by side, and the one that is ahead waits for the others. What any thread raises is raised by the
    iteration, after the rows that were complete. ``stop`` ends the recording where it is: the rows that are still under
    way follow, and then the iteration ends. Torch uses one thread for each of these threads while the session lasts.
    """

    def __init__(self, predictor: LivePredictor, source: LiveSource) -> None:
        require_streams(predictor.pipeline, source)
        if needed := live_options(predictor.pipeline):
            name, options = next(iter(needed.items()))
            raise OptionError(f"the extractor {name} cannot be used live unless {_assignments(name, options)} is set")
        self.source = source
        self._predictor = predictor
        self._parts = {built.spec.name: Channel[Track](_PARTS_WAITING) for built in predictor.pipeline.extractors}
        self._rows: Channel[LiveRow] = Channel(_ROWS_WAITING)
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._extract, args=(built,), name=f"extract {built.spec.name}", daemon=True)
            for built in predictor.pipeline.extractors
        ]
        self._threads.append(threading.Thread(target=self._predict, name="predict", daemon=True))
        self._context = ExitStack()

    def __enter__(self) -> LiveSession:
        with ExitStack() as entered:
            entered.enter_context(torch_threads(1))
            for built in self._predictor.pipeline.extractors:
                if hasattr(built.component, "prepare"):
                    built.component.prepare()
            self._predictor.prepare()
            self._context = entered.pop_all()
        self.source.expect(len(self._parts))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.source.close()
        for channel in self._parts.values():
            channel.close()
        self._rows.close()
        for thread in self._threads:
            thread.join()
        self._context.close()

    def __iter__(self) -> Iterator[LiveRow]:
        return self._rows

    def stop(self) -> None:
        """End the recording here. May be called more than once."""
        self._stopped = True
        self.source.close()

    def _extract(self, built: Built) -> None:
        channel = self._parts[built.spec.name]
        options = self._predictor.pipeline.config.windows
        windowed = getattr(built.component, "windowed", False)
        spans = every(options.length, options.hop or options.length)
        try:
            component, source = built.component, self.source
            parts = component.stream_windows(source, spans) if windowed else component.stream(source)
            try:
                for part in parts:
                    if not channel.put(part):
                        break
            finally:
                if hasattr(parts, "close"):  # a generator gives back what it holds now, and not when it is collected
                    parts.close()
        except LascaError as error:  # a recording that was stopped at once may be too short for an extractor
            channel.close(None if self._stopped else error)
        except BaseException as error:  # raised again where the parts are read
            channel.close(error)
        else:
            channel.close()
        finally:
            self.source.excuse()

    def _predict(self) -> None:
        predictor = self._predictor
        failure: BaseException | None = None
        try:
            while (name := predictor.waiting) is not None:
                part = next(self._parts[name], None)
                rows = predictor.end(name) if part is None else predictor.push(name, part)
                for row in rows:
                    self._rows.put(LiveRow(row, self.source.arrived(row.end)))
        except BaseException as error:  # raised again where the rows are read
            failure = error
        self.source.close()
        for channel in self._parts.values():
            channel.close()
        self._rows.close(failure)


def _assignments(name: str, options: Mapping[str, Any]) -> str:
    return " ".join(f"-o {name}.{key}={value}" for key, value in options.items())
