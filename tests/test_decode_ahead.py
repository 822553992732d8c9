"""Work done ahead of its consumer: the same results in the same order, bounded, and over when nobody listens."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lasca_core.api import MediaError, open_media
from lasca_core.steps.media.ahead import ahead

Write = Callable[..., Path]


def counted(count: int, closed: list[bool] | None = None) -> Generator[int, None, None]:
    """0, 1, 2, ...; says so when it is closed."""
    try:
        yield from range(count)
    finally:
        if closed is not None:
            closed.append(True)


def workers() -> list[threading.Thread]:
    """The threads that decode or convert."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("lasca-")]


def moving(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


def squares(count: int, limit: int = 3, closed: list[bool] | None = None) -> Iterator[int]:
    return ahead(counted(count, closed), lambda item: 1, lambda item: item * item, limit)


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_all_results_come_in_order() -> None:
    assert list(squares(1000)) == [item * item for item in range(1000)]
    assert list(squares(0)) == []
    assert not workers()


def test_what_is_raised_comes_after_the_results_before_it_and_is_the_same_error() -> None:
    broken = MediaError("talk.mp4", "is damaged")

    def items() -> Generator[int, None, None]:
        yield from range(3)
        raise broken

    results = ahead(items(), lambda item: 1, lambda item: item, 10)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(MediaError, match=r"talk\.mp4: is damaged") as caught:
        next(results)
    assert caught.value is broken
    assert not workers()


def test_an_error_in_the_beginning_of_a_result_reaches_the_consumer_too() -> None:
    results = ahead(counted(5), lambda item: 1, lambda item: 1 // (item - 2), 10)
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


# --- how far ahead ----------------------------------------------------------------------------------------------------


def test_never_more_than_the_limit_is_begun_ahead() -> None:
    asked, begun, most = 0, 0, 0

    def begin(item: int) -> int:
        nonlocal begun, most
        begun += 1
        most = max(most, begun - asked)
        return item

    results = ahead(counted(500), lambda item: 10, begin, 45)
    for expected in range(500):
        asked += 1
        assert next(results) == expected
    assert most <= 4, "four times 10 bytes are under 45, five are not"


def test_a_result_larger_than_the_limit_comes_alone() -> None:
    held: list[int] = []

    def begin(item: int) -> int:
        held.append(item)
        return item

    results = ahead(counted(20), lambda item: 100, begin, 45)
    for expected in range(20):
        assert next(results) == expected
        assert len(held) <= expected + 2  # the one taken, and one that waits


def test_nothing_runs_before_the_first_result_is_asked_for() -> None:
    results = squares(10)
    assert not workers()
    assert next(results) == 0


# --- and when it ends -------------------------------------------------------------------------------------------------


def left_by_break(results: Iterator[int]) -> None:
    for _ in results:
        break


def left_by_error(results: Iterator[int]) -> None:
    with contextlib.suppress(ValueError):
        for _ in results:
            raise ValueError("the model failed")


def left_by_interrupt(results: Iterator[int]) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        for _ in results:
            raise KeyboardInterrupt


def closed_at_once(results: Any) -> None:
    next(results)
    results.close()


@pytest.mark.parametrize("leave", [left_by_break, left_by_error, left_by_interrupt, closed_at_once])
def test_an_iterator_left_early_ends_its_thread_and_closes_its_source(leave: Callable[[Any], None]) -> None:
    closed: list[bool] = []
    results = [squares(10**9, closed=closed)]
    leave(results.pop())
    assert closed == [True]
    assert not workers()


def test_an_iterator_closed_in_another_thread_ends_too() -> None:
    closed: list[bool] = []
    results: Any = squares(10**9, closed=closed)
    next(results)
    (worker,) = workers()
    other = threading.Thread(target=results.close)
    other.start()
    other.join()
    worker.join()
    assert closed == [True]


@pytest.mark.parametrize(("ending", "code"), [("raise SystemExit(3)", 3), ("raise KeyboardInterrupt", -2), ("", 0)])
def test_a_process_that_ends_in_the_middle_of_a_recording_ends(
    tmp_path: Path, write_media: Write, ending: str, code: int
) -> None:
    path = write_media(tmp_path / "clip.avi", moving(200))
    script = (
        "import sys\nfrom lasca_core.api import open_media\n"
        f"batches = open_media(sys.argv[1]).frames(4)\nnext(batches)\n{ending}\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode in (code, 130 if code == -2 else code)
    assert "Fatal" not in done.stderr


# --- recordings -------------------------------------------------------------------------------------------------------


def by_hand(path: Path) -> np.ndarray:
    """Every frame, decoded and converted one after the other."""
    import av

    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("batch", [1, 7, 32, 1000])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
def test_frames_decoded_ahead_equal_frames_decoded_one_by_one(
    tmp_path: Path, write_media: Write, suffix: str, batch: int
) -> None:
    path = write_media(tmp_path / f"clip{suffix}", moving(50))
    batches = list(open_media(path).frames(batch))
    assert [len(part) for part in batches] == [min(batch, 50 - first) for first in range(0, 50, batch)]
    np.testing.assert_array_equal(torch.cat([part.images for part in batches]).numpy(), by_hand(path))
    assert not workers()


def test_two_iterators_over_one_recording_do_not_disturb_each_other(tmp_path: Path, write_media: Write) -> None:
    source = open_media(write_media(tmp_path / "clip.mkv", moving(40)))
    for first, second in zip(source.frames(8), source.frames(8), strict=True):
        torch.testing.assert_close(first.images, second.images, rtol=0, atol=0)
        assert first.times.tolist() == second.times.tolist()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list a process's open files")
def test_a_recording_left_early_is_closed(tmp_path: Path, write_media: Write) -> None:
    path = write_media(tmp_path / "clip.avi", moving(100))
    batches: Any = open_media(path).frames(2)
    next(batches)
    batches.close()
    opened = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
    assert path not in opened
    assert not workers()


def test_a_folders_broken_image_is_an_error_after_the_images_before_it(tmp_path: Path) -> None:
    from PIL import Image

    for number, image in enumerate(moving(6)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    (tmp_path / "4.png").write_bytes(b"no image")
    batches = open_media(tmp_path).frames(batch=2)
    assert [len(next(batches)), len(next(batches))] == [2, 2]
    with pytest.raises(MediaError, match=r"4\.png"):
        next(batches)
    assert not workers()
