"""The extractor `blendshape` against a plain MediaPipe loop, on real faces and on pictures without any."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lasca_face.names import BLENDSHAPES, FEATURES, POSE
from lasca_face.options import BlendshapeOptions
from lasca_face.pins import FACE_LANDMARKER, FACE_LANDMARKER_FILE

from lasca_core.api import LascaError, MediaError, Track, open_media
from lasca_core.host.options import build


def whole(extractor, source) -> Track:
    return Track.concatenate(list(extractor.stream(source)))


@pytest.fixture(scope="module")
def clip_track(make, clip) -> Track:
    return whole(make(), open_media(clip))


@pytest.fixture(scope="module")
def plain_loop(runtime, clip_images):
    """MediaPipe as its guide shows it: one landmarker, one frame after the other, mode image."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    settings = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE)),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    with vision.FaceLandmarker.create_from_options(settings) as task:
        return [task.detect(mediapipe.Image(mediapipe.ImageFormat.SRGB, image)) for image in clip_images]


def test_names_are_mediapipes_own_in_its_order_followed_by_the_pose(plain_loop):
    assert [shape.category_name for shape in plain_loop[0].face_blendshapes[0]] == list(BLENDSHAPES)
    assert (*BLENDSHAPES, "pitch", "roll", "yaw", "x", "y", "z") == FEATURES
    assert len(FEATURES) == 58


def test_the_face_is_found_in_every_frame_of_the_clip(clip_track):
    assert len(clip_track) == 386
    assert bool(clip_track.valid.all())
    assert clip_track.signed == frozenset(POSE)


def test_values_equal_a_plain_mediapipe_loop(make, array_source, clip_images, plain_loop):
    from scipy.spatial.transform import Rotation

    track = whole(make(), array_source(clip_images))
    shapes = np.array([[shape.score for shape in result.face_blendshapes[0]] for result in plain_loop])
    matrices = np.array([result.facial_transformation_matrixes[0] for result in plain_loop])
    angles = Rotation.from_matrix(matrices[:, :3, :3]).as_euler("xyz", degrees=True)  # pitch, yaw, roll; extrinsic axes
    np.testing.assert_allclose(track.values[:, :52], shapes, atol=1e-6)
    np.testing.assert_allclose(track.values[:, 55:], matrices[:, :3, 3], rtol=1e-6)
    np.testing.assert_allclose(track.values[:, [52, 54, 53]], angles, atol=1e-4)


@pytest.mark.parametrize(("workers", "batch_size"), [(1, 32), (3, 32), (2, 1), (2, 50)])
def test_threads_and_batches_do_not_change_a_result(
    make, array_source, clip_images, runtime, monkeypatch, workers, batch_size
):
    source = array_source(clip_images[:24])
    expected = whole(make(), source)
    monkeypatch.setattr(runtime, "workers", workers)
    track = whole(make(batch_size=batch_size), source)
    assert torch.equal(track.values, expected.values)
    assert torch.equal(track.times, expected.times)


def test_the_happy_part_smiles_more_than_the_neutral_one_and_the_angry_one_lowers_the_brows(clip, clip_track):
    with (clip.parent / (clip.stem + ".segments.csv")).open() as file:
        parts = {row["emotion"]: (float(row["start_s"]), float(row["end_s"])) for row in csv.DictReader(file)}

    def mean(emotion: str, *names: str) -> float:
        start, end = parts[emotion]
        rows = (clip_track.times >= start) & (clip_track.times < end)
        columns = [FEATURES.index(name) for name in names]
        return float(clip_track.values[rows][:, columns].mean())

    smile = ("mouthSmileLeft", "mouthSmileRight")
    assert mean("HAP", *smile) > mean("NEU", *smile) + 0.1
    assert mean("ANG", "browDownLeft", "browDownRight") > mean("NEU", "browDownLeft", "browDownRight")


def test_frames_without_a_face_are_invalid_and_zero(make, array_source, clip_images):
    black = np.zeros_like(clip_images[0])
    track = whole(make(), array_source([clip_images[0], black, black, clip_images[0]]))
    assert track.valid.tolist() == [True, False, False, True]
    assert bool((track.values[1:3] == 0).all())


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 3000), (7, 5)])
def test_tiny_frames_hold_no_face_and_do_no_harm(make, array_source, shape):
    track = whole(make(), array_source([np.full((*shape, 3), 128, dtype=np.uint8)]))
    assert track.valid.tolist() == [False]


def test_fps_thins_the_frames_that_are_read(make, clip, clip_track):
    track = whole(make(fps=5.0), open_media(clip))
    assert 63 <= len(track) <= 66
    rows = torch.searchsorted(clip_track.times, track.times - 1e-6)
    assert torch.equal(track.values, clip_track.values[rows])


def test_video_mode_smooths_what_image_mode_measures(make, array_source, clip_images):
    source = array_source(clip_images[:30], rate=6.0)
    image, video = whole(make(), source), whole(make(mode="video"), source)
    assert bool(video.valid.all())
    difference = (video.values - image.values)[:, :52].abs()
    assert 0 < difference.mean() < 0.1


