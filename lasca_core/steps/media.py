"""Recordings: video frames and sound with their real times, decoded by PyAV in batches and constant memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import MediaError
from lasca_core.contract.types import Frames, Samples

if TYPE_CHECKING:
    import av
    import numpy as np

    from lasca_core.contract.types import Source

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_BATCH_BYTES = 128 * 2**20
"""A batch of frames never takes more memory than this, however large the frames and the batch asked for."""
_DAMAGED_SHARE = 0.1
"""More damaged packets than this share of all make the file an error; fewer are skipped, as players do."""
_GAP_SECONDS = 0.05
"""A hole in the sound longer than this is filled with silence, so that later samples keep their time."""


def open_media(path: Path | str, *, audio: Path | str | None = None, fps: float | None = None) -> Source:
    """Open a recording: a video or sound file, or a folder of images.

    ``audio`` is a separate sound file to use in place of the recording's own; ``fps`` the rate of a folder of images
    (30 if not given). Raises ``MediaError`` naming the file if it cannot be read. Only headers are read here.
    """
    path = Path(path)
    sound = open_media(audio) if audio is not None else None
    if path.is_dir():
        return ImageFolder(path, fps=fps or 30.0, sound=sound)
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
            self.has_audio = audio is not None or (sound is not None and sound.has_audio)
            self._origin = _start(video if video is not None else audio)
            self.duration = _duration(container, video if video is not None else audio)

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """Video frames in batches; see ``Source.frames``."""
        if not self.has_video:
            raise MediaError(self.path, "has no video stream")
        return _batches(self._images(fps), batch)

    def _images(self, fps: float | None) -> Iterator[tuple[np.ndarray, float]]:
        with _open(self.path) as container:
            stream = _video_stream(container)
            stream.thread_type = "AUTO"
            step = 1 / float(stream.average_rate or stream.guessed_rate or 30)
            time, due = -step, 0.0
            for frame in self._decode(container, stream):
                stamp = time + step if frame.time is None else frame.time - self._origin
                time = max(stamp, time + step / 100)  # broken files repeat time stamps; times must ascend
                if fps is not None:
                    if time + step / 2 < due:
                        continue
                    due = (math.floor((time + step / 2) * fps) + 1) / fps  # the next point of the grid k / fps
                yield _upright(frame), time

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Mono sound in stretches; see ``Source.audio``."""
        if self._sound is not None:
            return self._sound.audio(rate, seconds)
        if not self.has_audio:
            raise MediaError(self.path, "has no audio stream")
        return _stretches(self._sound_pieces(rate), rate, max(1, round(rate * seconds)))

    def _sound_pieces(self, rate: int) -> Iterator[tuple[np.ndarray, float]]:
        """Consecutive mono pieces with the time of their first sample, holes filled with silence."""
        import av
        import numpy as np

        with _open(self.path) as container:
            stream = _audio_stream(container)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            expected: float | None = None
            for frame in self._decode(container, stream):
                stamp = None if frame.time is None else frame.time - self._origin
                if stamp is not None and expected is not None and stamp - expected > _GAP_SECONDS:
                    yield from _mono(resampler.resample(None), expected)
                    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
                    yield np.zeros(round((stamp - expected) * rate), dtype=np.float32), expected
                    expected = stamp
                start = expected if expected is not None else (stamp or 0.0)
                expected = start + frame.samples / frame.sample_rate
                yield from _mono(resampler.resample(frame), start)
            if expected is not None:
                yield from _mono(resampler.resample(None), expected)

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
                except av.error.InvalidDataError:
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
        self.path = path
        self.has_audio = sound is not None and sound.has_audio
        self._sound = sound
        self.files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
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
        return _batches(self._images(fps), batch)

    def _images(self, fps: float | None) -> Iterator[tuple[np.ndarray, float]]:
        import av

        due = float("-inf")
        for file, time in zip(self.files, self._times, strict=True):
            if fps is not None and time + 1e-9 < due:
                continue
            due = time + 1 / fps if fps is not None else due
            try:
                with _open(file) as container:
                    image = _upright(next(container.decode(video=0)))
            except (StopIteration, av.error.FFmpegError):
                raise MediaError(file, "is not an image that can be decoded") from None
            yield image, time

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Sound of the separate file; see ``Source.audio``."""
        if self._sound is None:
            raise MediaError(self.path, "has no audio stream")
        return self._sound.audio(rate, seconds)


def media_files(path: Path) -> list[Path]:
    """The files whose content decides what ``path`` holds: the file itself, or a folder's images."""
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    return [path]


def _open(path: Path) -> av.container.InputContainer:
    import av

    if not path.exists():
        raise MediaError(path, "does not exist")
    if path.is_file() and path.stat().st_size == 0:
        raise MediaError(path, "is empty (0 bytes)")
    try:
        return av.open(str(path), metadata_errors="replace")
    except PermissionError:
        raise MediaError(path, "cannot be read: permission denied") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(path, f"is not a video, sound or image file that can be read ({reason})") from None


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


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """uint8 RGB [H, W, 3], turned as the display matrix says (counter-clockwise, in quarter turns)."""
    import numpy as np

    image = frame.to_ndarray(format="rgb24")
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


def _mono(frames: Iterable[av.AudioFrame], start: float) -> Iterator[tuple[np.ndarray, float]]:
    for frame in frames:
        yield frame.to_ndarray().reshape(-1), start


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
