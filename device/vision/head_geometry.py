"""Pose of the head, openness of eyes and mouth: from the 468 points of MediaPipe's face mesh.

Left and right are those of the picture. Every function takes points (468, 3): x to the right, y
down, z away from the camera, all of one scale.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]

LEFT_EYE_CORNER, RIGHT_EYE_CORNER = 33, 263  # the outer ones
LEFT_SIDE, RIGHT_SIDE = 234, 454  # of the face, in front of the ears
FOREHEAD, CHIN = 10, 152
# Corner, two points of the upper lid, corner, two points of the lower lid.
LEFT_EYE = (33, 160, 158, 133, 153, 144)
RIGHT_EYE = (362, 385, 387, 263, 373, 380)
YAW_GAIN, PITCH_GAIN = 1.6, 1.2  # true angle over the angle of the points
LEVEL_PITCH_DEG = -6.3  # pitch of the points of people who look into the camera, median
UPPER_LIP, LOWER_LIP, LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER = 13, 14, 78, 308  # the inner edge


def roll_deg(points: Points) -> float:
    """Rotation of the head in the picture, degrees, clockwise positive; 0 is upright.

    The angle of the line between the outer corners of the eyes, as in MediaPipe's face mesh, which
    turns its next crop by it (Kartynnik et al. 2019, arXiv:1907.06724).
    """
    across = points[RIGHT_EYE_CORNER] - points[LEFT_EYE_CORNER]
    return math.degrees(math.atan2(across[1], across[0]))


def yaw_deg(points: Points) -> float:
    """Turn of the head to the side, degrees; positive to the right of the picture.

    The angle, in depth, of the line between the sides of the face.
    """
    across = points[RIGHT_SIDE] - points[LEFT_SIDE]
    return math.degrees(math.atan2(across[2], math.hypot(across[0], across[1])))


def pitch_deg(points: Points) -> float:
    """Nod of the head, degrees; positive upwards.

    The angle, in depth, of the line from the top of the forehead to the chin.
    """
    down = points[CHIN] - points[FOREHEAD]
    return -math.degrees(math.atan2(down[2], math.hypot(down[0], down[1])))


class HeadPose(NamedTuple):
    """How a head is held, degrees."""

    yaw_deg: float  # positive to the right of the picture
    pitch_deg: float  # positive upwards
    roll_deg: float  # positive clockwise


def head_pose(points: Points) -> HeadPose:
    """The head's angles towards the camera, in [-90, 90], calibrated.

    The network draws a turned head in too little depth, so its angles are multiplied; and the line
    from forehead to chin leans a little on a head that looks straight ahead. docs/attention.md has
    the measurement of both.
    """
    yaw, pitch = YAW_GAIN * yaw_deg(points), PITCH_GAIN * (pitch_deg(points) - LEVEL_PITCH_DEG)
    return HeadPose(max(-90.0, min(90.0, yaw)), max(-90.0, min(90.0, pitch)), roll_deg(points))


def eye_openness(points: Points) -> float:
    """Eye aspect ratio (Soukupova and Cech 2016), mean of both eyes; about 0.3 open, 0.1 closed."""
    return (_aspect_ratio(points, LEFT_EYE) + _aspect_ratio(points, RIGHT_EYE)) / 2


def mouth_openness(points: Points) -> float:
    """Height of the mouth's opening over its width, at the inner edge of the lips; 0 is closed.

    The measure of eyes, applied to the mouth (Abtahi et al. 2011 for yawns).
    """
    width = _distance(points, LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER)
    return _distance(points, UPPER_LIP, LOWER_LIP) / width if width else 0.0


def _aspect_ratio(points: Points, eye: tuple[int, ...]) -> float:
    corner, upper, upper_too, other_corner, lower_too, lower = eye
    width = _distance(points, corner, other_corner)
    heights = _distance(points, upper, lower) + _distance(points, upper_too, lower_too)
    return heights / (2 * width) if width else 0.0


def _distance(points: Points, one: int, other: int) -> float:
    return float(np.linalg.norm(points[one] - points[other]))
