"""Parts of tracks in, predictions of windows out: everything seen so far, and nothing of the future."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lasca_core.contract.types import Pairs, Track, Windows
from lasca_core.experiment.live.judges import Judge, ModelJudge, WordsJudge
from lasca_core.experiment.live.statistics import RunningStatistics
from lasca_core.experiment.live.strand import Strand
from lasca_core.experiment.live.words import LiveBlocks, Vocabulary
from lasca_core.experiment.model import SavedModel
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.predict import Scene, WindowPrediction
from lasca_core.steps.normalize import growth
from lasca_core.steps.windows import enough, every, grid

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.steps.normalize import Statistics


@dataclass(frozen=True)
class _Window:
    """The window of one number in the grid: ``values`` float32 [F], 0 where it is not valid."""

    number: int
    start: float
    end: float
    values: Tensor
    valid: bool


class LivePredictor:
    """Predicts each window as soon as every extractor has passed its end.

    What it says of a window is what ``predict.predict`` (``of_model``) or ``predict.predict_zero_shot`` (``of_words``)
    would say of the last window of the recording cut off at that window's end. Normalisation by session takes its
    statistics from the windows so far; where the model fixes them, that is what is said of the whole recording as well.

    Feed it the parts of the extractor that ``waiting`` names until that is None::

        predictor = LivePredictor.of_model(model, pipeline)
        while (name := predictor.waiting) is not None:
            part = next(parts[name], None)
            rows = predictor.end(name) if part is None else predictor.push(name, part)

    The work for one window does not grow with the recording, but for finding a median (O(log W)). Memory holds the
    frames since the window that is not yet complete began, and of all windows the values of the signed features.
    """

    def __init__(self, pipeline: Pipeline, judge: Judge) -> None:
        self.pipeline = pipeline
        self._judge = judge
        self._strands = {
            built.spec.name: Strand(built.spec.name, built.component.names) for built in pipeline.extractors
        }
        options = pipeline.config.windows
        self._length, self._hop = options.length, options.hop or options.length
        self._stride = options.stride()
        self._grid = every(self._length, self._hop)
        self._next = next(self._grid)
        self._number = 0
        self._limit: int | None = None
        """How many windows there are, once an extractor has ended."""
        self._recent: deque[_Window] = deque()
        """The windows that overlap the next one, or lie between it and the one that it is compared with."""
        self._reference: _Window | None = None
        """The last valid window before those."""
        self._names: tuple[str, ...] = ()
        self._signed: frozenset[str] = frozenset()

    @classmethod
    def of_model(
        cls, model: SavedModel, pipeline: Pipeline, targets: Sequence[str] = (), *, explain: bool = False
    ) -> LivePredictor:
        """With a saved model in its own pipeline; ``targets`` are all that it knows, if none are named."""
        return cls(pipeline, ModelJudge(model, pipeline, targets, explain=explain))

    @classmethod
    def of_words(
        cls, pipeline: Pipeline, targets: Sequence[str], about: Mapping[str, str] | None = None
    ) -> LivePredictor:
        """With the words of the lexicon alone; ``about`` is what is known of the recording."""
        return cls(pipeline, WordsJudge(pipeline, targets, about))

    def prepare(self) -> None:
        """Read and encode what can be known before the first window, so that this one is told as fast as the others."""
        names: list[str] = []
        signed: set[str] = set()
        for built in self.pipeline.extractors:
            names += self._columns(built.component.names, spans=getattr(built.component, "windowed", False))
            signed |= built.component.signed
        self._begin(tuple(names), frozenset(signed))
        self._vocabulary.prepare(encoded=self._judge.reads_words)

    @property
    def waiting(self) -> str | None:
        """The extractor whose next part is needed, or whose end; None when there is no further window."""
        if self._limit is not None and self._number >= self._limit:
            return None
        return next((strand.extractor for strand in self._strands.values() if not self._has_passed(strand)), None)

    def push(self, extractor: str, part: Track) -> list[WindowPrediction]:
        """Take the next part of an extractor's track; the windows that it completes."""
        self._strands[extractor].push(part)
        return self._complete()

    def end(self, extractor: str) -> list[WindowPrediction]:
        """The extractor's track has ended, and with it all windows beyond; those that this completes."""
        strand = self._strands[extractor]
        strand.ended = True
        held = len(grid(strand.reach(), self._length, self._hop)[0])
        self._limit = held if self._limit is None else min(self._limit, held)
        return self._complete()

    def _has_passed(self, strand: Strand) -> bool:
        return strand.ended or strand.passed(*self._next)

    def _complete(self) -> list[WindowPrediction]:
        rows = []
        while (self._limit is None or self._number < self._limit) and all(
            map(self._has_passed, self._strands.values())
        ):
            rows.append(self._predict(self._cut()))
            self._number += 1
            self._next = next(self._grid)
        return rows

    # --- tracks -> window ---------------------------------------------------------------------------------------------

    def _cut(self) -> _Window:
        """The next window over the joint features, as ``windows.cut`` has it."""
        import torch

        options = self.pipeline.config.windows
        names: list[str] = []
        signed: set[str] = set()
        columns: list[Tensor] = []
        valid = True
        for strand in self._strands.values():
            found = strand.measure(*self._next)
            names += self._columns(strand.names, spans=bool(strand.spans))
            signed |= strand.signed
            columns.append(found.values)
            if found.spread is not None and options.statistic == "mean+std":
                columns.append(found.spread)
            valid = valid and enough(found.share, options.min_valid)
        self._begin(tuple(names), frozenset(signed))
        values = torch.cat(columns) if valid else torch.zeros(len(names))
        return _Window(self._number, *self._next, values, valid)

    def _columns(self, names: Sequence[str], *, spans: bool) -> list[str]:
        spread = self.pipeline.config.windows.statistic == "mean+std" and not spans
        return [*names, *(f"{name}_std" for name in names if spread)]

    def _begin(self, names: tuple[str, ...], signed: frozenset[str]) -> None:
        """Get ready for windows of these features, if these are not the ones known of."""
        import torch

        if (names, signed) == (self._names, self._signed):
            return
        self._names, self._signed = names, signed
        self._judge.begin(names)
        self._vocabulary = Vocabulary(self.pipeline, self._judge.lexicon, names)
        self._seen = RunningStatistics(torch.tensor([name in signed for name in names]))

    # --- window -> prediction -----------------------------------------------------------------------------------------

    def _predict(self, window: _Window) -> WindowPrediction:
        earlier = self._compared_with(window)
        if not window.valid:
            return WindowPrediction(window.start, window.end, False, {}, (), "", 0)
        self._seen.add(window.values)
        found = self._judge.statistics or self._seen.found.to(self.pipeline.runtime.device)
        return self._judge.tell(self._scene(earlier, window, found), found)

    def _compared_with(self, window: _Window) -> _Window | None:
        """The last valid window that does not overlap this one, which is now the newest of all."""
        if len(self._recent) == self._stride and (passed := self._recent.popleft()).valid:
            self._reference = passed
        self._recent.append(window)
        return self._reference

    def _scene(self, earlier: _Window | None, window: _Window, found: Statistics) -> Scene:
        """The window and the one it is compared with, as ``predict`` makes a whole recording ready."""
        import torch

        device = self.pipeline.runtime.device
        several = [window] if earlier is None else [earlier, window]
        group = torch.zeros(len(several), dtype=torch.int64, device=device)
        windows = Windows(
            names=self._names,
            values=torch.stack([one.values for one in several]),
            valid=torch.ones(len(several), dtype=torch.bool),
            starts=torch.tensor([one.start for one in several], dtype=torch.float64),
            ends=torch.tensor([one.end for one in several], dtype=torch.float64),
            session=torch.zeros(len(several), dtype=torch.int64),
            sessions=("live",),
            signed=self._signed,
        )
        if device.type != "cpu":
            windows = windows.to(device)
        before = torch.arange(-1, len(several) - 1, device=device)
        consecutive = earlier is not None and earlier.number == window.number - self._stride
        later = torch.ones(int(consecutive), dtype=torch.int64, device=device)
        nothing = torch.zeros(len(later), device=device)
        normalized = self.pipeline.normalized(windows, group, found=found)
        own = self._seen.found.to(device)
        return Scene(
            LiveBlocks(self.pipeline, windows, [self._judge.lexicon], normalized, vocabulary=self._vocabulary),
            self._judge.lexicon,
            before.cpu(),
            Pairs(later - 1, later, label=nothing, change=nothing, dropped={}),
            growth(windows, own, group, self.pipeline.resolution(windows), before).cpu(),
        )
