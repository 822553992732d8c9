"""Files that are not what they seem, damaged files, and memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lasca_core.api import MediaError, Source, open_media

Write = Callable[..., Path]


def noisy(count: int) -> list[np.ndarray]:
    """Frames that compress badly, so that bytes in the middle of the file are pictures."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(count)]


def frames(source: Source) -> int:
    return sum(len(part) for part in source.frames())


def damaged(path: Path, target: Path, begin: float, end: float, every: int, length: int) -> Path:
    """A copy with ``length`` random bytes written every so many bytes, between two shares of the file."""
    rng = np.random.default_rng(1)
    content = bytearray(path.read_bytes())
    for place in range(int(begin * len(content)), int(end * len(content)) - length, every):
        content[place : place + length] = rng.integers(0, 256, length, np.uint8).tobytes()
    target.write_bytes(content)
    return target


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"absent\.mp4: does not exist") as caught:
        open_media(tmp_path / "absent.mp4")
    assert caught.value.path == tmp_path / "absent.mp4"
    assert caught.value.exit_code == 2


def test_a_missing_sound_file_is_an_error_that_names_it(tmp_path: Path, write_media: Write) -> None:
    video = write_media(tmp_path / "clip.mkv", noisy(2))
    with pytest.raises(MediaError, match=r"absent\.wav: does not exist"):
        open_media(video, audio=tmp_path / "absent.wav")


@pytest.mark.parametrize("name", ["empty.mp4", "empty.wav"])
def test_a_file_of_no_bytes_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(MediaError, match=f"{name}: is empty"):
        open_media(tmp_path / name)


