"""The part of an extractor's track that windows to come still need, and what it says of the next window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lasca_core.contract.errors import ContractError
from lasca_core.experiment.live.statistics import RunningStep
from lasca_core.steps.windows import _GAP as GAP
from lasca_core.steps.windows import _SAME_TIME as SAME_TIME
from lasca_core.steps.windows import _SLACK as SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from lasca_core.contract.types import Track


@dataclass(frozen=True)
class Measured:
    """One window of one track: ``values`` float32 [F], their spread [F] where the track is of frames, and the share of
    the window's time that valid frames stand for."""

    values: Tensor
    spread: Tensor | None
    share: float


@dataclass(frozen=True)
class _Rows:
    """Rows of a track: ``values`` float32 [T, F], ``times`` and, where there are any, ``spans`` float64 [T], ``valid``
    bool [T]."""

    values: NDArray[np.float32]
    times: NDArray[np.float64]
    valid: NDArray[np.bool_]
    spans: NDArray[np.float64] | None

    @classmethod
    def of(cls, track: Track) -> _Rows:
        spans = None if track.spans is None else track.spans.cpu().numpy()
        return cls(track.values.cpu().numpy(), track.times.cpu().numpy(), track.valid.cpu().numpy(), spans)

    def followed_by(self, later: _Rows) -> _Rows:
        spans = None
        if self.spans is not None and later.spans is not None:
            spans = np.concatenate([self.spans, later.spans])
        values, times, valid = (
            np.concatenate([getattr(self, name), getattr(later, name)]) for name in ("values", "times", "valid")
        )
        return _Rows(values, times, valid, spans)

    def between(self, first: int, last: int | None = None) -> _Rows:
        rows = slice(first, last)
        spans = None if self.spans is None else self.spans[rows]
        return _Rows(self.values[rows], self.times[rows], self.valid[rows], spans)

    def __len__(self) -> int:
        return len(self.times)


class Strand:
    """A track that grows at one end and is forgotten at the other. Windows are measured in order of their starts.

    One window of some ninety frames is too little for torch, whose calls cost more than the sums themselves, so NumPy
    measures it.
    """

    def __init__(self, extractor: str, names: tuple[str, ...]) -> None:
        self.extractor = extractor
        self.names = names
        self.signed: frozenset[str] = frozenset()
        self.ended = False
        nothing = np.zeros(0)
        self._rows = _Rows(np.zeros((0, len(names)), np.float32), nothing, nothing.astype(bool), None)
        self._step = RunningStep()
        self._counted = -math.inf
        """Time of the last frame whose step is counted."""
        self._last = -math.inf
        """Time of the last row."""
        self._reach = 0.0
        """End of the last row that has a span."""
        self.spans: bool | None = None
        """Whether rows have spans; not known before the first part."""

    def __len__(self) -> int:
        """How many rows are held."""
        return len(self._rows)

    def push(self, part: Track) -> None:
        """Add the next part. Raises ``ContractError`` if it is not the continuation of the ones before."""
        if not len(part):
            return
        spans = part.spans is not None
        if part.names != self.names:
            raise ContractError(f"extractor {self.extractor!r}: the track's names are not the announced ones")
        if self.spans is not None and spans != self.spans:
            raise ContractError(f"extractor {self.extractor!r}: either all parts of one track have spans, or none has")
        rows = _Rows.of(part)
        if rows.times[0] <= self._last:
            raise ContractError(f"extractor {self.extractor!r}: the parts of its track overlap in time")
        self.spans, self.signed = spans, part.signed
        self._last = float(rows.times[-1])
        if rows.spans is not None:
            self._reach = max(self._reach, float((rows.times + rows.spans).max()))
        self._rows = self._rows.followed_by(rows) if len(self._rows) else rows

    def passed(self, start: float, end: float) -> bool:
        """Whether nothing that is yet to come belongs to this window."""
        if self.spans:
            return self._last >= start - SLACK * (end - start)
        return self._last >= end - SAME_TIME

    def reach(self) -> float:
        """Seconds of the recording that the track, which has ended, covers."""
        if self.spans:
            return self._reach
        self._count(math.inf)
        return self._last + (self._step.median or 0.0) if self._last > -math.inf else 0.0

    def measure(self, start: float, end: float) -> Measured:
        """The window from ``start`` to ``end``, from what came before its end; what came before it is forgotten."""
        if not self.spans:
            self._count(end)
        self._rows = self._rows.between(int(np.searchsorted(self._rows.times, start - SLACK * (end - start))))
        return self._row(start, end) if self.spans else self._summary(start, end)

    def _summary(self, start: float, end: float) -> Measured:
        """As ``windows.summarise`` has it of one window: mean and population standard deviation of the valid frames."""
        import torch

        first, last = np.searchsorted(self._rows.times, (start - SAME_TIME, end - SAME_TIME))
        inside = self._rows.between(first, last)
        frames = inside.values[inside.valid]
        if not len(frames):
            nothing = torch.zeros(len(self.names))
            return Measured(nothing, nothing, 0.0)
        mean = frames.mean(axis=0, dtype=np.float64)
        spread = frames.std(axis=0, dtype=np.float64)
        spread[spread <= 4 * np.finfo(np.float64).eps * len(frames) ** 0.5 * abs(mean)] = 0  # rounding of equal values
        found = torch.from_numpy(np.stack([mean, spread]).astype(np.float32))
        return Measured(found[0], found[1], self._covered(inside) / (end - start))

    def _covered(self, inside: _Rows) -> float:
        """Seconds that the valid frames of a window stand for, as ``windows.coverage`` has it of all frames so far:
        until the next one, but no longer than a gap, and the last one for a median step."""
        median = self._step.median
        if median is None:
            return 0.0
        steps = np.diff(inside.times).clip(max=GAP * median)
        return float(steps[inside.valid[:-1]].sum() + median * inside.valid[-1])

    def _row(self, start: float, end: float) -> Measured:
        """The row that begins and ends with the window, if there is one."""
        import torch

        rows, slack = self._rows, SLACK * (end - start)
        assert rows.spans is not None
        fits = (abs(rows.times - start) <= slack) & (abs(rows.spans - (end - start)) <= slack)
        if not fits.any():
            return Measured(torch.zeros(len(self.names)), None, 0.0)
        nearest = np.where(fits, abs(rows.times - start), np.inf).argmin()
        return Measured(torch.from_numpy(rows.values[nearest].copy()), None, float(rows.valid[nearest]))

    def _count(self, end: float) -> None:
        """Count the steps of the frames before ``end``."""
        times = self._rows.times
        first, last = np.searchsorted(times, self._counted, "right"), np.searchsorted(times, end - SAME_TIME)
        if last > first:
            self._step.add(times[first:last])
            self._counted = float(times[last - 1])
