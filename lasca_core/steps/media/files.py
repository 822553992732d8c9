"""Media files as FFmpeg opens them: what can be read, and which of their streams count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import MediaError

if TYPE_CHECKING:
    import av

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


def media_files(path: Path) -> list[Path]:
    """The files whose content decides what ``path`` holds: the file itself, or a folder's images (hidden ones, which
    some systems leave beside the real ones, are none)."""
    if not path.is_dir():
        return [path]
    try:
        files = list(path.iterdir())
    except PermissionError:
        raise MediaError(path, "cannot be read: permission denied") from None
    return sorted(file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith("."))


def open_container(path: Path) -> av.container.InputContainer:
    """The file at ``path``, opened by FFmpeg, for what its header tells; the caller closes it. Raises ``MediaError``
    naming it if it is no media file."""
    import av

    if not path.exists():
        raise MediaError(path, "does not exist")
    if path.is_file() and path.stat().st_size == 0:
        raise MediaError(path, "is empty (0 bytes)")
    try:
        # "file:", or a colon would name a protocol
        container: av.container.InputContainer = av.open(f"file:{path}", **_any_metadata(av.__version__))
    except PermissionError:
        raise MediaError(path, "cannot be read: permission denied") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(path, f"is not a video, sound or image file that can be read ({reason})") from None
    if container.format.name == "tty":
        container.close()
        raise MediaError(path, "is a text file, which FFmpeg would draw as a picture of a terminal")
    return container


def _any_metadata(version: str) -> dict[str, Any]:
    """What makes ``av.open`` of PyAV's ``version`` accept metadata in any encoding; from 19 on it always does."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


def video_stream(container: av.container.InputContainer) -> Any:
    """The first real video stream: the cover picture of a sound file is none."""
    import av

    covers = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if not stream.disposition & covers), None)


def audio_stream(container: av.container.InputContainer) -> Any:
    """The first audio stream, or None."""
    return next(iter(container.streams.audio), None)


def start_of(stream: Any) -> float:
    """When a stream begins, in seconds of its own clock."""
    return float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0


def duration_of(container: av.container.InputContainer, stream: Any) -> float:
    """Seconds of a stream as the file states it, or of the whole file; 0 if it states neither."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration is not None else 0.0
