"""Several recordings at once, frames of several sizes in one call, and devices whose memory does not suffice."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from lasca_face import blazeface
from lasca_face.blendshape import Blendshape
from lasca_face.images import cut, pack
from lasca_face.options import BlendshapeOptions
from lasca_face.pins import FACE_LANDMARKER, FACE_LANDMARKER_FILE
from lasca_face.torch_finder import TorchFinder
from lasca_face.torch_landmarker import TorchLandmarker

from lasca_core.api import DeviceError, Frames, Track
from lasca_core.host.runtime import SilentReporter, default_cache, default_offline
from lasca_core.testing import make_runtime


def whole(extractor, source) -> Track:
    return Track.concatenate(list(extractor.stream(source)))


def resized(images, width: int, height: int) -> torch.Tensor:
    import cv2

    return torch.from_numpy(np.stack([cv2.resize(image, (width, height)) for image in images]))


@pytest.fixture(scope="module")
def networks(runtime) -> TorchLandmarker:
    return TorchLandmarker(
        runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE, BlendshapeOptions(), torch.device("cpu")
    )


@pytest.fixture
def finder(networks):
    """``finder(batch)``: for the frames of several streams, with a reporter of its own."""
    return lambda batch: TorchFinder(networks, batch, SilentReporter())


class Arrivals(deque):
    """A queue that counts what is put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Semaphore(0)

    def append(self, item: object) -> None:
        super().append(item)
        self.arrived.release()


def batch_of(images: torch.Tensor) -> Frames:
    return Frames(images, torch.arange(len(images), dtype=torch.float64))


