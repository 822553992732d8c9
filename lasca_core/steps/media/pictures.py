"""Decoded pictures: which of them count, which way is up, and how they become batches of RGB."""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from lasca_core.contract.types import Frames
from lasca_core.host.runtime import default_workers
from lasca_core.steps.media.ahead import ahead

if TYPE_CHECKING:
    import av
    import numpy as np
    from torch import Tensor

_T = TypeVar("_T")

BATCH_BYTES = 128 * 2**20
"""A batch of frames never takes more memory than this, however large the frames and the batch asked for; and no more
than this is decoded ahead."""
BATCHES_AHEAD = 4
"""Batches decoded ahead at most, where they are so small that more would fit: enough for an uneven consumer."""
_AS_STORED = (1, 0, 0, 1)
_QUARTER_TURNS = (_AS_STORED, (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))
"""Display matrices of 0 to 3 quarter turns counter-clockwise."""


def batches_of(pictures: Generator[tuple[Picture, float], None, None], batch: int) -> Iterator[Frames]:
    """Pictures with their times as batches of upright RGB; a change of size begins a new batch.

    They are decoded in one thread and converted in a few others before they are asked for: FFmpeg decodes on as many
    cores as it likes, but the conversion of a picture takes one of them, which at 1080p is a fifth of the work.
    """
    import torch

    converters = ThreadPoolExecutor(max(1, min(4, default_workers() // 2)), thread_name_prefix="lasca-convert")

    def groups() -> Generator[_Group, None, None]:
        with converters, closing(pictures):
            yield from _groups(pictures, batch)

    def begin(group: _Group) -> tuple[Callable[[], Tensor], list[float]]:
        return type(group.pictures[0]).join(group.pictures, converters), group.times

    def cost(group: _Group) -> int:
        return max(group.size(), BATCH_BYTES // BATCHES_AHEAD)

    for images, times in ahead(groups(), cost, begin, BATCH_BYTES):
        yield Frames(images(), torch.tensor(times, dtype=torch.float64))


class Picture(ABC):
    """A decoded picture that becomes part of a batch."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """[height, width, 3] when upright."""

    @classmethod
    @abstractmethod
    def join(cls, pictures: list[Self], converters: Executor) -> Callable[[], Tensor]:
        """Begin to make one tensor uint8 [N, H, W, 3] of pictures of one shape; what is returned waits for it."""


class VideoPicture(Picture):
    """A frame that FFmpeg decoded."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self.frame = frame
        self.turn = _turn(frame)

    @property
    def shape(self) -> tuple[int, int, int]:
        """[height, width, 3] when upright."""
        width, height = self.frame.width, self.frame.height
        return (width, height, 3) if self.turn.transposed else (height, width, 3)

    def rgb(self) -> np.ndarray:
        """The upright picture, uint8 [H, W, 3]."""
        return self.turn(self.frame.to_ndarray(format="rgb24", threads=1))  # by default, threads are started for each

    @classmethod
    def join(cls, pictures: list[Self], converters: Executor) -> Callable[[], Tensor]:
        """One tensor of all, each converted by whichever of ``converters`` is free."""
        import numpy as np
        import torch

        images = np.empty((len(pictures), *pictures[0].shape), np.uint8)

        def convert(place: int, picture: Self) -> None:
            images[place] = picture.rgb()

        jobs = [converters.submit(convert, place, picture) for place, picture in enumerate(pictures)]

        def converted() -> Tensor:
            for job in jobs:
                job.result()
            return torch.from_numpy(images)

        return converted


class Turn(NamedTuple):
    """What makes a stored picture upright: its axes are exchanged, then it is mirrored."""

    transposed: bool
    upside_down: bool
    mirrored: bool

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """A view of ``image`` [H, W, 3] that is upright."""
        image = image.swapaxes(0, 1) if self.transposed else image
        return image[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]

    def on_gpu(self, image: Tensor) -> Tensor:
        """The same of a tensor."""
        image = image.transpose(0, 1) if self.transposed else image
        return image.flip([axis for axis, turned in enumerate((self.upside_down, self.mirrored)) if turned])


def _turn(frame: av.VideoFrame) -> Turn:
    """How a frame must be turned, from its display matrix.

    The matrix maps a stored pixel (x, y) to the shown place (a x + c y, b x + d y), y downwards (ISO/IEC 14496-12, the
    track header). It is taken to the nearest of the eight that keep the pixel grid.
    """
    a, b, c, d = _display_matrix(frame)
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    if transposed:
        a, d = c, b
    return Turn(transposed, upside_down=d < 0, mirrored=a < 0)


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c and d of the frame's display matrix, in any unit."""
    from av.sidedata.sidedata import SideDataContainer

    try:  # not frame.side_data, which frame and container hold each other by: frames would outlive their use
        matrix: Any = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # PyAV's stubs lack it
    except ValueError:  # PyAV refuses side data of a kind it does not know (EXIF): its angle must do, without mirroring
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]
    if matrix is None:
        return _AS_STORED
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    return a, b, c, d


class _Group(NamedTuple):
    """Pictures of one kind and shape that make a batch, and their times."""

    pictures: list[Picture]
    times: list[float]

    def size(self) -> int:
        """Bytes of the batch."""
        return len(self.pictures) * math.prod(self.pictures[0].shape)

    def alike(self, picture: Picture) -> bool:
        """Whether ``picture`` is of the kind and shape of those before it."""
        first = self.pictures[0]
        return type(picture) is type(first) and picture.shape == first.shape

    def full(self, batch: int) -> bool:
        """Whether these are all the pictures that a batch of at most ``batch`` may hold."""
        return len(self.pictures) >= min(batch, BATCH_BYTES // math.prod(self.pictures[0].shape))


def _groups(pictures: Iterable[tuple[Picture, float]], batch: int) -> Generator[_Group, None, None]:
    group = _Group([], [])
    for picture, time in pictures:
        if group.pictures and not group.alike(picture):
            yield group
            group = _Group([], [])
        group.pictures.append(picture)
        group.times.append(time)
        if group.full(batch):
            yield group
            group = _Group([], [])
    if group.pictures:
        yield group


def nearest(items: Iterable[tuple[_T, float]], fps: float | None) -> Generator[tuple[_T, float], None, None]:
    """Of the moments k / fps the nearest of ``items``, each at most once; all items where ``fps`` is None.

    An item comes with its time, and times ascend. One item is held back, to know the next one's time.
    """
    if fps is None:
        yield from items
        return
    held: tuple[_T, float] | None = None
    passed = -math.inf  # number of the last moment that is nearer to an item before the held one
    reach = 0.0  # half a step: how far beyond its time the last item counts

    def moment(time: float) -> int:
        return math.floor(time * fps + 1e-6)

    for item in items:
        if held is not None:
            reach = (item[1] - held[1]) / 2
            last = moment(held[1] + reach)
            if last > passed:
                yield held
            passed = last
        held = item
    if held is not None and moment(held[1] + reach) > passed:
        yield held
