"""A folder of images as a recording."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lasca_core.contract.errors import MediaError
from lasca_core.contract.types import Frames, Samples
from lasca_core.steps.media.files import IMAGE_SUFFIXES, media_files, open_container
from lasca_core.steps.media.pictures import Picture, VideoPicture, batches_of, nearest

if TYPE_CHECKING:
    from lasca_core.contract.types import Source


class ImageFolder:
    """A folder of images as a video. Implements ``Source``.

    Files whose names are whole numbers are frames of those numbers (as in Aff-Wild2's ``00001.jpg``, where a missing
    number is a frame without a face); other names count in their sorted order.
    """

    has_video = True

    def __init__(self, path: Path, fps: float, sound: Source | None = None) -> None:
        if not fps > 0:
            raise MediaError(path, f"needs a frame rate above 0, not {fps:g}")
        self.path = path
        self.has_audio = sound is not None
        self._sound = sound
        self.files = media_files(path)
        if not self.files:
            raise MediaError(path, f"is a folder without images ({', '.join(sorted(IMAGE_SUFFIXES))})")
        if all(file.stem.isdecimal() for file in self.files):
            self.files.sort(key=lambda file: int(file.stem))
            numbers = [int(file.stem) for file in self.files]
            origin = min(1, numbers[0])
            if len(set(numbers)) < len(numbers):
                raise MediaError(path, "holds two images with the same number")
        else:
            numbers, origin = list(range(len(self.files))), 0
        self._times = [(number - origin) / fps for number in numbers]
        self.duration = self._times[-1] + 1 / fps

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """Images in batches; see ``Source.frames``."""
        return batches_of(self._pictures(fps), batch)

    def _pictures(self, fps: float | None) -> Generator[tuple[Picture, float], None, None]:
        for file, time in nearest(zip(self.files, self._times, strict=True), fps):
            yield _picture(file), time

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Sound of the separate file; see ``Source.audio``."""
        if self._sound is None:
            raise MediaError(self.path, "has no audio stream")
        return self._sound.audio(rate, seconds)


def _picture(path: Path) -> VideoPicture:
    """The image in a file, decoded."""
    import av

    try:
        with open_container(path) as container:
            return VideoPicture(next(container.decode(video=0)))
    except (StopIteration, IndexError, av.error.FFmpegError):
        raise MediaError(path, "is not an image that can be decoded") from None
