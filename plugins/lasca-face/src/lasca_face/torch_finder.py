"""The backend torch: the frames of all streams that run at the same time, joined into calls of the networks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from lasca_core.api import in_batches
from lasca_face.images import cut
from lasca_face.joiner import Joiner, Share

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Frames, Reporter
    from lasca_face.choose import Face
    from lasca_face.torch_landmarker import Found, TorchLandmarker

_MOST_BYTES = 2**30
"""Pixels of one call. Their numbers must fit into 31 bits, and a device holds two calls' at a time."""


class TorchFinder:
    """Finds faces for any number of streams, each in a thread of its own, at most ``batch`` frames at a time."""

    def __init__(self, networks: TorchLandmarker, batch: int, report: Reporter) -> None:
        self._networks = networks
        self._batch = batch
        self._report = report
        self._joiner = Joiner(self._call, self._fit)

    def start(self, frames: Frames) -> _Answer:
        """Begin to find the faces in ``frames``."""
        return _Answer(self._joiner.submit(frames.images))

    def close(self) -> None:
        """Nothing is held but the networks, which go when this does."""

    def _fit(self, parts: Sequence[Tensor]) -> bool:
        return sum(map(len, parts)) <= self._batch and sum(part.nbytes for part in parts) <= _MOST_BYTES

    def _call(self, parts: Sequence[Tensor]) -> _Faces:
        count = sum(map(len, parts))

        def work(first: int, last: int) -> Found:
            try:
                return self._networks.start(cut(parts, first, last))
            except torch.OutOfMemoryError:
                self._batch = max(1, (last - first) // 2)  # later calls need not find out again
                raise

        return _Faces(in_batches(count, self._batch, work, report=self._report, option="blendshape.batch_size"))


@dataclass
class _Faces:
    """The faces in all frames of a call, fetched once for all of its streams."""

    stretches: Sequence[Found]
    _frames: list[list[Face]] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def frames(self) -> list[list[Face]]:
        with self._lock:
            if self._frames is None:
                self._frames = [faces for found in self.stretches for faces in found.frames()]
            return self._frames


@dataclass(frozen=True)
class _Answer:
    """The faces in the frames of one stream. Implements ``finder.Answer``."""

    share: Share[_Faces]

    def get(self) -> list[list[Face]]:
        """The faces in each frame, the surest first."""
        return self.share.result.frames()[self.share.first : self.share.last]

    def cancel(self) -> None:
        """The device has begun already."""
