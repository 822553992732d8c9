"""The head's pose against scipy's rotations."""

from __future__ import annotations

import numpy as np
import pytest
from lasca_face.pose import head_pose
from scipy.spatial.transform import Rotation


def matrix(pitch: float, roll: float, yaw: float, place: tuple[float, float, float] = (0, 0, -50)) -> np.ndarray:
    """A transformation built the other way round: first pitch, then yaw, then roll, about the camera's fixed axes."""
    transform = np.eye(4, dtype=np.float32)
    transform[:3, :3] = Rotation.from_euler("xyz", [pitch, yaw, roll], degrees=True).as_matrix()
    transform[:3, 3] = place
    return transform


@pytest.mark.parametrize("pose", [(0, 0, 0), (20, 0, 0), (0, -35, 0), (0, 0, 50), (15, -25, 40), (-30, 170, -80)])
def test_angles_come_back_as_they_went_in(pose):
    assert head_pose(matrix(*pose))[:3] == pytest.approx(pose, abs=1e-3)


def test_the_place_is_the_last_column():
    assert head_pose(matrix(5, 6, 7, (1.5, -2.5, -48)))[3:] == (1.5, -2.5, -48)


@pytest.mark.parametrize(
    ("pose", "nose"),
    [((20, 0, 0), (0, -1)), ((0, 0, 20), (1, 0)), ((-20, 0, 0), (0, 1)), ((0, 0, -20), (-1, 0))],
)
def test_positive_pitch_points_the_nose_down_and_positive_yaw_to_the_right_of_the_image(pose, nose):
    towards_viewer = np.array([0, 0, 1])
    right, up, _ = matrix(*pose)[:3, :3] @ towards_viewer
    assert np.sign(np.round([right, up], 6)).tolist() == list(nose)


def test_positive_roll_leans_the_head_to_the_left_of_the_image():
    right, up, _ = matrix(0, 20, 0)[:3, :3] @ np.array([0, 1, 0])
    assert right < 0 < up


def test_rounding_beyond_one_is_no_error():
    transform = matrix(0, 0, 90)
    transform[2, 0] = -1.0000001
    assert head_pose(transform)[2] == pytest.approx(90)
