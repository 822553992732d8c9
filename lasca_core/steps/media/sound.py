"""Pieces of sound: mono, holes filled with silence, cut into stretches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lasca_core.contract.types import Samples

if TYPE_CHECKING:
    import av
    import numpy as np

GAP_SECONDS = 0.05
"""A hole in the sound longer than this is filled with silence, so that later samples keep their time."""


def mono(frames: Iterable[av.AudioFrame], begin: float) -> Iterator[tuple[np.ndarray, float]]:
    """Resampled planar frames [channels, S] as the mean of their channels, which never leaves [-1, 1]."""
    for frame in frames:
        yield frame.to_ndarray().mean(axis=0), begin


def silence(seconds: float, rate: int, begin: float) -> Iterator[tuple[np.ndarray, float]]:
    """Zeros in pieces of at most a second, so that a long hole takes no memory."""
    import numpy as np

    left = round(seconds * rate)
    while left > 0:
        yield np.zeros(min(left, rate), dtype=np.float32), begin
        left -= rate


def stretches(pieces: Iterator[tuple[np.ndarray, float]], rate: int, size: int) -> Iterator[Samples]:
    """Cut pieces of any length into stretches of ``size`` samples."""
    import numpy as np
    import torch

    pending: list[np.ndarray] = []
    held, begin, given = 0, None, 0
    for piece, start in pieces:
        begin = start if begin is None else begin
        pending.append(piece)
        held += len(piece)
        while held >= size:
            joined = np.concatenate(pending)
            yield Samples(torch.from_numpy(joined[:size].copy()), rate, begin + given / rate)
            pending, held, given = [joined[size:]], held - size, given + size
    if held:
        yield Samples(torch.from_numpy(np.concatenate(pending)), rate, (begin or 0.0) + given / rate)
