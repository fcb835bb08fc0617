"""Angles and openness from points that are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.vision import head_geometry
from device.vision.head_geometry import Points
from device.vision.landmarks import POINTS

PLACES = {  # x, y, z of a head that looks straight ahead, by the index of the mesh
    head_geometry.LEFT_EYE_CORNER: (-45, -30, 0),
    head_geometry.RIGHT_EYE_CORNER: (45, -30, 0),
    head_geometry.LEFT_SIDE: (-70, 0, 40),
    head_geometry.RIGHT_SIDE: (70, 0, 40),
    head_geometry.FOREHEAD: (0, -90, 0),
    head_geometry.CHIN: (0, 90, 0),
}
ABOUT = {"roll": (0, 1), "yaw": (2, 0), "pitch": (1, 2)}  # the plane in which each turns


def head(**turns_deg: float) -> Points:
    points = np.zeros((POINTS, 3))
    for index, place in PLACES.items():
        points[index] = place
    for name, degrees in turns_deg.items():
        one, other = ABOUT[name]
        turn = math.radians(degrees)
        first, second = points[:, one].copy(), points[:, other].copy()
        points[:, one] = math.cos(turn) * first - math.sin(turn) * second
        points[:, other] = math.sin(turn) * first + math.cos(turn) * second
    return points


@given(st.floats(-80, 80), st.floats(0.1, 9), st.floats(-900, 900))
def test_each_angle_alone(degrees: float, scale: float, moved: float) -> None:
    for name in ABOUT:
        points = scale * head(**{name: degrees}) + moved
        angles = [head_geometry.roll_deg(points), head_geometry.yaw_deg(points), head_geometry.pitch_deg(points)]
        wanted = [degrees if name == each else 0.0 for each in ABOUT]
        wanted[1] *= -1  # from x into depth is to the left of the picture
        wanted[2] *= -1
        assert np.abs(angles) == pytest.approx(np.abs(wanted), abs=1e-6)


def test_signs() -> None:
    """Clockwise, to the right of the picture and upwards are positive."""
    points = head()
    points[head_geometry.RIGHT_EYE_CORNER, 1] += 20  # lower in the picture
    assert head_geometry.roll_deg(points) > 0
    points = head()
    points[head_geometry.RIGHT_SIDE, 2] += 20  # farther away
    assert head_geometry.yaw_deg(points) > 0
    points = head()
    points[head_geometry.CHIN, 2] -= 20  # nearer
    assert head_geometry.pitch_deg(points) > 0


@given(st.floats(0, 30))
def test_eyes_and_mouth_open_by_their_height(height: float) -> None:
    points = np.zeros((POINTS, 3))
    for corner, upper, upper_too, other_corner, lower_too, lower in (head_geometry.LEFT_EYE, head_geometry.RIGHT_EYE):
        points[[corner, other_corner], 0] = 0, 30
        points[[upper, upper_too], 0] = points[[lower, lower_too], 0] = 10, 20
        points[[lower, lower_too], 1] = height
    points[head_geometry.RIGHT_MOUTH_CORNER, 0] = 60
    points[head_geometry.LOWER_LIP, :2] = points[head_geometry.UPPER_LIP, :2] = 30, 0
    points[head_geometry.LOWER_LIP, 1] = height
    assert head_geometry.eye_openness(points) == pytest.approx(height / 30)
    assert head_geometry.mouth_openness(points) == pytest.approx(height / 60)


def test_points_in_one_place_give_no_error() -> None:
    nowhere = np.zeros((POINTS, 3))
    for figure in (head_geometry.roll_deg, head_geometry.yaw_deg, head_geometry.pitch_deg):
        assert figure(nowhere) == 0
    assert (head_geometry.eye_openness(nowhere), head_geometry.mouth_openness(nowhere)) == (0, 0)
