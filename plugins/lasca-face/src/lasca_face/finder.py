"""What finds faces in frames, whichever backend it is: work is begun, and its answer asked for later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lasca_core.api import Frames
    from lasca_face.choose import Face


class Answer(Protocol):
    """The faces in some frames, which may still be looked for."""

    def get(self) -> list[list[Face]]:
        """The faces in each frame; waits for them."""
        ...

    def cancel(self) -> None:
        """Leave undone what has not begun; nobody wants the faces any more."""
        ...


class Finder(Protocol):
    """Finds faces. In mode image any number of streams may use it, each in a thread of its own."""

    def start(self, frames: Frames) -> Answer:
        """Begin to find the faces in ``frames``."""
        ...

    def close(self) -> None:
        """Give back what it holds. May be called more than once."""
        ...
