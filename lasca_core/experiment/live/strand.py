"""The part of an extractor's track that windows to come still need, and what it says of the next window."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lasca_core.contract.errors import ContractError
from lasca_core.contract.types import Track
from lasca_core.experiment.live.statistics import RunningStep
from lasca_core.steps.windows import _GAP as GAP
from lasca_core.steps.windows import _SAME_TIME as SAME_TIME
from lasca_core.steps.windows import _SLACK as SLACK
from lasca_core.steps.windows import summarise

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Measured:
    """One window of one track: ``values`` float32 [F], their spread [F] where the track is of frames, and the share of
    the window's time that valid frames stand for."""

    values: Tensor
    spread: Tensor | None
    share: float


class Strand:
    """A track that grows at one end and is forgotten at the other. Windows are measured in order of their starts."""

    def __init__(self, extractor: str, names: tuple[str, ...]) -> None:
        self.extractor = extractor
        self.names = names
        self.signed: frozenset[str] = frozenset()
        self.ended = False
        self._parts: deque[Track] = deque()
        self._step = RunningStep()
        self._uncounted: list[Tensor] = []
        """Times of the frames that ``_step`` has not counted yet."""
        self._last = -math.inf
        """Time of the last row."""
        self._reach = 0.0
        """End of the last row that has a span."""
        self.spans: bool | None = None
        """Whether rows have spans; not known before the first part."""

    def push(self, part: Track) -> None:
        """Add the next part. Raises ``ContractError`` if it is not the continuation of the ones before."""
        if not len(part):
            return
        if part.values.device.type != "cpu":
            part = part.to("cpu")
        spans = part.spans is not None
        if part.names != self.names:
            raise ContractError(f"extractor {self.extractor!r}: the track's names are not the announced ones")
        if self.spans is not None and spans != self.spans:
            raise ContractError(f"extractor {self.extractor!r}: either all parts of one track have spans, or none has")
        if float(part.times[0]) <= self._last:
            raise ContractError(f"extractor {self.extractor!r}: the parts of its track overlap in time")
        self.spans, self.signed = spans, part.signed
        self._last = float(part.times[-1])
        if part.spans is not None:
            self._reach = max(self._reach, float((part.times + part.spans).max()))
        else:
            self._uncounted.append(part.times)
        self._parts.append(part)

    def passed(self, start: float, end: float) -> bool:
        """Whether nothing that is yet to come belongs to this window."""
        if self.spans:
            return self._last >= start - SLACK * (end - start)
        return self._last >= end - SAME_TIME

    def reach(self) -> float:
        """Seconds of the recording that the track, which has ended, covers."""
        self._count(math.inf)
        if self.spans:
            return self._reach
        return self._last + (self._step.median or 0.0) if self._last > -math.inf else 0.0

    def measure(self, start: float, end: float) -> Measured:
        """The window from ``start`` to ``end``, from what came before its end."""
        self._count(end)
        self._forget(start - SLACK * (end - start))
        return self._row(start, end) if self.spans else self._summary(start, end)

    def _summary(self, start: float, end: float) -> Measured:
        import torch

        if not self._parts:
            nothing = torch.zeros(len(self.names))
            return Measured(nothing, nothing, 0.0)
        values, times, valid = (
            torch.cat([getattr(part, name) for part in self._parts]) for name in ("values", "times", "valid")
        )
        bounds = torch.tensor([[start], [end]], dtype=torch.float64)
        mean, spread, _ = summarise(values, times, valid, *bounds)
        first, last = torch.searchsorted(times, bounds[:, 0] - SAME_TIME).tolist()
        return Measured(mean[0], spread[0], self._covered(times[first:last], valid[first:last]) / (end - start))

    def _covered(self, times: Tensor, valid: Tensor) -> float:
        """Seconds that the valid frames of a window stand for, as ``windows.coverage`` has it of all frames so far:
        until the next one, but no longer than a gap, and the last one for a median step."""
        import torch

        median = self._step.median
        if median is None or not len(times):
            return 0.0
        steps = times.diff().clamp(max=GAP * median)
        return float((torch.cat([steps, steps.new_tensor([median])]) * valid).sum())

    def _row(self, start: float, end: float) -> Measured:
        """The row that begins and ends with the window, if there is one."""
        import torch

        slack = SLACK * (end - start)
        for part in self._parts:
            assert part.spans is not None
            fits = ((part.times - start).abs() <= slack) & ((part.spans - (end - start)).abs() <= slack)
            if len(rows := fits.nonzero()[:, 0]):
                nearest = rows[(part.times[rows] - start).abs().argmin()]
                return Measured(part.values[nearest], None, float(part.valid[nearest]))
        return Measured(torch.zeros(len(self.names)), None, 0.0)

    def _count(self, end: float) -> None:
        """Count the steps of the frames before ``end``."""
        import torch

        if self._uncounted:
            times = torch.cat(self._uncounted)
            before = int(torch.searchsorted(times, end - SAME_TIME))
            self._step.add(times[:before])
            self._uncounted = [times[before:]]

    def _forget(self, moment: float) -> None:
        """Drop the parts that end before ``moment``."""
        while self._parts and float(self._parts[0].times[-1]) < moment:
            self._parts.popleft()
