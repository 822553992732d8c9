"""How a page shows the recording it is about: inside the page, as a link beside it, or not at all, and then why."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from lasca_core.contract.errors import OptionError
from lasca_core.steps.media import open_container

if TYPE_CHECKING:
    from lasca_core.contract.types import Source

EMBEDDED_BYTES = 20_000_000
"""A larger recording is not put into a page unless that is asked for."""

Way = Literal["embed", "link"]


@dataclass(frozen=True)
class Player:
    """A recording as a browser plays it: its ``address`` (data: or a file beside the page), its media ``type``, and
    ``offset``, the player's time when the recording's windows begin to count. Without an address it is not shown;
    ``said`` tells the reader either way."""

    said: str
    address: str | None = None
    type: str = ""
    offset: float = 0.0

    @property
    def element(self) -> str:
        """The HTML element that plays it."""
        return self.type.partition("/")[0]

    @property
    def embedded(self) -> bool:
        """Whether the page holds the recording."""
        return self.address is not None and self.address.startswith("data:")


@dataclass(frozen=True)
class _Container:
    """What the browsers of the day play of a container: its media subtype, and the codecs inside."""

    subtype: str
    video: frozenset[str]
    sound: frozenset[str]


_PLAYED = {
    "mp4": _Container("mp4", frozenset({"h264", "vp9", "av1"}), frozenset({"aac", "mp3", "opus", "flac"})),
    "webm": _Container("webm", frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"})),
    "ogg": _Container("ogg", frozenset(), frozenset({"opus", "vorbis", "flac"})),
    "wav": _Container("wav", frozenset(), frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le"})),
    "mp3": _Container("mpeg", frozenset(), frozenset({"mp3"})),
    "aac": _Container("aac", frozenset(), frozenset({"aac"})),
    "flac": _Container("flac", frozenset(), frozenset({"flac"})),
}
_PIXELS = {"yuv420p", "yuvj420p"}
"""H.264 with more colour or more bits than this is played by few browsers."""


def player(source: Source, page: Path, way: Way | None = None) -> Player:
    """How the page to be written to ``page`` shows the recording ``source``: inside, if it is small enough and nothing
    else is asked for.

    Raises ``OptionError`` if a ``way`` is asked for and browsers do not play the recording.
    """
    kind, offset, reason = _examined(source)
    if reason:
        if way is not None:
            raise OptionError(f"--{way}: {source.path} cannot be played in a page: {reason}; leave --{way} out")
        return Player(f"The recording is not shown: {reason}.")
    size = source.path.stat().st_size
    if way == "link":
        return Player(
            f"Played from the file {source.path.name}, which must stay where it lies beside this page.",
            _relative(source.path, page), kind, offset,
        )  # fmt: skip
    if size > EMBEDDED_BYTES and way is None:
        return Player(
            f"The recording is not shown: it has {_megabytes(size)}, and more than {_megabytes(EMBEDDED_BYTES)} are "
            f"put into a page only with --embed; --link refers to the file instead."
        )
    encoded = base64.b64encode(source.path.read_bytes()).decode("ascii")
    return Player(
        f"This page holds the recording itself ({_megabytes(size)}): pass it on only to those who may see it.",
        f"data:{kind};base64,{encoded}", kind, offset,
    )  # fmt: skip


def _examined(source: Source) -> tuple[str, float, str]:
    """The media type, the offset and, if browsers do not play it, the reason. Only headers are read."""
    if source.path.is_dir():
        return "", 0.0, "it is a folder of images"
    with open_container(source.path) as opened:
        name = _container(opened.format.name, source.path)
        video = opened.streams.video[0] if source.has_video else None
        sound = opened.streams.audio[0] if opened.streams.audio else None
        played = _PLAYED.get(name)
        if played is None:
            return "", 0.0, f"browsers do not play {name} files"
        for stream, codecs in ((video, played.video), (sound, played.sound)):
            codec = _codec(stream)
            if codec is not None and codec not in codecs:
                return "", 0.0, f"browsers do not play {codec} in {name} files"
        if video is not None and _codec(video) == "h264" and video.pix_fmt not in _PIXELS:
            return "", 0.0, f"browsers do not play h264 with pixels of the kind {video.pix_fmt}"
        begins = [_start(stream) for stream in (video, sound) if stream is not None]
        return f"{'video' if video is not None else 'audio'}/{played.subtype}", begins[0] - min(begins), ""


def _container(names: str, path: Path) -> str:
    """One name for a container, of the several under which FFmpeg reads it."""
    if "matroska" in names:
        return "webm" if path.suffix.lower() == ".webm" else "matroska"
    return "mp4" if "mp4" in names.split(",") else names.partition(",")[0]


def _codec(stream: Any) -> str | None:
    return None if stream is None else str(stream.codec_context.codec.canonical_name)


def _start(stream: Any) -> float:
    return float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0


def _relative(path: Path, page: Path) -> str:
    """The address of a file as a page in another folder links to it."""
    try:
        return quote(Path(os.path.relpath(path.resolve(), page.resolve().parent)).as_posix())
    except ValueError:  # another drive, on Windows
        return path.resolve().as_uri()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"
