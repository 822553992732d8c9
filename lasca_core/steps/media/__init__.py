"""Recordings: video frames and sound with their real times, decoded ahead of use in batches and constant memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lasca_core.contract.errors import MediaError
from lasca_core.steps.media.file import MediaFile
from lasca_core.steps.media.files import IMAGE_SUFFIXES, media_files, open_container
from lasca_core.steps.media.folder import ImageFolder

if TYPE_CHECKING:
    from lasca_core.contract.protocols import Runtime
    from lasca_core.contract.types import Source

__all__ = ["IMAGE_SUFFIXES", "ImageFolder", "MediaFile", "media_files", "open_container", "open_media"]


def open_media(
    path: Path | str,
    *,
    audio: Path | str | None = None,
    fps: float | None = None,
    runtime: Runtime | None = None,
) -> Source:
    """Open a recording: a video or sound file, or a folder of images.

    ``audio`` is a separate sound file to use in place of the recording's own; ``fps`` the rate of a folder of images
    (30 if not given). With a ``runtime`` whose device is a CUDA GPU, H.264 and HEVC video is decoded by that GPU where
    PyNvVideoCodec is installed, and the frames lie there; they are the same as without. Raises ``MediaError`` naming
    the file if it cannot be read. Only headers are read here.
    """
    path = Path(path)
    sound = None if audio is None else open_media(audio)
    if sound is not None and not sound.has_audio:
        raise MediaError(sound.path, "has no audio stream, but is named as the recording's sound file")
    if path.is_dir():
        return ImageFolder(path, fps=30.0 if fps is None else fps, sound=sound)
    return MediaFile(path, sound=sound, runtime=runtime)
