"""What a timeline page is about: one recording, what was predicted of its windows, by what, and what was annotated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lasca_core.contract.types import Trace, Track
from lasca_core.experiment.predict import WindowPrediction
from lasca_core.report.media_player import Player
from lasca_core.steps.windows import enough, summarise

CUE_TRACKS = 6
"""So many features are drawn over time."""
_LABELLED = 0.5
"""A window whose annotated moments cover less of its time has no annotated value, as in training by default."""


@dataclass(frozen=True)
class Predictor:
    """What predicted: ``name`` in words; the ``synthetic`` dataset it was trained on, if it was; ``cautions``, further
    sentences on what its answers are not to be trusted for; its ``components`` as a run records them, and ``training``,
    what is known of its training data."""

    name: str
    components: Sequence[Mapping[str, Any]]
    synthetic: str | None = None
    cautions: Sequence[str] = ()
    training: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Timeline:
    """One recording: its ``windows`` (at least one), of which each of the ``targets`` is told; ``abstains`` says why
    another target is not. ``tracks`` are the features over time and ``words`` their descriptions. ``length`` is that
    of the recording in seconds, as far as its container knows, and ``command`` the one that made the page."""

    path: Path
    length: float
    player: Player
    windows: Sequence[WindowPrediction]
    targets: Sequence[str]
    predictor: Predictor
    command: Sequence[str]
    tracks: Sequence[Track] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, Trace] = field(default_factory=dict)
    annotated_by: Path | None = None
    abstains: Mapping[str, str] = field(default_factory=dict)

    @property
    def duration(self) -> float:
        """Seconds that the timeline shows: all windows, and all of the recording."""
        return max(self.length, *(window.end for window in self.windows))

    @cached_property
    def edges(self) -> list[float]:
        """Where one window's place on the timeline ends and the next one's begins, [W + 1] seconds: the windows' own
        bounds where they follow each other, and half-way between the middles where they overlap."""
        middles = np.array([(window.start + window.end) / 2 for window in self.windows])
        if len(middles) == 1:
            return [self.windows[0].start, self.windows[0].end]
        between = (middles[1:] + middles[:-1]) / 2
        first, last = middles[0] - (between[0] - middles[0]), middles[-1] + (middles[-1] - between[-1])
        return [max(0.0, float(first)), *map(float, between), min(self.duration, float(last))]

    @cached_property
    def annotated(self) -> dict[str, list[float | None]]:
        """The mean annotation of each window by target; None where too little of it is annotated."""
        import torch

        starts = torch.tensor([window.start for window in self.windows], dtype=torch.float64)
        ends = torch.tensor([window.end for window in self.windows], dtype=torch.float64)
        found = {}
        for target, trace in self.annotations.items():
            mean, _, covered = summarise(trace.values[:, None], trace.times, trace.valid, starts, ends)
            known = enough(covered, _LABELLED).tolist()
            found[target] = [value if there else None for (value,), there in zip(mean.tolist(), known, strict=True)]
        return found

    @cached_property
    def compared_with(self) -> list[int | None]:
        """For each window the one that it is compared with: the last one that ends before it begins, or None where
        nothing is told of it."""
        ends = np.array([window.end for window in self.windows])
        before = np.searchsorted(ends, [window.start + 1e-6 for window in self.windows], side="right") - 1
        return [
            int(place) if window.compared and place >= 0 else None
            for window, place in zip(self.windows, before, strict=True)
        ]

    def agreement(self, target: str) -> tuple[int, int]:
        """In how many windows the told direction is that of the annotated means, and of how many: those of which both
        are known and whose annotated mean changed at all."""
        means = self.annotated[target]
        right = told = 0
        for place, (window, before) in enumerate(zip(self.windows, self.compared_with, strict=True)):
            direction, now = window.directions.get(target), means[place]
            then = means[before] if before is not None else None
            if direction is not None and now is not None and then is not None and now != then:
                told += 1
                right += direction[0] == (now > then)
        return right, told

    @cached_property
    def foremost(self) -> list[tuple[str, Track, int]]:
        """The features drawn over time, each with its track and column: those that contribute most to what is said,
        over all windows and targets; where nothing is explained, those that stand out most often."""
        weight: dict[str, float] = defaultdict(float)
        for window in self.windows:
            for explanation in window.explanations.values():
                for part in (*explanation.features, *explanation.cues):
                    weight[part.feature] += abs(part.contribution)
        if not weight:
            for cue in (cue for window in self.windows for cue in window.cues):
                weight[cue.feature] += 1
        place = {name: (track, column) for track in self.tracks for column, name in enumerate(track.names)}
        found: dict[str, tuple[str, Track, int]] = {}
        for feature in sorted(weight, key=lambda feature: -weight[feature]):
            name = feature if feature in place else feature.removesuffix("_std")
            if name in place:
                found.setdefault(name, (name, *place[name]))
        return list(found.values())[:CUE_TRACKS]


def reduced(times: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most ``most`` points of a curve [T] that look the same: the lowest and the highest of each stretch, in order
    of time. Values that are not finite are kept where a whole stretch has no other."""
    if len(times) <= most:
        return times, values
    kept: list[int] = []
    for part in np.array_split(np.arange(len(times)), most // 2):
        known = part[np.isfinite(values[part])]
        ends = (
            {int(known[values[known].argmin()]), int(known[values[known].argmax()])} if len(known) else {int(part[0])}
        )
        kept += sorted(ends)
    return times[kept], values[kept]
