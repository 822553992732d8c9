"""A camera, a microphone, or both as one recording that has not ended yet.

Pictures are read by OpenCV and sound by PyAV. Both are stamped on one clock from one origin, the moment the recording
is first read. How long a device keeps a picture to itself before handing it over is not known and not counted.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import MediaError
from lasca_core.steps.feed import PICTURES_WAITING, Beginning, Clock, Feed, Picture, as_they_come
from lasca_core.steps.media.sound import mono, silence, stretches

if TYPE_CHECKING:
    import av
    import numpy as np

    from lasca_core.contract.types import Frames, Samples

    Sound = tuple[av.AudioFrame, float]
    """A piece of sound as the device gives it, and its time in seconds of the recording."""

_SOUND_WAITING = 512
"""Pieces of sound kept for a reader that lags: ten seconds or more, sound being read much faster than it comes."""
_GAP = 0.05
"""Seconds by which sound may be early or late unnoticed, as in a file."""
_STRETCH = 0.1
"""Seconds of sound handed on at a time."""
_MICROPHONES = {
    "linux": (("pulse", "default"), ("alsa", "default")),
    "darwin": (("avfoundation", ":default"),),
    "win32": (("dshow", ""),),
}
"""For each system FFmpeg's input devices that give sound, and what each calls the usual one."""
_DEVICE = re.compile(r"(?:camera(?::(?P<camera>.+?))?)?(?P<both>\+)?(?:(?P<sound>microphone)(?::(?P<microphone>.+))?)?")


def names_devices(text: str) -> bool:
    """Whether ``text`` names devices: ``camera``, ``camera:1``, ``microphone``, ``camera+microphone``, and so on."""
    found = _DEVICE.fullmatch(text)
    if found is None or not text:
        return False
    return bool(found["both"]) == (text.startswith("camera") and found["sound"] is not None)


def open_devices(text: str, clock: Clock | None = None) -> Devices:
    """Open the devices that ``text`` names: ``camera`` or ``camera:NAME``, ``microphone`` or ``microphone:NAME``, or
    one of each joined by ``+``. A camera's name is its number, or whatever else OpenCV opens.

    Raises ``MediaError`` naming the device that is not there.
    """
    found = _DEVICE.fullmatch(text)
    assert found is not None, "ask names_devices first"
    camera = open_camera(found["camera"] or "0") if text.startswith("camera") else None
    try:
        microphone = open_microphone(found["microphone"]) if found["sound"] else None
    except BaseException:
        if camera is not None:
            camera.release()
        raise
    return Devices(text, camera, microphone, clock or Clock())


def open_camera(name: str) -> Any:
    """The ``cv2.VideoCapture`` of a camera. Raises ``MediaError`` if it is not there or OpenCV is not installed."""
    label = f"camera:{name}"
    try:
        import cv2
    except ImportError:
        raise MediaError(label, "needs OpenCV to be read: pip install opencv-python") from None
    log = cv2.utils.logging
    level = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_SILENT)  # each backend that finds no camera would say so at length
    try:
        capture = cv2.VideoCapture(int(name) if name.isdecimal() else name)
    finally:
        log.setLogLevel(level)
    if not capture.isOpened():
        capture.release()
        other = f"camera:{int(name) + 1}" if name.isdecimal() else "camera:0"
        raise MediaError(
            label,
            f"cannot be opened: there is no such camera, another program holds it, or access is not allowed; "
            f"try --live {other}, or a file: --live talk.mp4",
        )
    return capture


def open_microphone(name: str | None = None) -> av.container.InputContainer:
    """The open sound device of that ``name``, by default the system's usual one.

    Raises ``MediaError`` if it cannot be opened, or this build of PyAV cannot read this system's devices.
    """
    import av

    label = f"microphone:{name}" if name else "microphone"
    known = _MICROPHONES.get(sys.platform, ())
    usable = [(kind, name or usual) for kind, usual in known if kind in av.formats_available]
    if not usable:
        wanted = " or ".join(kind for kind, _ in known) or "any device of this system"
        raise MediaError(label, f"cannot be read: PyAV {av.__version__} is built without {wanted}")
    problems = []
    for kind, device in usable:
        if not device:
            raise MediaError(label, "must be named as Windows lists it: --live 'microphone:Microphone (USB Audio)'")
        try:
            container = av.open(f"audio={device}" if kind == "dshow" else device, format=kind)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            problems.append(f"{kind}: {getattr(error, 'strerror', None) or error}")
            continue
        if container.streams.audio:
            return container
        container.close()
        problems.append(f"{kind}: it gives no sound")
    hint = (
        "; PyAV's own build looks for ALSA's settings in the wrong place unless ALSA_CONFIG_PATH names them "
        "(/usr/share/alsa/alsa.conf)"
        if ("alsa", name or "default") in usable
        else ""
    )
    raise MediaError(label, f"cannot be opened ({', '.join(problems)}){hint}")


