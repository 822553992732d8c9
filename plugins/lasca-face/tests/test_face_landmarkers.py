"""How long MediaPipe's landmarkers live: as long as the extractor in mode image, as long as a stream in mode video."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest
from lasca_face import landmarker

from lasca_core.api import MediaError


@pytest.fixture
def watched(monkeypatch) -> tuple[list[int], list[int]]:
    """Landmarkers that were opened and closed, by their number."""
    opened, closed = [], []
    create, close = landmarker._Landmarker.__init__, landmarker._Landmarker.close
    monkeypatch.setattr(
        landmarker._Landmarker, "__init__", lambda self, *a: (opened.append(id(self)), create(self, *a))[1]
    )
    monkeypatch.setattr(landmarker._Landmarker, "close", lambda self: (closed.append(id(self)), close(self))[1])
    return opened, closed


def read(extractor, source) -> None:
    for _ in extractor.stream(source):
        pass


def test_in_mode_image_the_next_recording_finds_the_landmarkers_ready(make, array_source, clip_images, watched):
    opened, closed = watched
    extractor = make()
    extractor.prepare()
    assert len(opened) == extractor.runtime.workers
    for _ in range(3):
        read(extractor, array_source(clip_images[:2]))
    assert len(opened) == extractor.runtime.workers
    assert not closed
    extractor.close()
    extractor.close()
    assert sorted(closed) == sorted(opened)
    read(extractor, array_source(clip_images[:2]))  # after close() it may be used again
    extractor.close()
    assert len(closed) == len(opened) == 2 * extractor.runtime.workers


def test_in_mode_video_each_recording_has_a_landmarker_that_goes_with_the_stream(
    make, array_source, clip_images, watched
):
    opened, closed = watched
    extractor = make(mode="video", batch_size=4)
    read(extractor, array_source(clip_images[:4]))
    assert closed == opened
    abandoned = extractor.stream(array_source(clip_images[:12]))
    next(abandoned)
    assert (len(opened), len(closed)) == (2, 1)
    abandoned.close()
    assert len(closed) == 2


@pytest.mark.parametrize("mode", ["image", "video"])
def test_an_error_while_decoding_leaves_no_landmarker_behind(make, array_source, clip_images, watched, mode):
    class Damaged(array_source):
        def frames(self, batch=32, fps=None):
            yield from super().frames(batch, fps)
            raise MediaError(self.path, "is damaged")

    opened, closed = watched
    extractor = make(mode=mode)
    with pytest.raises(MediaError, match="is damaged"):
        read(extractor, Damaged(clip_images[:2]))
    extractor.close()
    assert sorted(closed) == sorted(opened) != []


def test_a_landmarker_that_cannot_be_made_closes_those_made_before_it(make, watched, monkeypatch):
    opened, closed = watched
    extractor = make()
    monkeypatch.setattr(extractor.runtime, "workers", 3)
    create = landmarker._Landmarker.__init__

    def fail_the_third_time(self, *arguments):
        if len(opened) == 2:
            raise MemoryError
        create(self, *arguments)

    monkeypatch.setattr(landmarker._Landmarker, "__init__", fail_the_third_time)
    with pytest.raises(MemoryError):
        extractor.prepare()
    assert sorted(closed) == sorted(opened)


def test_an_extractor_that_nobody_closed_closes_its_landmarkers_when_it_is_collected(
    make, array_source, clip_images, watched
):
    opened, closed = watched
    extractor = make()
    read(extractor, array_source(clip_images[:2]))
    gone = weakref.ref(extractor)
    del extractor
    gc.collect()
    assert gone() is None
    assert sorted(closed) == sorted(opened)


LEFT_OPEN = """
import sys
import torch
from lasca_core.api import Frames
from lasca_face import landmarker
from lasca_face.blendshape import Blendshape
from lasca_face.options import BlendshapeOptions
from lasca_core.host.runtime import default_cache
from lasca_core.testing import make_runtime

class Endless:
    path, has_video, has_audio, duration = "endless.mp4", True, False, 0.0
    def frames(self, batch=32, fps=None):
        for number in range(10**9):
            times = torch.arange(4, dtype=torch.float64) + 4 * number
            yield Frames(torch.zeros((4, 64, 64, 3), dtype=torch.uint8), times)

closed, close = [], landmarker._Landmarker.close
def say_so(self):
    close(self)
    closed.append(self)
    print("closed", len(closed), flush=True)
landmarker._Landmarker.close = say_so
held = []
for mode in ("image", "video"):
    extractor = Blendshape(BlendshapeOptions(mode=mode), make_runtime(default_cache()))
    parts = extractor.stream(Endless())
    next(parts)
    held += [extractor, parts]
expected = held[0].runtime.workers + 1
print("expected", expected, flush=True)
if sys.argv[1] == "fail":
    raise RuntimeError("the program fails")
"""


@pytest.mark.parametrize("ending", ["end", "fail"])
def test_python_ends_although_streams_and_landmarkers_were_left_open(runtime, ending):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LEFT_OPEN, ending],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == (1 if ending == "fail" else 0), done.stderr
    assert lines[-1].removeprefix("closed ") == lines[0].removeprefix("expected ")
    assert ending == "fail" or not done.stderr
