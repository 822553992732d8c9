"""Which of several faces is followed, on made-up places and sizes."""

from __future__ import annotations

import numpy as np
import pytest
from lasca_face.choose import PATIENCE_SECONDS, Chooser, Face


def face(x: float, size: float = 0.2, y: float = 0.0) -> Face:
    return Face(np.zeros(58, dtype=np.float32), x, y, size)


SMALL_LEFT, BIG_RIGHT, MIDDLE = face(-0.3, 0.1), face(0.3, 0.2), face(0.02, 0.08)


@pytest.mark.parametrize(
    ("rule", "expected"), [("largest", BIG_RIGHT), ("left", SMALL_LEFT), ("right", BIG_RIGHT), ("center", MIDDLE)]
)
def test_the_rule_decides_whom_to_begin_with(rule, expected):
    assert Chooser(rule).choose([MIDDLE, SMALL_LEFT, BIG_RIGHT], 0.0) is expected


def test_left_and_right_mean_the_two_largest_faces_not_a_small_one_at_the_edge():
    bystander = face(-0.45, 0.03)
    assert Chooser("left").choose([bystander, SMALL_LEFT, BIG_RIGHT], 0.0) is SMALL_LEFT


def test_a_face_alone_in_the_other_half_is_not_taken_for_the_left_person():
    chooser = Chooser("left")
    assert chooser.choose([face(0.2)], 0.0) is None
    assert chooser.choose([face(0.2), face(-0.2)], 0.04).x == -0.2


def test_the_chosen_face_is_kept_when_another_becomes_larger():
    chooser = Chooser("largest")
    chooser.choose([face(-0.3, 0.20), face(0.3, 0.19)], 0.0)
    assert chooser.choose([face(0.3, 0.30), face(-0.28, 0.19)], 0.04).x == -0.28


def test_a_moving_face_is_followed_across_the_image():
    chooser = Chooser("left")
    chooser.choose([face(-0.3), face(0.3)], 0.0)
    path = [chooser.choose([face(0.3, y=0.3), face(-0.3 + 0.05 * step)], 0.04 * step).x for step in range(1, 10)]
    assert path == pytest.approx([-0.3 + 0.05 * step for step in range(1, 10)])


@pytest.mark.parametrize("other", [face(0.3, 0.2), face(-0.3, 0.45), face(-0.3, 0.08)])
def test_while_the_person_is_out_of_sight_somebody_else_is_not_taken_for_them(other):
    chooser = Chooser("largest")
    chooser.choose([face(-0.3, 0.2)], 0.0)
    assert chooser.choose([other], PATIENCE_SECONDS) is None


def test_the_person_is_recognised_when_they_come_back_soon():
    chooser = Chooser("largest")
    chooser.choose([face(-0.3, 0.2), face(0.3, 0.1)], 0.0)
    assert chooser.choose([], 0.5) is None
    assert chooser.choose([face(0.3, 0.3), face(-0.25, 0.2)], 0.9).x == -0.25


def test_after_a_long_absence_the_choice_begins_anew():
    chooser = Chooser("largest")
    chooser.choose([face(-0.3, 0.2), face(0.3, 0.1)], 0.0)
    chooser.choose([face(0.3, 0.3)], 0.5)
    assert chooser.choose([face(0.3, 0.3)], PATIENCE_SECONDS + 0.1).x == 0.3


def test_no_face_is_no_choice():
    assert Chooser("center").choose([], 0.0) is None
