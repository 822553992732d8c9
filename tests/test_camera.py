"""A camera and a microphone as a recording, with stand-ins for both; and what is said where there is none."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from lasca_core.contract.errors import MediaError
from lasca_core.host.channel import Channel
from lasca_core.steps import camera as devices
from lasca_core.steps.camera import Devices, names_devices, open_camera, open_devices, open_microphone
from lasca_core.steps.feed import Clock, Feed, as_they_come
from lasca_core.steps.media import open_media
from lasca_core.steps.playback import Playback, RealTime


class Hand(Clock):
    """A clock that is turned by hand, and by waiting for it."""

    def __init__(self, start: float = 1000.0) -> None:
        self.time = start
        self.waited: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        self.waited.append(seconds)
        self.time += seconds


class FakeCapture:
    """``cv2.VideoCapture``: so many pictures, one every ``step`` seconds of the clock, and then it is unplugged."""

    def __init__(self, clock: Hand, count: int, step: float = 0.04, *, opened: bool = True) -> None:
        self.clock, self.left, self.step, self.opened = clock, count, step, opened
        self.released = 0

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return self.opened

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.clock.time += self.step
        if not self.left:
            return False, None
        self.left -= 1
        image = np.zeros((4, 6, 3), np.uint8)
        image[..., 0] = 255  # blue, in OpenCV's order
        return True, image

    def release(self) -> None:
        self.released += 1


def everything(parts: Iterator[Any]) -> tuple[list[Any], str]:
    """What comes before the error, and the error."""
    found: list[Any] = []
    with pytest.raises(MediaError) as caught:
        found.extend(parts)
    return found, str(caught.value)


# --- the camera -------------------------------------------------------------------------------------------------------


def test_pictures_have_the_time_of_their_arrival_and_the_usual_order_of_colours() -> None:
    clock = Hand()
    capture = FakeCapture(clock, 5)
    camera = Devices("camera:0", capture, None, clock)
    assert (camera.has_video, camera.has_audio, camera.duration) == (True, False, 0.0)
    parts, error = everything(camera.frames())
    times = [time for part in parts for time in part.times.tolist()]
    assert times == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.20])
    assert parts[0].images[0, 0, 0].tolist() == [0, 0, 255]
    assert error == "camera:0: gives no pictures any more, from 0.2 s on: is it plugged in?"
    assert camera.arrived(0.12) == pytest.approx(1000.12)
    assert camera.arrived(5.0) == clock.time, "it is yet to come"
    camera.close()
    assert capture.released == 1


def test_a_camera_that_is_not_asked_for_pictures_is_released_too() -> None:
    capture = FakeCapture(Hand(), 5)
    Devices("camera", capture, None, Hand()).close()
    assert capture.released == 1


def test_every_reader_gets_all_pictures_it_can_keep_up_with() -> None:
    joined, had = threading.Event(), threading.Event()

    def read(stopped: threading.Event) -> Iterator[int]:
        joined.wait(10)
        yield from range(3)
        had.wait(10)
        yield from range(3, 43)

    feed: Feed[int] = Feed(read, "numbers", 16)
    quick, slow = feed.subscribe(), feed.subscribe()
    joined.set()
    assert [next(quick) for _ in range(3)] == [0, 1, 2]
    had.set()
    feed._thread.join()
    assert list(slow) == list(range(27, 43)), "the newest sixteen"
    assert slow.dropped == 27
    assert feed.dropped == quick.dropped + 27


def test_pictures_come_in_batches_of_what_is_there_and_of_one_size() -> None:
    pictures: Channel[Any] = Channel(16)
    sizes = [4, 4, 4, 4, 4, 8]
    for number, size in enumerate(sizes):
        pictures.put((np.zeros((size, 2, 3), np.uint8), number * 0.1))
    pictures.close()
    parts = list(as_they_come(pictures, 3, None))
    assert [len(part) for part in parts] == [3, 2, 1]
    assert [part.images.shape[1] for part in parts] == [4, 4, 8]


def test_a_lower_rate_takes_the_nearest_pictures() -> None:
    pictures: Channel[Any] = Channel(100)
    for number in range(25):
        pictures.put((np.zeros((2, 2, 3), np.uint8), number * 0.04))
    pictures.close()
    times = [time for part in as_they_come(pictures, 32, 5.0) for time in part.times.tolist()]
    assert times == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])


def test_no_camera_is_one_sentence_that_names_what_else_to_try() -> None:
    if any(Path("/dev").glob("video*")):
        pytest.skip("this machine has a camera")
    with pytest.raises(MediaError, match=r"camera:7: cannot be opened: .*; try --live camera:8, or a file"):
        open_camera("7")


def test_without_opencv_the_line_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MediaError, match="camera:0: needs OpenCV to be read: pip install opencv-python"):
        open_devices("camera")


def test_a_camera_opens_by_number_or_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    cv2 = pytest.importorskip("cv2")
    asked: list[object] = []

    def capture(name: object) -> FakeCapture:
        asked.append(name)
        return FakeCapture(Hand(), 1)

    monkeypatch.setattr(cv2, "VideoCapture", capture)
    level = cv2.utils.logging.getLogLevel()
    for text in ("camera", "camera:2", "camera:rtsp://host/stream"):
        source = open_devices(text)
        assert str(source.path) == str(Path(text))
        source.close()
    assert asked == [0, 2, "rtsp://host/stream"]
    assert cv2.utils.logging.getLogLevel() == level


@pytest.mark.parametrize(
    ("text", "devices_named"),
    [
        ("camera", True),
        ("camera:1", True),
        ("camera:/dev/video2", True),
        ("microphone", True),
        ("microphone:hw:1,0", True),
        ("camera+microphone", True),
        ("camera:1+microphone:hw:1", True),
        ("./camera", False),
        ("camera.mp4", False),
        ("camera+", False),
        ("+microphone", False),
        ("cameramicrophone", False),
        ("", False),
    ],
)
def test_only_words_that_name_devices_are_taken_for_them(text: str, devices_named: bool) -> None:
    assert names_devices(text) is devices_named


# --- the microphone ---------------------------------------------------------------------------------------------------


@pytest.fixture
def tone(write_media: Callable[..., Path], tmp_path: Path) -> Path:
    """Two seconds of a rising tone at 48 kHz."""
    time = np.arange(96_000) / 48_000
    sound = 0.5 * np.sin(2 * np.pi * (200 + 300 * time) * time)
    return write_media(tmp_path / "tone.wav", sound=sound[None].astype(np.float32), sound_rate=48_000)


def test_a_microphone_gives_the_samples_a_file_would(tone: Path) -> None:
    expected = np.concatenate([part.values.numpy() for part in open_media(tone).audio(16_000)])
    heard = Devices("microphone", None, av.open(str(tone)), Hand())
    parts = list(heard.audio(16_000, 30.0))
    assert max(len(part.values) for part in parts) == 1_600, "a tenth of a second at a time"
    assert [part.start for part in parts] == pytest.approx([number / 10 for number in range(len(parts))])
    np.testing.assert_allclose(np.concatenate([part.values.numpy() for part in parts]), expected, atol=1e-6)


def sounds(*starts: float, samples: int = 4_800, rate: int = 48_000) -> Iterator[tuple[av.AudioFrame, float]]:
    """Pieces of 0.1 s of a constant, each with its stamp."""
    for start in starts:
        frame = av.AudioFrame.from_ndarray(np.full((1, samples), 0.5, np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        yield frame, start


def test_a_hole_in_the_sound_is_silence_and_what_follows_keeps_its_time() -> None:
    pieces = list(devices._pieces(sounds(0.0, 0.1, 0.5, 0.6), 48_000))
    heard = np.concatenate([piece for piece, _ in pieces])
    assert len(heard) == pytest.approx(0.7 * 48_000, abs=64)
    assert np.abs(heard[int(0.21 * 48_000) : int(0.49 * 48_000)]).max() == 0
    assert np.abs(heard[int(0.51 * 48_000) : int(0.69 * 48_000)] - 0.5).max() < 1e-3


def test_sound_from_a_crystal_that_runs_ahead_stays_with_the_clock() -> None:
    stamps = [number * 0.0995 for number in range(60)]  # half a percent fast: 0.3 s in a minute's tenth
    heard = sum(len(piece) for piece, _ in devices._pieces(sounds(*stamps), 48_000)) / 48_000
    assert stamps[-1] < heard < stamps[-1] + 0.2


def test_jitter_of_the_stamps_leaves_the_sound_as_it_is() -> None:
    stamps = [number * 0.1 + (0.03 if number % 3 else 0.0) for number in range(20)]
    heard = np.concatenate([piece for piece, _ in devices._pieces(sounds(*stamps), 48_000)])
    assert len(heard) == 20 * 4_800
    assert np.abs(heard - 0.5).max() < 1e-3


def test_picture_and_sound_count_from_one_moment(tone: Path) -> None:
    clock = Hand()
    both = Devices("camera+microphone", FakeCapture(clock, 10), av.open(str(tone)), clock)
    both.expect(2)
    clock.time += 7  # models load
    heard: list[Any] = []
    listener = threading.Thread(target=lambda: heard.append(next(both.audio(16_000))))
    listener.start()
    first = next(both.frames())
    listener.join()
    assert float(first.times[0]) == pytest.approx(0.04)
    assert 0 <= heard[0].start <= clock.time - 1007.0
    assert both.arrived(0.0) == 1007.0
    both.close()


def test_nobody_waits_for_a_reader_that_is_excused_or_for_a_recording_that_is_stopped() -> None:
    clock = Hand()
    camera = Devices("camera", FakeCapture(clock, 3), None, clock)
    camera.expect(2)
    camera.excuse()
    assert len(next(camera.frames())) >= 1
    camera.close()
    stopped = Devices("camera", FakeCapture(clock, 3), None, clock)
    stopped.expect(2)
    stopped.close()
    assert list(stopped.frames()) == []


def test_no_microphone_is_one_sentence() -> None:
    if any(Path("/dev/snd").glob("pcm*c")):
        pytest.skip("this machine has a microphone")
    with pytest.raises(MediaError, match=r"^microphone: cannot be (opened|read)"):
        open_microphone()


def test_a_camera_is_released_where_the_microphone_beside_it_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = FakeCapture(Hand(), 1)

    def fails(name: str | None) -> None:
        raise MediaError("microphone", "is not there")

    monkeypatch.setattr(devices, "open_camera", lambda name: capture)
    monkeypatch.setattr(devices, "open_microphone", fails)
    with pytest.raises(MediaError, match="microphone: is not there"):
        open_devices("camera+microphone")
    assert capture.released == 1


@pytest.mark.parametrize(("system", "words"), [("win32", "dshow"), ("plan9", "any device of this system")])
def test_a_build_without_the_systems_devices_says_so(system: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(av, "formats_available", {"wav"})
    with pytest.raises(MediaError, match=f"microphone: cannot be read: PyAV .* is built without {words}"):
        open_microphone()


# --- files as live recordings -----------------------------------------------------------------------------------------


@pytest.fixture
def talk(write_media: Callable[..., Path], tmp_path: Path) -> Path:
    """A second of picture at 25 frames a second, with sound."""
    images = [np.full((48, 64, 3), 10 * number, np.uint8) for number in range(25)]
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 16_000)).astype(np.float32)
    return write_media(tmp_path / "talk.mov", images, rate=25, sound=sound)


def test_a_played_file_gives_what_the_file_holds_a_little_at_a_time(talk: Path) -> None:
    source = open_media(talk)
    played = Playback(source, Hand())
    parts = list(played.frames(batch=32))
    assert [len(part) for part in parts] == [4, 4, 4, 4, 4, 4, 1]
    whole = next(iter(source.frames(batch=32)))
    assert np.array_equal(np.concatenate([part.images.numpy() for part in parts]), whole.images.numpy())
    sound = list(played.audio())
    assert [len(part.values) for part in sound] == [8_000, 8_000]
    assert played.dropped == 0


def test_a_played_file_knows_when_each_moment_was_read(talk: Path) -> None:
    clock = Hand()
    played = Playback(open_media(talk), clock)
    read = {}
    for part in played.frames():
        read[round(float(part.times[-1]), 2)] = clock.time
        clock.time += 1
    assert played.arrived(0.1) == read[0.12]
    assert played.arrived(0.5) == read[0.60]
    assert played.arrived(99.0) == max(read.values()), "beyond the end, the end"


def test_a_played_file_can_be_stopped(talk: Path) -> None:
    played = Playback(open_media(talk), Hand())
    parts = played.frames()
    next(parts)
    played.close()
    assert list(parts) == []


def test_at_its_own_speed_a_file_is_waited_for_frame_by_frame(talk: Path) -> None:
    clock = Hand()
    played = RealTime(open_media(talk), clock)
    times = [time for part in played.frames() for time in part.times.tolist()]
    assert clock.time - 1000.0 == pytest.approx(0.96)
    assert times[-1] == pytest.approx(0.96)
    assert len(times) + played.dropped == 25
    assert played.arrived(0.5) == pytest.approx(1000.5)


def test_at_its_own_speed_the_sound_is_never_ahead_of_the_clock(talk: Path) -> None:
    clock = Hand()
    played = RealTime(open_media(talk), clock)
    for part in played.audio(16_000):
        assert clock.time - 1000.0 >= part.start + len(part.values) / 16_000 - 1e-9
    assert clock.time - 1000.0 == pytest.approx(1.0)
    before = len(clock.waited)
    clock.time += 60
    assert list(played.audio(16_000))
    assert len(clock.waited) == before, "what is late is not waited for"
    played.close()
