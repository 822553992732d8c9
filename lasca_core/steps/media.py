"""Recordings: video frames and sound with their real times, decoded by PyAV in batches and constant memory."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lasca_core.contract.errors import MediaError
from lasca_core.contract.types import Frames, Samples

if TYPE_CHECKING:
    import av
    import numpy as np

    from lasca_core.contract.types import Source

_T = TypeVar("_T")

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_BATCH_BYTES = 128 * 2**20
"""A batch of frames never takes more memory than this, however large the frames and the batch asked for."""
_DAMAGED_SHARE = 0.1
"""More damaged packets than this share of all make the file an error; fewer are skipped, as players do."""
_GAP_SECONDS = 0.05
"""A hole in the sound longer than this is filled with silence, so that later samples keep their time."""
_RESTART_SECONDS = 1.0
"""Time stamps that go back by more than this are a clock that began anew, as in recordings joined end to end."""
_AS_STORED = (1, 0, 0, 1)
_QUARTER_TURNS = (_AS_STORED, (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))
"""Display matrices of 0 to 3 quarter turns counter-clockwise."""


def open_media(path: Path | str, *, audio: Path | str | None = None, fps: float | None = None) -> Source:
    """Open a recording: a video or sound file, or a folder of images.

    ``audio`` is a separate sound file to use in place of the recording's own; ``fps`` the rate of a folder of images
    (30 if not given). Raises ``MediaError`` naming the file if it cannot be read. Only headers are read here.
    """
    path = Path(path)
    sound = None if audio is None else open_media(audio)
    if sound is not None and not sound.has_audio:
        raise MediaError(sound.path, "has no audio stream, but is named as the recording's sound file")
    if path.is_dir():
        return ImageFolder(path, fps=30.0 if fps is None else fps, sound=sound)
    return MediaFile(path, sound=sound)


class MediaFile:
    """A video or sound file. Implements ``Source``.

    Times count from the start of the video stream, or of the sound where there is no video.
    """

    def __init__(self, path: Path, sound: Source | None = None) -> None:
        self.path = path
        self._sound = sound
        with _open(path) as container:
            video, audio = _video_stream(container), _audio_stream(container)
            if video is None and audio is None:
                raise MediaError(path, "holds neither video nor sound")
            self.has_video = video is not None
            self.has_audio = sound is not None or audio is not None
            self._origin = _start(video if video is not None else audio)
            self.duration = _duration(container, video if video is not None else audio)
            self._end = container.duration / 1e6 + _RESTART_SECONDS if container.duration else math.inf

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """Video frames in batches; see ``Source.frames``."""
        if not self.has_video:
            raise MediaError(self.path, "has no video stream")
        return _batches(((_upright(frame), time) for frame, time in _nearest(self._pictures(), fps)), batch)

    def _pictures(self) -> Iterator[tuple[av.VideoFrame, float]]:
        with _open(self.path) as container:
            stream = _video_stream(container)
            stream.thread_type = "AUTO"
            step = 1 / float(stream.average_rate or stream.guessed_rate or 30)
            time, shift = -step, 0.0
            for frame in self._decode(container, stream):
                stamp = self._stamp(frame, time + step - shift) + shift
                if stamp < time - _RESTART_SECONDS:
                    shift += time + step - stamp
                    stamp = time + step
                time = max(stamp, time + step / 100)  # broken files repeat time stamps; times must ascend
                yield frame, time

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Mono sound in stretches; see ``Source.audio``."""
        if self._sound is not None:
            return self._sound.audio(rate, seconds)
        if not self.has_audio:
            raise MediaError(self.path, "has no audio stream")
        return _stretches(self._sound_pieces(rate), rate, max(1, round(rate * seconds)))

    def _sound_pieces(self, rate: int) -> Iterator[tuple[np.ndarray, float]]:
        """Consecutive mono pieces, holes filled with silence; beside each when the recording it belongs to begins."""
        import av

        with _open(self.path) as container:
            layout: tuple[Any, ...] | None = None
            resampler = av.AudioResampler(format="fltp", rate=rate)
            begin = expected = shift = 0.0
            for frame in self._decode(container, _audio_stream(container)):
                stamp = self._stamp(frame, expected - shift) + shift
                if layout is None:
                    begin = expected = stamp
                elif stamp < expected - _RESTART_SECONDS:
                    shift += expected - stamp
                hole = stamp - expected > _GAP_SECONDS
                found = (frame.format.name, frame.layout.name, frame.sample_rate)
                if found != layout or hole:  # a resampler knows one kind of sound, and would not see the hole
                    yield from _mono(resampler.resample(None), begin)
                    resampler, layout = av.AudioResampler(format="fltp", rate=rate), found
                if hole:
                    yield from _silence(stamp - expected, rate, begin)
                    expected = stamp
                expected += frame.samples / frame.sample_rate
                yield from _mono(resampler.resample(frame), begin)
            yield from _mono(resampler.resample(None), begin)

    def _stamp(self, frame: Any, otherwise: float) -> float:
        """When a decoded frame begins, in seconds of the recording.

        ``otherwise`` where the file does not say, or names a moment beyond its own end, which is damage.
        """
        if frame.time is None:
            return otherwise
        time: float = frame.time - self._origin
        return time if time <= self._end else otherwise

    def _decode(self, container: av.container.InputContainer, stream: Any) -> Iterator[Any]:
        """Decoded frames of one stream. A few damaged packets are skipped; too many, or none good, are an error."""
        import av

        packets = damaged = decoded = 0
        last = 0.0
        try:
            for packet in container.demux(stream):
                packets += 1
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    damaged += 1
                    continue
                for frame in frames:
                    decoded += 1
                    last = frame.time - self._origin if frame.time is not None else last
                    yield frame
        except av.error.FFmpegError as error:
            raise MediaError(
                self.path, f"is damaged: decoding {stream.type} failed at {last:.1f} s ({error.strerror})"
            ) from None
        if not decoded:
            raise MediaError(self.path, f"is damaged or empty: no {stream.type} frame could be decoded")
        if damaged > _DAMAGED_SHARE * packets:
            raise MediaError(
                self.path, f"is damaged: {damaged} of {packets} {stream.type} packets could not be decoded"
            )


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
        chosen = _nearest(zip(self.files, self._times, strict=True), fps)
        return _batches(((_image(file), time) for file, time in chosen), batch)

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Sound of the separate file; see ``Source.audio``."""
        if self._sound is None:
            raise MediaError(self.path, "has no audio stream")
        return self._sound.audio(rate, seconds)


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


def _open(path: Path) -> av.container.InputContainer:
    import av

    if not path.exists():
        raise MediaError(path, "does not exist")
    if path.is_file() and path.stat().st_size == 0:
        raise MediaError(path, "is empty (0 bytes)")
    try:
        container = av.open(f"file:{path}", metadata_errors="replace")  # "file:", or a colon would name a protocol
    except PermissionError:
        raise MediaError(path, "cannot be read: permission denied") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(path, f"is not a video, sound or image file that can be read ({reason})") from None
    if container.format.name == "tty":
        container.close()
        raise MediaError(path, "is a text file, which FFmpeg would draw as a picture of a terminal")
    return container


def _video_stream(container: av.container.InputContainer) -> Any:
    """The first real video stream: the cover picture of a sound file is none."""
    import av

    covers = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if not stream.disposition & covers), None)


def _audio_stream(container: av.container.InputContainer) -> Any:
    return next(iter(container.streams.audio), None)


def _start(stream: Any) -> float:
    return float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0


def _duration(container: av.container.InputContainer, stream: Any) -> float:
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration is not None else 0.0


def _nearest(items: Iterable[tuple[_T, float]], fps: float | None) -> Iterator[tuple[_T, float]]:
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


def _image(path: Path) -> np.ndarray:
    """The image in a file, upright, uint8 RGB [H, W, 3]."""
    import av

    try:
        with _open(path) as container:
            return _upright(next(container.decode(video=0)))
    except (StopIteration, IndexError, av.error.FFmpegError):
        raise MediaError(path, "is not an image that can be decoded") from None


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """uint8 RGB [H, W, 3], turned and mirrored as the frame's display matrix says.

    The matrix maps a stored pixel (x, y) to the shown place (a x + c y, b x + d y), y downwards (ISO/IEC 14496-12, the
    track header). It is taken to the nearest of the eight that keep the pixel grid.
    """
    import numpy as np

    image: np.ndarray = frame.to_ndarray(format="rgb24")
    a, b, c, d = _display_matrix(frame)
    if (a, b, c, d) == _AS_STORED:
        return image
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c and d of the frame's display matrix, in any unit."""
    try:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV refuses side data of a kind it does not know (EXIF): its angle must do, without mirroring
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]
    if matrix is None:
        return _AS_STORED
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    return a, b, c, d