def assert_same_faces(found, expected, tolerance: float = 1e-4) -> None:
    """Convolutions of other batch sizes add up in another order, so between them there is a rounding."""
    assert [len(faces) for faces in found] == [len(faces) for faces in expected]
    for faces, others in zip(found, expected, strict=True):
        for face, other in zip(faces, others, strict=True):
            np.testing.assert_allclose(face.values, other.values, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(face[1:], other[1:], rtol=tolerance, atol=tolerance)


# --- frames of several sizes ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sizes(clip_images) -> list[torch.Tensor]:
    """Moments of the clip in four sizes, one of them upright, one without a face."""
    parts = [(clip_images[:3], 480, 360), (clip_images[20:22], 641, 353), (clip_images[40:41], 854, 480)]
    upright = [image[:, 100:380] for image in clip_images[60:62]]
    return [
        *(resized(*part) for part in parts),
        torch.zeros((1, 37, 61, 3), dtype=torch.uint8),
        resized(upright, 300, 386),
    ]


def test_frames_of_several_sizes_in_one_call_give_what_each_size_gives_alone(networks, sizes):
    alone = [faces for part in sizes for faces in networks.detect([part])]
    assert [len(faces) for faces in alone] == [1] * 6 + [0] + [1] * 2
    assert_same_faces(networks.detect(sizes), alone)
    assert_same_faces(networks.detect(sizes[::-1]), [f for part in sizes[::-1] for f in networks.detect([part])])


def test_other_sizes_in_the_same_call_do_not_change_a_bit(networks, sizes):
    parts = [part for part in sizes if part.any()]  # those with a face
    mixed = networks.detect(parts)
    begin = 0
    for part in parts:  # a call of as many frames, all of this one size
        end = begin + len(part)
        around = part[:1].expand(len(mixed), -1, -1, -1).clone()
        around[begin:end] = part
        assert_same_faces(mixed[begin:end], networks.detect([around])[begin:end], tolerance=0)
        begin = end


def test_a_pixel_is_found_at_the_same_place_in_the_buffer_of_all_frames(sizes):
    images = pack(sizes, torch.device("cpu"))
    assert images.sizes == tuple(dict.fromkeys(tuple(part.shape[1:3]) for part in sizes))
    frames = [frame for part in sizes for frame in part]
    for number, frame in enumerate(frames):
        height, width = frame.shape[:2]
        assert (int(images.height[number]), int(images.width[number])) == (height, width)
        assert images.sizes[images.kind[number]] == (height, width)
        first = int(images.first[number])
        assert torch.equal(images.pixels[first : first + height * width], frame.reshape(-1, 3))


@pytest.mark.parametrize(("first", "last"), [(0, 9), (0, 1), (2, 4), (3, 6), (5, 7), (8, 9)])
def test_cutting_out_frames_gives_these_frames(sizes, first, last):
    frames = [frame for part in sizes for frame in part]
    parts = cut(sizes, first, last)
    assert all(len(part) for part in parts)
    kept = [frame for part in parts for frame in part]
    assert all(torch.equal(frame, other) for frame, other in zip(kept, frames[first:last], strict=True))


def test_where_a_face_is_looked_at_does_not_depend_on_the_other_frames_of_a_call(networks, clip_images):
    images = torch.from_numpy(np.stack(clip_images[:13]))

    def seen(frames: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found, regions = networks._detector(pack([frames], torch.device("cpu")))
        return torch.stack([found.float(), *regions], -1)

    together, alone = seen(images), torch.cat([seen(image[None]) for image in images])
    assert torch.equal(together[..., :-1], alone[..., :-1])  # to the last bit
    torch.testing.assert_close(together[..., -1], alone[..., -1], rtol=0, atol=1e-6)  # torch has two arc tangents


@pytest.mark.parametrize("backend", ["mediapipe", "torch"])
def test_frames_may_change_their_size_in_mid_stream(make, array_source, clip_images, sizes, backend):
    class Changing(array_source):
        def frames(self, batch=32, fps=None):
            for number, part in enumerate(sizes):
                yield Frames(part, torch.arange(len(part), dtype=torch.float64) / 25 + number)

    extractor = make(backend=backend)
    track = whole(extractor, Changing(clip_images))
    assert track.valid.tolist() == [True] * 6 + [False] + [True] * 2
    alone = whole(extractor, array_source([image.numpy() for image in sizes[1]]))
    torch.testing.assert_close(track.values[3:5], alone.values, rtol=1e-4, atol=1e-4)
    extractor.close()


def test_letterboxes_stay_with_the_networks_and_only_the_latest_of_them(runtime, monkeypatch):
    monkeypatch.setattr(blazeface, "_SIZES_KEPT", 2)
    detector = TorchLandmarker(
        runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE, BlendshapeOptions(), torch.device("cpu")
    )._detector
    with torch.inference_mode():
        for height in (20, 30, 20, 40):
            detector(pack([torch.zeros((1, height, 50, 3), dtype=torch.uint8)], torch.device("cpu")))
    assert list(detector._letterboxes) == [(30, 50), (40, 50)]


# --- several streams --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["mediapipe", "torch"])
def test_streams_in_several_threads_give_what_each_gives_alone(make, array_source, clip_images, backend):
    # two people in every frame, so that a mixed-up choice would show
    def pair(k: int) -> np.ndarray:
        return np.ascontiguousarray(np.concatenate([clip_images[k][:, 100:380], clip_images[77 - k][:, 100:380]], 1))

    sources = [array_source([pair(k + 3 * number) for k in range(6)]) for number in range(3)]
    sources.append(array_source([image[:200] for image in clip_images[:7]]))
    extractor = make(backend=backend, faces="left", batch_size=4)
    alone = [whole(extractor, source) for source in sources]
    together = threading.Barrier(len(sources))

    def read(source) -> Track:
        together.wait(10)
        return whole(extractor, source)

    with ThreadPoolExecutor(len(sources)) as threads:
        tracks = list(threads.map(read, sources))
    extractor.close()
    assert extractor.concurrent
    for track, expected in zip(tracks, alone, strict=True):
        assert torch.equal(track.valid, expected.valid)
        assert torch.equal(track.times, expected.times)
        torch.testing.assert_close(
            track.values,
            expected.values,
            rtol=0 if backend == "mediapipe" else 1e-4,
            atol=0 if backend == "mediapipe" else 1e-4,
        )


def test_streams_that_begin_at_the_same_time_share_the_networks(runtime, array_source, clip_images, monkeypatch):
    made = []
    create = TorchLandmarker.__init__
    monkeypatch.setattr(TorchLandmarker, "__init__", lambda self, *a: (made.append(self), create(self, *a))[1])
    extractor = Blendshape(BlendshapeOptions(backend="torch"), runtime)
    together = threading.Barrier(4)

    def read(_) -> Track:
        together.wait(10)
        return whole(extractor, array_source(clip_images[:1]))

    with ThreadPoolExecutor(4) as threads:
        tracks = list(threads.map(read, range(4)))
    assert len(made) == 1
    assert all(torch.equal(track.valid, torch.tensor([True])) for track in tracks)


def test_frames_of_several_streams_become_one_call(finder, networks, sizes, monkeypatch):
    calls, begun, go_on = [], threading.Event(), threading.Event()
    start = networks.start

    def watched(parts):
        calls.append([tuple(part.shape[:3]) for part in parts])
        if len(calls) == 1:
            begun.set()
            assert go_on.wait(10)
        return start(parts)

    monkeypatch.setattr(networks, "start", watched)
    shared = finder(32)
    arrivals = shared._joiner._waiting = Arrivals()
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(shared.start, batch_of(sizes[0]))]
        assert begun.wait(10)
        answers += [threads.submit(shared.start, batch_of(part)) for part in sizes[1:4]]
        for _ in sizes[:4]:
            assert arrivals.arrived.acquire(timeout=10)
        go_on.set()
        found = [answer.result().get() for answer in answers]
    assert len(calls) == 2
    assert sorted(calls[1]) == sorted(tuple(part.shape[:3]) for part in sizes[1:4])
    for faces, part in zip(found, sizes, strict=False):
        assert_same_faces(faces, networks.detect([part]))


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_device(networks, monkeypatch):
    """``small_device(5)``: the networks run out of memory with more than five frames; the list of what was tried."""

    def shrink(most: int) -> list[int]:
        tried: list[int] = []
        start = networks.start

        def limited(parts):
            tried.append(sum(map(len, parts)))
            if tried[-1] > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return start(parts)

        monkeypatch.setattr(networks, "start", limited)
        return tried

    return shrink


def test_a_batch_that_needs_too_much_memory_is_halved_and_the_person_is_told(
    finder, networks, clip_images, small_device
):
    images = torch.from_numpy(np.stack(clip_images[:8]))
    expected = networks.detect([images])
    tried = small_device(5)
    shared = finder(8)
    assert_same_faces(shared.start(batch_of(images)).get(), expected)
    assert tried == [8, 4, 4]
    assert shared._report.warnings == ["the device ran out of memory with blendshape.batch_size = 8; going on with 4"]
    assert_same_faces(shared.start(batch_of(images)).get(), expected)
    assert tried == [8, 4, 4, 4, 4]  # the lower number is kept


def test_where_half_a_batch_is_too_much_as_well_the_error_says_what_to_do(make, array_source, clip_images, monkeypatch):
    def full(self, parts):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(TorchLandmarker, "start", full)
    with pytest.raises(DeviceError, match=r"not enough free memory for blendshape\.batch_size = 4; set a lower -o"):
        whole(make(backend="torch", batch_size=8), array_source(clip_images[:8]))


def test_the_landmark_network_never_sees_more_faces_than_a_step_holds(networks, clip_images, monkeypatch):
    faces = [image[:, 100:380] for image in clip_images[:16]]
    crowd = [np.block([[[a], [b]], [[c], [d]]]) for a, b, c, d in zip(*[iter(faces)] * 4, strict=True)]
    images = torch.from_numpy(np.stack(crowd))
    seen = []
    forward = networks._landmarks.forward
    monkeypatch.setattr(networks._landmarks, "forward", lambda *a: (seen.append(len(a[1])), forward(*a))[1])
    monkeypatch.setattr(networks, "_faces_a_step", 16)
    whole_batch = networks.detect([images])
    monkeypatch.setattr(networks, "_faces_a_step", 7)
    in_steps = networks.detect([images])
    assert seen == [16, 7, 7, 2]
    assert_same_faces(in_steps, whole_batch)


# --- on a GPU ---------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_streams_in_threads_and_frames_of_several_sizes_give_what_the_cpu_gives(networks, sizes):
    runtime = make_runtime(default_cache(), device="cuda", offline=default_offline())
    on_gpu = TorchLandmarker(runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE, BlendshapeOptions(), runtime.device)
    shared = TorchFinder(on_gpu, 64, SilentReporter())
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda part: shared.start(batch_of(part)).get(), sizes * 8))
    for faces, part in zip(found, sizes * 8, strict=True):
        assert_same_faces(faces, networks.detect([part]), tolerance=1e-2)
