"""The sound of a recording as openSMILE reads it: 16-bit samples, in stretches or cut into windows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lasca_core.api import MediaError

if TYPE_CHECKING:
    from lasca_core.api import Samples, Source
    from lasca_opensmile.engine import Samples16

_SLACK = 0.02
"""Share of a window that may lack sound: containers round their durations. As in the pipeline's own windows."""


@dataclass(frozen=True)
class Stretch:
    """``samples`` int16 [S] from ``start`` seconds on, and the places int64 [B] of those that were no finite number."""

    start: float
    samples: Samples16
    broken: NDArray[np.int64]


def stretches(source: Source, rate: int, seconds: float, name: str) -> Iterator[Stretch]:
    """The whole sound. Raises ``MediaError`` where there is none, for the extractor called ``name``."""
    if not source.has_audio:
        raise MediaError(source.path, f"has no audio stream, which the extractor {name} needs")
    empty = True
    for part in source.audio(rate=rate, seconds=seconds):
        if len(part.values):
            empty = False
            yield _quantised(part)
    if empty:
        raise MediaError(source.path, f"holds no sound, so that the extractor {name} has nothing to read")


def _quantised(part: Samples) -> Stretch:
    """As ``opensmile.Smile`` rounds samples, except that +1 becomes the largest number instead of the smallest."""
    values = part.values.cpu().numpy()
    broken = np.flatnonzero(~np.isfinite(values))
    if len(broken):
        values = np.where(np.isfinite(values), values, 0.0)
    samples = (np.clip(values, -1.0, 32767 / 32768) * 32768).astype(np.int16)
    return Stretch(part.start, samples, broken)


def windows(parts: Iterator[Stretch], rate: int, length: float, hop: float) -> Iterator[Stretch]:
    """All windows ``[k * hop, k * hop + length)`` seconds of the recording that are full of sound but for ``_SLACK``.

    A window's ``start`` is ``k * hop``, even if its first samples lack. At most a window and a stretch are held.
    """
    size = round(length * rate)
    least = math.ceil(size * (1 - _SLACK))
    opening = next(parts)
    begin = round(opening.start * rate)  # where ``held`` begins, in samples of the recording
    held, broken = np.empty(0, np.int16), np.empty(0, np.int64)
    number = max(0, math.ceil((begin - (size - least)) / (hop * rate)))

    def cut(enough: int) -> Iterator[Stretch]:
        """The next windows, as far as ``enough`` of their samples have been heard."""
        nonlocal number, begin, held, broken
        while (first := round(number * hop * rate)) + enough <= begin + len(held):
            inside = broken[(broken >= first) & (broken < first + size)] - first
            yield Stretch(number * hop, held[max(0, first - begin) : first - begin + size], inside)
            number += 1
        passed = min(max(0, first - begin), len(held))
        begin, held = begin + passed, held[passed:]
        broken = broken[broken >= begin]

    for part in chain([opening], parts):
        broken = np.concatenate([broken, begin + len(held) + part.broken])
        held = np.concatenate([held, part.samples])
        yield from cut(size)
    yield from cut(least)