def _mono(frames: Iterable[av.AudioFrame], begin: float) -> Iterator[tuple[np.ndarray, float]]:
    """Resampled planar frames [channels, S] as the mean of their channels, which never leaves [-1, 1]."""
    for frame in frames:
        yield frame.to_ndarray().mean(axis=0), begin


def _silence(seconds: float, rate: int, begin: float) -> Iterator[tuple[np.ndarray, float]]:
    """Zeros in pieces of at most a second, so that a long hole takes no memory."""
    import numpy as np

    left = round(seconds * rate)
    while left > 0:
        yield np.zeros(min(left, rate), dtype=np.float32), begin
        left -= rate


def _batches(images: Iterator[tuple[np.ndarray, float]], batch: int) -> Iterator[Frames]:
    """Group images of one size; a change of size begins a new batch."""
    pending: list[np.ndarray] = []
    times: list[float] = []
    limit = batch
    for image, time in images:
        if pending and (len(pending) >= limit or image.shape != pending[0].shape):
            yield _stack(pending, times)
            pending, times = [], []
        if not pending:
            limit = max(1, min(batch, _BATCH_BYTES // image.nbytes))
        pending.append(image)
        times.append(time)
    if pending:
        yield _stack(pending, times)


def _stack(images: list[np.ndarray], times: list[float]) -> Frames:
    import numpy as np
    import torch

    return Frames(torch.from_numpy(np.stack(images)), torch.tensor(times, dtype=torch.float64))


def _stretches(pieces: Iterator[tuple[np.ndarray, float]], rate: int, size: int) -> Iterator[Samples]:
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
