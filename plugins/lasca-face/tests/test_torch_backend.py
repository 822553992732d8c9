"""The backend torch against MediaPipe itself in mode image: the same faces, the same values."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
import torch
from lasca_face import tflite_graph
from lasca_face.blendshape import Blendshape
from lasca_face.geometry import similarity
from lasca_face.letterbox import letterbox
from lasca_face.options import BlendshapeOptions
from lasca_face.pins import FACE_LANDMARKER, FACE_LANDMARKER_FILE
from lasca_face.pose import head_pose, head_poses
from lasca_face.torch_landmarker import TorchLandmarker
from scipy.spatial.transform import Rotation

from lasca_core.api import Frames, LascaError, PluginError, Track, open_media
from lasca_core.host.options import build
from lasca_core.host.runtime import default_cache, default_offline
from lasca_core.testing import make_runtime


def whole(extractor, source) -> Track:
    return Track.concatenate(list(extractor.stream(source)))


def assert_equal(found: Track, expected: Track) -> None:
    """The goal: blendshapes within 2e-4 on average and 1e-2 at most, the pose within 0.05 degrees and 0.5 mm."""
    assert found.names == expected.names
    assert torch.equal(found.times.cpu(), expected.times)
    assert torch.equal(found.valid.cpu(), expected.valid)
    assert bool(expected.valid.any())
    error = (found.values.cpu() - expected.values)[expected.valid].abs()
    assert error[:, :52].mean() <= 2e-4
    assert error[:, :52].max() <= 1e-2
    assert error[:, 52:55].max() <= 0.05
    assert error[:, 55:].max() <= 0.05


def assert_same_faces(found, expected) -> None:
    """The same faces; convolutions of other batch sizes add up in another order, so there is a rounding."""
    assert [len(faces) for faces in found] == [len(faces) for faces in expected]
    for face, other in zip(chain(*found), chain(*expected), strict=True):
        np.testing.assert_allclose(face.values, other.values, rtol=1e-4, atol=1e-4)
        assert face[1:] == pytest.approx(other[1:], abs=1e-5)


@pytest.fixture(scope="session")
def assert_parity(make, array_source):
    """``assert_parity(images, max_faces=2, ...)``: both backends see the same in these images of one size."""

    def check(images: Sequence[np.ndarray], **options) -> None:
        source = array_source([np.ascontiguousarray(image) for image in images])
        assert_equal(
            whole(make(backend="torch", **options), source), whole(make(backend="mediapipe", **options), source)
        )

    return check


@pytest.fixture(scope="session")
def landmarker(runtime):
    """``landmarker(max_faces=2, ...)``: the networks with these options, on the CPU or another device."""
    model = runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE
    return lambda device="cpu", **options: TorchLandmarker(model, BlendshapeOptions(**options), torch.device(device))


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """A smiling astronaut, 512x512."""
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut())


@pytest.fixture(scope="session")
def crowd(clip_images) -> list[np.ndarray]:
    """Four faces a frame: moments of the clip, tiled two by two."""
    faces = [image[:, 100:380] for image in clip_images[::5]]
    return [np.block([[[a], [b]], [[c], [d]]]) for a, b, c, d in zip(*[iter(faces)] * 4, strict=False)]


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    import cv2

    return cv2.resize(image, (width, height))


def turned(image: np.ndarray, degrees: float, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """``image`` turned counter-clockwise about its middle and moved; what comes into view is black."""
    import cv2

    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    matrix[:, 2] += shift
    return cv2.warpAffine(image, matrix, (width, height))


# --- parity with MediaPipe --------------------------------------------------------------------------------------------


def test_parity_on_the_clip(assert_parity, clip_images):
    assert_parity(clip_images[::4])


@pytest.mark.slow
def test_parity_on_every_frame_of_the_clip(make, clip):
    assert_equal(whole(make(backend="torch"), open_media(clip)), whole(make(backend="mediapipe"), open_media(clip)))


def test_parity_on_a_portrait_upright_turned_and_upside_down(assert_parity, portrait):
    assert_parity([portrait, *(turned(portrait, degrees) for degrees in (-60, -30, 20, 45, 90, 180))])


@pytest.mark.parametrize("size", [(854, 480), (480, 854), (641, 353), (426, 240), (1920, 1080)])
def test_parity_in_frames_of_any_size(assert_parity, clip_images, size):
    assert_parity([resized(image[:, 100:380] if size[0] < size[1] else image, *size) for image in clip_images[::40]])


def test_parity_where_the_face_leaves_the_frame(assert_parity, clip_images):
    assert_parity([turned(clip_images[0], 15 * step, (60 * step, -45 * step)) for step in (-4, -2, -1, 0, 1, 2, 4)])


@pytest.mark.parametrize("options", [{}, {"min_detection": 0.1, "min_presence": 0.1}, {"min_detection": 0.9}])
def test_parity_of_found_and_not_found_as_the_face_grows(assert_parity, clip_images, options):
    frames = []
    for factor in (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.6, 1.0):
        height, width = round(360 * factor), round(480 * factor)
        frame = np.zeros((360, 480, 3), np.uint8)
        frame[:height, :width] = resized(clip_images[0], width, height)
        frames.append(frame)
    assert_parity(frames, **options)


@pytest.mark.parametrize("faces", ["largest", "left", "right", "center"])
def test_parity_of_the_person_chosen_in_a_crowd(assert_parity, crowd, faces):
    assert_parity(crowd, faces=faces)


@pytest.mark.parametrize("max_faces", [2, 3, 4])
def test_as_many_faces_are_found_as_are_looked_for_the_surest_first(landmarker, crowd, runtime, max_faces):
    from lasca_face.landmarker import LandmarkerPool

    options = BlendshapeOptions(max_faces=max_faces)
    pool = LandmarkerPool(runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE, options, 1)
    frames = torch.from_numpy(np.stack(crowd))
    expected = pool.start(Frames(frames, torch.zeros(len(frames), dtype=torch.float64))).get()
    pool.close()
    found = landmarker(max_faces=max_faces).detect([frames])
    assert [len(faces) for faces in found] == [len(faces) for faces in expected] == [max_faces] * len(crowd)
    for face, other in zip(chain(*found), chain(*expected), strict=True):
        assert (face.x, face.y, face.size) == pytest.approx((other.x, other.y, other.size), abs=1e-4)
        np.testing.assert_allclose(face.values[:52], other.values[:52], atol=1e-2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_parity_on_a_gpu(make, array_source, clip_images, crowd):
    on_gpu = make_runtime(default_cache(), device="cuda", offline=default_offline())
    for images in (clip_images, crowd):
        source = array_source([np.ascontiguousarray(image) for image in images])
        track = whole(Blendshape(BlendshapeOptions(), on_gpu), source)  # auto means torch there
        assert track.values.device.type == "cuda"
        assert_equal(track, whole(make(backend="mediapipe"), source))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_host_waits_for_a_gpu_once_a_batch_for_the_number_of_faces(landmarker, crowd, monkeypatch, device):
    networks = landmarker("cuda")
    parts = [torch.from_numpy(np.stack(crowd)).to(device)]
    waits = []
    synchronize = torch.cuda.Event.synchronize
    monkeypatch.setattr(torch.cuda.Event, "synchronize", lambda event: (waits.append(event), synchronize(event))[1])
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")  # any other wait raises
    try:
        found = networks.start(parts)
        assert len(waits) == 1
        frames = found.frames()
        assert len(waits) == 2  # the one download of what was found
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert [len(faces) for faces in frames] == [4] * len(crowd)


# --- shapes and batches -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 5, 32])
def test_batches_do_not_change_a_result(make, array_source, clip_images, batch_size):
    source = array_source(clip_images[:8])
    expected = whole(make(backend="torch", batch_size=8), source)
    track = whole(make(backend="torch", batch_size=batch_size), source)
    torch.testing.assert_close(track.values, expected.values, rtol=1e-4, atol=1e-4)
    assert torch.equal(track.valid, expected.valid)


def test_faces_stay_with_their_frames_where_some_frames_have_none(landmarker, crowd, clip_images):
    black = np.zeros_like(crowd[0])
    one = resized(clip_images[0], *black.shape[1::-1])
    networks = landmarker()
    found = networks.detect([torch.from_numpy(np.stack([black, crowd[0], black, one]))])
    assert [len(faces) for faces in found] == [0, 4, 0, 1]
    for frame, image in ((1, crowd[0]), (3, one)):
        assert_same_faces(found[frame : frame + 1], networks.detect([torch.from_numpy(image[None])]))


def test_frames_without_a_face_are_invalid_and_zero(make, array_source, clip_images):
    black = np.zeros_like(clip_images[0])
    track = whole(make(backend="torch"), array_source([clip_images[0], black, black, clip_images[0]]))
    assert track.valid.tolist() == [True, False, False, True]
    assert bool((track.values[1:3] == 0).all())


def test_after_close_the_extractor_can_be_used_again(make, array_source, clip_images):
    extractor, source = make(backend="torch"), array_source(clip_images[:2])
    extractor.prepare()
    before = whole(extractor, source)
    extractor.close()
    extractor.close()
    assert torch.equal(whole(extractor, source).values, before.values)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 3000), (7, 5)])
def test_tiny_frames_hold_no_face_and_do_no_harm(landmarker, shape):
    assert landmarker().detect([torch.full((2, *shape, 3), 128, dtype=torch.uint8)]) == [[], []]


# --- the parts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(480, 360), (854, 480), (641, 353), (240, 426), (1366, 768), (999, 1001)])
def test_the_detector_reads_the_pixels_that_opencvs_matrix_points_to(size):
    import cv2

    width, height = size
    half = max(size) / 2
    low, high = np.array(size) / 2 - half, np.array(size) / 2 + half
    corners = np.float32([(low[0], high[1]), low, (high[0], low[1]), high])
    matrix = cv2.getPerspectiveTransform(corners, np.float32([(0, 128), (0, 0), (128, 0), (128, 128)]))
    inverse = cv2.invert(matrix)[1]
    x, y = letterbox(height, width, 128)
    for i in (0, 1, 2, 3, 63, 64, 65, 126, 127):
        for j in (0, 1, 62, 64, 101, 127):
            start = inverse[:, 0] * (i // 64 * 64) + inverse[:, 1] * j + inverse[:, 2]
            numerators = start + inverse[:, 0] * (i % 64)
            place = np.rint(numerators[:2] * (32 / numerators[2])) / 32
            assert (x[j * 128 + i].item(), y[j * 128 + i].item()) == tuple(place)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_similarity_is_umeyamas(mirrored):
    random = np.random.default_rng(7)
    source = random.normal(size=(60, 3)) * (7, 8, 3)
    weights = random.uniform(0, 1, 60) * (random.uniform(size=60) > 0.3)
    targets = np.stack(
        [
            0.3 * source @ Rotation.random(random_state=seed).as_matrix().T + (4, -5, -60) + random.normal(size=(60, 3))
            for seed in range(5)
        ]
    ) * ((1, 1, -1) if mirrored else (1, 1, 1))
    rotation, shift, scale = similarity(*(torch.tensor(a, dtype=torch.float32) for a in (source, targets, weights)))
    for n, target in enumerate(targets):
        p = weights / weights.sum()
        a, b = source - p @ source, target - p @ target
        u, s, vt = np.linalg.svd((b * p[:, None]).T @ a)
        sign = np.array([1, 1, np.linalg.det(u @ vt)])
        expected = u @ np.diag(sign) @ vt
        expected_scale = (s * sign).sum() / (p @ (a**2).sum(1))
        np.testing.assert_allclose(rotation[n], expected, atol=1e-4)
        np.testing.assert_allclose(scale[n], expected_scale, rtol=1e-4)
        np.testing.assert_allclose(shift[n], p @ target - expected_scale * expected @ (p @ source), atol=1e-3)


def test_the_poses_of_many_faces_are_the_poses_of_each():
    matrices = np.tile(np.eye(4, dtype=np.float32), (20, 1, 1))
    matrices[:, :3, :3] = Rotation.random(20, random_state=3).as_matrix()
    matrices[:, :3, 3] = np.random.default_rng(3).normal(size=(20, 3))
    np.testing.assert_allclose(
        head_poses(torch.from_numpy(matrices)), [head_pose(matrix) for matrix in matrices], rtol=1e-5, atol=1e-4
    )


def test_an_operator_that_cannot_be_read_is_named(landmarker, monkeypatch):
    monkeypatch.delitem(tflite_graph._READERS, "PRELU")
    with pytest.raises(PluginError, match=r"operator PRELU .* use -o blendshape\.backend=mediapipe"):
        landmarker()


# --- options ----------------------------------------------------------------------------------------------------------


def test_torch_with_mode_video_is_refused():
    with pytest.raises(
        LascaError, match=r"backend = torch has no mode video, .* choose backend = mediapipe or mode = "
    ):
        build(BlendshapeOptions, {"backend": "torch", "mode": "video"}, "blendshape")


@pytest.mark.parametrize(
    ("options", "device", "backend"),
    [
        ({}, "cpu", "mediapipe"),
        ({}, "mps", "mediapipe"),
        ({}, "cuda", "torch"),
        ({"mode": "video"}, "cuda", "mediapipe"),
        ({"backend": "mediapipe"}, "cuda", "mediapipe"),
        ({"backend": "torch"}, "cpu", "torch"),
    ],
)
def test_auto_is_torch_on_a_cuda_device_and_mediapipe_elsewhere(options, device, backend):
    assert BlendshapeOptions(**options).backend_on(device) == backend


def test_the_backend_is_no_part_of_the_identity():
    assert BlendshapeOptions(backend="torch").identity() == BlendshapeOptions().identity()


ALONE = """
import sys
from pathlib import Path
from lasca_face.blendshape import Blendshape
from lasca_face.options import BlendshapeOptions
from lasca_core.host.runtime import default_cache
from lasca_core.testing import make_runtime
Blendshape(BlendshapeOptions(backend="torch"), make_runtime(default_cache())).prepare()
assert not {"mediapipe", "cv2"} & set(sys.modules)
"""


def test_torch_needs_no_mediapipe(runtime):
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