class Devices:
    """An open camera and an open microphone, or one of them, as a recording. Implements ``LiveSource``.

    A model that lags behind gets the newest pictures, and the others are dropped and counted, so that it never lags by
    more than a moment. Sound that could not be kept becomes silence, so that what follows keeps its time.
    """

    live = True

    duration = 0.0

    def __init__(
        self, name: str, camera: Any | None, microphone: av.container.InputContainer | None, clock: Clock
    ) -> None:
        self.path = Path(name)
        self.has_video = camera is not None
        self.has_audio = microphone is not None
        self._closed = threading.Event()
        self._beginning = Beginning(clock)
        self._pictures: Feed[Picture] | None = None
        self._sound: Feed[Sound] | None = None
        if camera is not None:
            self._pictures = Feed(
                lambda stopped: self._seen(camera, stopped), "camera", PICTURES_WAITING, camera.release
            )
        if microphone is not None:
            self._sound = Feed(
                lambda stopped: self._heard(microphone, stopped), "microphone", _SOUND_WAITING, microphone.close
            )

    @property
    def dropped(self) -> int:
        """Pictures and pieces of sound that came faster than they were read."""
        return sum(feed.dropped for feed in (self._pictures, self._sound) if feed is not None)

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """Pictures as they come; see ``Source.frames``."""
        if self._pictures is None:
            raise MediaError(self.path, "is no camera; use --live camera+microphone")
        pictures = self._pictures.subscribe()
        self._beginning.join(self._closed)
        return as_they_come(pictures, batch, fps)

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Sound as it comes; see ``Source.audio``."""
        if self._sound is None:
            raise MediaError(self.path, "is no microphone; use --live camera+microphone")
        heard = self._sound.subscribe()
        self._beginning.join(self._closed)
        return stretches(_pieces(heard, rate), rate, max(1, round(rate * min(seconds, _STRETCH))))

    def expect(self, readers: int) -> None:
        """The recording begins when so many have asked for picture or sound."""
        self._beginning.expect(readers)

    def excuse(self) -> None:
        """Wait for one reader less."""
        self._beginning.excuse()

    def arrived(self, moment: float) -> float:
        """When ``moment`` was."""
        return self._beginning.arrived(moment)

    def close(self) -> None:
        """Switch off."""
        self._closed.set()
        for feed in (self._pictures, self._sound):
            if feed is not None:
                feed.close()

    def _seen(self, camera: Any, stopped: threading.Event) -> Iterator[Picture]:
        import numpy as np

        self._beginning.wait(stopped)
        last = -1.0
        while not stopped.is_set():
            given, image = camera.read()
            now = self._beginning.elapsed()
            if not given:
                raise MediaError(self.path, f"gives no pictures any more, from {now:.1f} s on: is it plugged in?")
            last = max(now, last + 1e-6)  # times must ascend, whatever the clock's grain
            yield np.ascontiguousarray(image[..., ::-1]), last  # OpenCV's order is blue, green, red

    def _heard(self, microphone: av.container.InputContainer, stopped: threading.Event) -> Iterator[Sound]:
        """The device's own stamps, which hold still where this thread is late, moved to the common origin."""
        import av

        shift: float | None = None
        self._beginning.wait(stopped)
        try:
            for frame in microphone.decode(audio=0):
                if stopped.is_set():
                    return
                now = self._beginning.elapsed() - frame.samples / frame.sample_rate
                stamp = now if frame.time is None else frame.time
                shift = max(0.0, now) - stamp if shift is None else shift
                yield frame, stamp + shift
        except av.error.FFmpegError as error:
            raise MediaError(self.path, f"gives no sound any more ({error.strerror}): is it plugged in?") from None


def _pieces(heard: Iterable[Sound], rate: int) -> Iterator[tuple[np.ndarray, float]]:
    """Consecutive mono pieces at ``rate`` Hz; beside each when the first of them began.

    A hole is filled with silence; sound that the stamps say has been had already, because the device's crystal runs
    ahead of the clock, is left out. Either way sound and picture stay together for hours.
    """
    import av

    resampler = av.AudioResampler(format="fltp", rate=rate)
    begin = expected = None
    for frame, stamp in heard:
        if begin is None or expected is None:
            begin = expected = stamp
        if stamp < expected - _GAP:
            continue
        if stamp > expected + _GAP:
            yield from mono(resampler.resample(None), begin)
            resampler = av.AudioResampler(format="fltp", rate=rate)
            yield from silence(stamp - expected, rate, begin)
            expected = stamp
        expected += frame.samples / frame.sample_rate
        yield from mono(resampler.resample(frame), begin)
    if begin is not None:
        yield from mono(resampler.resample(None), begin)
