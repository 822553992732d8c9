"""A video or sound file as a recording, decoded by PyAV in constant memory."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lasca_core.contract.errors import MediaError
from lasca_core.contract.types import Frames, Samples
from lasca_core.steps.media.files import audio_stream, duration_of, open_container, start_of, video_stream
from lasca_core.steps.media.pictures import Picture, VideoPicture, batches_of, nearest
from lasca_core.steps.media.sound import GAP_SECONDS, mono, silence, stretches

if TYPE_CHECKING:
    import av
    import numpy as np

    from lasca_core.contract.protocols import Runtime
    from lasca_core.contract.types import Source

_F = TypeVar("_F")

_DAMAGED_SHARE = 0.1
"""More damaged packets than this share of all make the file an error; fewer are skipped, as players do."""
_RESTART_SECONDS = 1.0
"""Time stamps that go back by more than this are a clock that began anew, as in recordings joined end to end."""


class MediaFile:
    """A video or sound file. Implements ``Source``.

    Times count from the start of the video stream, or of the sound where there is no video. Where the device of
    ``runtime`` can decode the video, it does, and the frames stay there.
    """

    def __init__(self, path: Path, sound: Source | None = None, runtime: Runtime | None = None) -> None:
        self.path = path
        self._sound = sound
        self._runtime = runtime
        with open_container(path) as container:
            video, audio = video_stream(container), audio_stream(container)
            if video is None and audio is None:
                raise MediaError(path, "holds neither video nor sound")
            self.has_video = video is not None
            self.has_audio = sound is not None or audio is not None
            self._origin = start_of(video if video is not None else audio)
            self.duration = duration_of(container, video if video is not None else audio)
            self._step = 1 / float(video.average_rate or video.guessed_rate or 30) if video is not None else 0.0
            self._end = container.duration / 1e6 + _RESTART_SECONDS if container.duration else math.inf

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """Video frames in batches; see ``Source.frames``."""
        if not self.has_video:
            raise MediaError(self.path, "has no video stream")
        on_gpu = self._runtime is not None and self._runtime.device.type == "cuda"
        return batches_of(nearest(self._gpu_pictures() if on_gpu else self._pictures(), fps), batch)

    def _pictures(self) -> Generator[tuple[Picture, float], None, None]:
        with open_container(self.path) as container:
            stream = video_stream(container)
            stream.thread_type = "AUTO"
            for frame, time in self._timed(self._decode(container, stream)):
                yield VideoPicture(frame), time

    def _gpu_pictures(self) -> Generator[tuple[Picture, float], None, None]:
        """The same pictures, decoded by the GPU as far as it gives the same, and from there on by FFmpeg."""
        from lasca_core.steps.media.nvdec import NvdecError, surfaces

        assert self._runtime is not None
        given = 0
        try:
            for picture in self._timed(surfaces(self.path, self._runtime.device)):
                yield picture
                given += 1
            if given:
                return
            reason = "NVDEC gives no picture"
        except NvdecError as error:
            reason = str(error)
        self._runtime.report.note(f"video is decoded by the CPU: {reason}")
        with closing(self._pictures()) as pictures:
            yield from islice(pictures, given, None)

    def _timed(self, frames: Iterator[_F]) -> Iterator[tuple[_F, float]]:
        """Frames with their times in seconds of the recording, which ascend whatever the file says."""
        step = self._step
        time, shift = -step, 0.0
        for frame in frames:
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
        return stretches(self._sound_pieces(rate), rate, max(1, round(rate * seconds)))

    def _sound_pieces(self, rate: int) -> Iterator[tuple[np.ndarray, float]]:
        """Consecutive mono pieces, holes filled with silence; beside each when the recording it belongs to begins."""
        import av

        with open_container(self.path) as container:
            layout: tuple[Any, ...] | None = None
            resampler = av.AudioResampler(format="fltp", rate=rate)
            begin = expected = shift = 0.0
            for frame in self._decode(container, audio_stream(container)):
                stamp = self._stamp(frame, expected - shift) + shift
                if layout is None:
                    begin = expected = stamp
                elif stamp < expected - _RESTART_SECONDS:
                    shift += expected - stamp
                hole = stamp - expected > GAP_SECONDS
                found = (frame.format.name, frame.layout.name, frame.sample_rate)
                if found != layout or hole:  # a resampler knows one kind of sound, and would not see the hole
                    yield from mono(resampler.resample(None), begin)
                    resampler, layout = av.AudioResampler(format="fltp", rate=rate), found
                if hole:
                    yield from silence(stamp - expected, rate, begin)
                    expected = stamp
                expected += frame.samples / frame.sample_rate
                yield from mono(resampler.resample(frame), begin)
            yield from mono(resampler.resample(None), begin)

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
