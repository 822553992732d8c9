"""The sound of a recording as openSMILE reads it: 16-bit samples, in stretches or cut into windows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
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
"""Share of a window that may lack sound: containers round their durations. As for every extractor of windows."""


@dataclass(frozen=True)
class Stretch:
    """``samples`` int16 [S] from ``start`` seconds on, and the places int64 [B] of those that were no finite number."""

    start: float
    samples: Samples16
    broken: NDArray[np.int64]


@dataclass(frozen=True)
class Window(Stretch):
    """The sound of a stretch that is ``seconds`` long, if perhaps its first or last samples lack."""

    seconds: float


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


def grid(length: float, hop: float) -> Iterator[tuple[float, float]]:
    """Start and end in seconds of windows of ``length`` every ``hop`` from 0 on, without end."""
    return ((number * hop, number * hop + length) for number in itertools.count())


def windows(parts: Iterator[Stretch], rate: int, spans: Iterable[tuple[float, float]]) -> Iterator[Window]:
    """Those of ``spans`` that are full of sound but for ``_SLACK``.

    Spans are starts and ends in seconds, in order of their starts, perhaps without end. What is held of the sound
    begins with the earliest window that is not yet whole; reading ends with the last span.
    """
    asked = iter(spans)
    span = next(asked, None)
    opening = next(parts)
    begin = round(opening.start * rate)  # where ``held`` begins, in samples of the recording
    held, broken = np.empty(0, np.int16), np.empty(0, np.int64)

    def cut(*, ended: bool) -> Iterator[Window]:
        """The windows that end, or if the sound has ``ended`` those that begin, in what has been heard."""
        nonlocal span, begin, held, broken
        while span is not None:
            first, last = (round(moment * rate) for moment in span)
            heard = begin + len(held)
            if (first if ended else last) > heard:
                break
            if min(last, heard) - max(first, begin) >= math.ceil((last - first) * (1 - _SLACK)):
                inside = broken[(broken >= first) & (broken < last)] - first
                yield Window(span[0], held[max(0, first - begin) : last - begin], inside, span[1] - span[0])
            span = next(asked, None)
        if span is not None:
            passed = min(max(0, round(span[0] * rate) - begin), len(held))
            begin, held = begin + passed, held[passed:]
            broken = broken[broken >= begin]

    for part in chain([opening], parts):
        broken = np.concatenate([broken, begin + len(held) + part.broken])
        held = np.concatenate([held, part.samples])
        yield from cut(ended=False)
        if span is None:
            return
    yield from cut(ended=True)