def test_video_mode_accepts_frames_less_than_a_millisecond_apart(make, array_source, clip_images):
    track = whole(make(mode="video"), array_source(clip_images[:4], rate=5000.0))
    assert bool(track.valid.all())


def test_a_mirrored_frame_changes_the_signs_of_roll_yaw_and_x_but_not_of_pitch(make, array_source, clip_images):
    # 10 degrees clockwise first, so that there is a roll that can change its sign
    image = turned(clip_images[0], -10)
    track = whole(make(), array_source([image, np.ascontiguousarray(image[:, ::-1])]))
    here, mirrored = (dict(zip(POSE, row, strict=True)) for row in track.values[:, 52:].tolist())
    assert mirrored["roll"] == pytest.approx(-here["roll"], abs=1)
    assert mirrored["yaw"] == pytest.approx(-here["yaw"], abs=1)
    assert mirrored["x"] == pytest.approx(-here["x"], abs=0.3)
    assert mirrored["pitch"] == pytest.approx(here["pitch"], abs=1)
    assert here["roll"] < -5
    assert here["pitch"] > 5


@pytest.mark.parametrize("degrees", [-10, 10])
def test_turning_the_image_turns_the_roll_by_as_much(make, array_source, clip_images, degrees):
    track = whole(make(), array_source([clip_images[0], turned(clip_images[0], degrees)]))
    change = dict(zip(POSE, (track.values[1] - track.values[0])[52:].tolist(), strict=True))
    assert change["roll"] == pytest.approx(degrees, abs=1)
    assert change["pitch"] == pytest.approx(0, abs=1)
    assert change["yaw"] == pytest.approx(0, abs=1)


def turned(image: np.ndarray, degrees: float) -> np.ndarray:
    """``image`` turned counter-clockwise about its middle."""
    import cv2

    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def test_of_two_people_side_by_side_the_chosen_one_is_measured(make, array_source, clip_images):
    left, right = clip_images[0][:, 100:380], clip_images[36][:, 100:380]  # two moments of the clip as two people
    together = array_source([np.ascontiguousarray(np.concatenate([left, right], axis=1))] * 3)
    x = FEATURES.index("x")
    picked = {rule: whole(make(faces=rule), together) for rule in ("left", "right", "largest", "center")}
    assert all(bool(track.valid.all()) for track in picked.values())
    assert float(picked["left"].values[0, x]) < 0 < float(picked["right"].values[0, x])
    for rule in ("largest", "center"):
        assert any(torch.equal(picked[rule].values, picked[side].values) for side in ("left", "right"))


def test_left_and_right_swap_when_the_image_is_mirrored(make, array_source, clip_images):
    pair = np.concatenate([clip_images[0][:, 100:380], clip_images[36][:, 100:380]], axis=1)
    left = whole(make(faces="left"), array_source([np.ascontiguousarray(pair)]))
    right = whole(make(faces="right"), array_source([np.ascontiguousarray(pair[:, ::-1])]))
    x = FEATURES.index("x")
    assert float(right.values[0, x]) == pytest.approx(-float(left.values[0, x]), abs=0.5)


def test_a_recording_without_video_is_an_error_that_names_it(make, array_source):
    source = array_source([], has_video=False, path=Path("voice.wav"))
    with pytest.raises(MediaError, match=r"voice\.wav: has no video stream, which the extractor blendshape needs"):
        next(make().stream(source))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"faces": "left", "max_faces": 1}, "faces = left needs max_faces of 2 or more"),
        (
            {"faces": "right", "mode": "video"},
            "faces = right needs max_faces of 2 or more, and mode video looks for 1",
        ),
        ({"mode": "stream"}, "mode"),
        ({"max_faces": 0}, "max_faces"),
    ],
)
def test_options_that_cannot_work_are_refused(options, sentence):
    with pytest.raises(LascaError, match=sentence):
        build(BlendshapeOptions, options, "blendshape")


def test_what_only_changes_the_speed_is_no_part_of_the_identity():
    assert BlendshapeOptions(batch_size=1).identity() == BlendshapeOptions(batch_size=64).identity()
    assert BlendshapeOptions(mode="video").identity() != BlendshapeOptions().identity()


QUIET = """
import json, os, sys
from pathlib import Path
from lasca_face.landmarker import LandmarkerPool, without_chatter
from lasca_face.options import BlendshapeOptions
from lasca_core.api import Frames
import torch
assert "mediapipe" not in sys.modules
pool = LandmarkerPool(Path(sys.argv[1]), BlendshapeOptions(), 2)
pool.start(Frames(torch.zeros((4, 64, 64, 3), dtype=torch.uint8), torch.zeros(4, dtype=torch.float64))).get()
pool.close()
with without_chatter():
    os.write(2, b"a line of somebody else\\n")
os.write(2, b"afterwards\\n")
"""


def test_mediapipes_greetings_stay_off_the_terminal_and_other_lines_do_not(runtime):
    model = runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", QUIET, str(model)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.splitlines()) == (0, ["a line of somebody else", "afterwards"])


def test_registration_imports_nothing_heavy():
    code = "import sys, json, lasca_face.plugin as plugin; list(plugin.lasca_register_extractors()); "
    code += "print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "mediapipe", "pydantic"} & set(json.loads(done.stdout))