@pytest.mark.parametrize("name", ["text.mp4", "labels.txt", "labels.csv"])
def test_a_text_file_is_an_error_that_names_it_whatever_its_suffix(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("valence,arousal\n0.1,0.2\n" * 200)
    with pytest.raises(MediaError, match=name):
        open_media(tmp_path / name)


def test_an_image_of_which_nothing_can_be_decoded_is_an_error_that_names_it(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(noisy(1)[0]).save(tmp_path / "1.jpg")
    content = (tmp_path / "1.jpg").read_bytes()
    for rest in (content[:20], b"hello", b""):
        (tmp_path / "1.jpg").write_bytes(rest)
        with pytest.raises(MediaError, match=r"1\.jpg"):
            list(open_media(tmp_path).frames())


def test_an_mp4_whose_index_was_never_written_is_an_error_that_names_it(tmp_path: Path, write_media: Write) -> None:
    path = write_media(tmp_path / "clip.mp4", noisy(25))
    cut = tmp_path / "cut.mp4"
    content = path.read_bytes()
    assert content.index(b"moov") > len(content) // 2
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(MediaError, match=r"cut\.mp4"):
        open_media(cut)


def test_a_file_that_ends_early_gives_the_frames_before_its_end(tmp_path: Path, write_media: Write) -> None:
    path = write_media(tmp_path / "clip.mkv", noisy(50))
    cut = tmp_path / "cut.mkv"
    content = path.read_bytes()
    cut.write_bytes(content[: len(content) * 6 // 10])
    assert 25 <= frames(open_media(cut)) <= 32


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".ts", ".mov"])
def test_a_few_damaged_bytes_cost_a_few_frames_at_most(tmp_path: Path, write_media: Write, suffix: str) -> None:
    path = write_media(tmp_path / f"clip{suffix}", noisy(75), codec="mpeg4" if suffix != ".ts" else None)
    source = open_media(damaged(path, tmp_path / f"damaged{suffix}", 0.5, 0.51, every=1 << 30, length=48))
    times = np.concatenate([part.times.numpy() for part in source.frames()])
    assert 70 <= len(times) <= 75
    assert (np.diff(times) > 0).all()
    assert times[-1] == pytest.approx(74 / 25, abs=1e-3)  # what follows the damage keeps its time


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_many_damaged_bytes_are_an_error_that_names_the_file(tmp_path: Path, write_media: Write, suffix: str) -> None:
    tone = np.sin(np.arange(48_000) / 6)[None].astype(np.float32) / 2
    path = write_media(tmp_path / f"clip{suffix}", noisy(75), codec="libx264", sound=tone, sound_codec="aac")
    source = open_media(damaged(path, tmp_path / f"bad{suffix}", 0.1, 0.9, every=300, length=150))
    with pytest.raises(MediaError, match=rf"bad{suffix}: is damaged: \d+ of \d+ video packets"):
        frames(source)
    with pytest.raises(MediaError, match=rf"bad{suffix}: is damaged: \d+ of \d+ audio packets"):
        list(source.audio())


def test_a_stream_of_which_nothing_can_be_decoded_is_an_error_that_names_the_file(
    tmp_path: Path, write_media: Write
) -> None:
    path = write_media(tmp_path / "clip.mp4", noisy(5))
    content = bytearray(path.read_bytes())
    begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"clip\.mp4: is damaged"):
        frames(open_media(path))


def test_tags_that_are_not_utf8_do_not_matter(tmp_path: Path, write_media: Write) -> None:
    path = write_media(tmp_path / "clip.mp4", noisy(5), metadata={"title": "QQQQQQQQ"})
    content = path.read_bytes()
    assert b"QQQQQQQQ" in content
    path.write_bytes(content.replace(b"QQQQQQQQ", b"\xff\xfe\xe9\xe8\xff\xc3(\xa0"))
    assert frames(open_media(path)) == 5


@pytest.mark.parametrize("name", ["a:b.mkv", "100%d.mkv", "tür ü.mkv", "-x.mkv", "a?b=c#d.mkv"])
def test_a_files_name_is_only_a_name(
    tmp_path: Path, write_media: Write, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_media(tmp_path / "clip.mkv", noisy(3)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert frames(open_media(name)) == 3


MEASURE = """
import resource, sys
from lasca_core.api import open_media
source = open_media(sys.argv[1])
print(sum(len(part) for part in source.frames()), sum(len(part.values) for part in source.audio()))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource module")
@pytest.mark.parametrize("count", [3000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_a_recording_many_times_longer_takes_no_more_memory(tmp_path: Path, write_media: Write, count: int) -> None:
    images = [np.full((120, 160, 3), level, np.uint8) for level in range(50, 100)]
    peaks = []
    for total in (200, count):  # 3,000 such frames are 170 MB, 20,000 are 1,150 MB
        sound = np.zeros((1, 16_000 * total // 25), np.float32)
        path = write_media(tmp_path / f"{total}.avi", images * (total // 50), sound=sound)
        answer = subprocess.run(
            [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, timeout=300
        )
        decoded, peak = answer.stdout.strip().split("\n")
        assert decoded == f"{total} {sound.shape[1]}"
        peaks.append(int(peak) / (2**20 if sys.platform == "darwin" else 2**10))
    assert peaks[1] - peaks[0] < 100, f"megabytes: {peaks}"


WITHIN = """
import resource, sys
import torch
from lasca_core.api import open_media
list(open_media(sys.argv[1]).frames(1))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
print(sum(part.images.nbytes for part in open_media(sys.argv[2]).frames()))
"""


@pytest.mark.skipif(
    not Path("/proc/self/statm").is_file(), reason="this system does not tell a process's address space"
)
def test_a_video_larger_than_memory_is_read_to_its_end(tmp_path: Path) -> None:
    import av

    image = np.full((1080, 1920, 3), 128, np.uint8)
    for name, count in (("short", 1), ("long", 400)):
        with av.open(str(tmp_path / f"{name}.avi"), "w") as container:
            stream: Any = container.add_stream("mjpeg", rate=25)
            stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuvj420p"
            (packet,) = stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24"))
            for place in range(count):
                packet.pts = packet.dts = place
                container.mux(packet)
    command = [sys.executable, "-c", WITHIN, str(tmp_path / "short.avi"), str(tmp_path / "long.avi")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert answer.stdout == f"{400 * image.nbytes}\n", answer.stderr  # 2.5 GB of frames in 1 GB of memory
