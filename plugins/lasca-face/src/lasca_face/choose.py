"""Which of several faces is the person's: one is chosen once and then followed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PATIENCE_SECONDS = 1.0
"""How long a face that is out of sight keeps its claim; then the choice begins anew."""
_REACH = 1.0
"""A face that moved further than this many of its own sizes between two sightings is another one."""
_GROWTH = 2.0
"""A face that grew or shrank by more than this factor between two sightings is another one."""


class Face(NamedTuple):
    """One face found in one frame.

    ``values`` float32 [58] are its features; ``x`` (to the right) and ``y`` (down) the middle of its landmarks, counted
    from the middle of the image, and ``size`` the geometric mean of their width and height, all in image widths.
    """

    values: NDArray[np.float32]
    x: float
    y: float
    size: float


class Chooser:
    """Follows one face through the frames of one recording.

    The rule decides which face to begin with. From then on the face nearest to the last sighting in place and size is
    the same person, unless it is too far off; a frame without such a face is a frame without the person, even if others
    are in it. After ``PATIENCE_SECONDS`` without a sighting the rule decides again.
    """

    def __init__(self, rule: str) -> None:
        self._enter = _RULES[rule]
        self._last: Face | None = None
        self._seen = -math.inf

    def choose(self, faces: Sequence[Face], time: float) -> Face | None:
        """The person's face among those of the frame at ``time`` seconds, or None. Frames must come in order."""
        if self._last is None or time - self._seen > PATIENCE_SECONDS:
            chosen = self._enter(faces) if faces else None
        else:
            chosen = _nearest(faces, self._last)
        if chosen is not None:
            self._last, self._seen = chosen, time
        return chosen


def _nearest(faces: Sequence[Face], last: Face) -> Face | None:
    def shift(face: Face) -> float:
        return math.hypot(face.x - last.x, face.y - last.y) / last.size

    def growth(face: Face) -> float:
        return abs(math.log(face.size / last.size))

    near = [face for face in faces if shift(face) <= _REACH and growth(face) <= math.log(_GROWTH)]
    return min(near, key=lambda face: shift(face) + growth(face), default=None)


def _largest(faces: Sequence[Face]) -> Face:
    return max(faces, key=lambda face: face.size)


def _center(faces: Sequence[Face]) -> Face:
    return min(faces, key=lambda face: math.hypot(face.x, face.y))


def _left(faces: Sequence[Face]) -> Face | None:
    return _outermost(faces, side=-1)


def _right(faces: Sequence[Face]) -> Face | None:
    return _outermost(faces, side=1)


def _outermost(faces: Sequence[Face], side: int) -> Face | None:
    """Of two people, the one on this side. One face alone counts only if it is in this half: it may be the other's."""
    pair = sorted(faces, key=lambda face: face.size, reverse=True)[:2]
    face = max(pair, key=lambda face: side * face.x)
    return face if len(pair) == 2 or side * face.x > 0 else None


_RULES: Mapping[str, Callable[[Sequence[Face]], Face | None]] = {
    "largest": _largest,
    "left": _left,
    "right": _right,
    "center": _center,
}
