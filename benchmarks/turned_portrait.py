"""The bundled portrait with its head turned: pictures whose truth is known.

The points of the face in depth come from the landmark network; each triangle between them is drawn
where the turned head has it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from device.demo.clip import PORTRAIT
from device.inference.box import Box
from device.vision import head_geometry
from device.vision.head_geometry import Points
from device.vision.landmarks import LandmarkNetwork

Image = NDArray[np.uint8]

FACE_BOX = Box(172, 57, 112, 140)  # in the portrait, as YuNet frames it
AROUND = ((1.35, 0.5), (2.2, 1.4))  # points beyond the face: distance from its middle, depth behind it
# The edge of the face, from the forehead clockwise.
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)


def load(network: LandmarkNetwork) -> tuple[Image, Points]:
    """The portrait (H, W, 3) BGR, and the points of its face (468, 3)."""
    image = np.asarray(cv2.imread(str(PORTRAIT)), np.uint8)
    roll_deg = head_geometry.roll_deg(network.look(image, FACE_BOX).points)
    return image, network.look(image, FACE_BOX, roll_deg).points.astype(np.float64)


def framed(points: Points) -> Box:
    """The box of a face as a detector frames it, from its points."""
    edge = points[list(OVAL), :2]
    middle = (edge.min(0) + edge.max(0)) / 2
    return Box(
        float(middle[0]) - FACE_BOX.width / 2,
        float(middle[1]) - FACE_BOX.height / 2 - 3,
        FACE_BOX.width,
        FACE_BOX.height,
    )


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> NDArray[np.float64]:
    """From a head that looks ahead: nod, then turn, then tilt; signs as in head_geometry."""
    yaw, pitch, roll = map(math.radians, (yaw_deg, pitch_deg, roll_deg))
    about_x = [[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]]
    about_y = [[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]]
    about_z = [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    return np.asarray(np.array(about_z) @ np.array(about_y) @ np.array(about_x), np.float64)


def turned(image: Image, points: Points, turn: NDArray[np.float64]) -> tuple[Image, Box]:
    """The picture with the head turned by a rotation, (H, W, 3) BGR, and the box of its face."""
    mesh = _with_surroundings(points)
    middle = points.mean(0)
    moved = (mesh - middle) @ turn.T + middle
    out = np.asarray(cv2.GaussianBlur(image, (0, 0), 25), np.uint8)
    triangles = _triangles(mesh[:, :2], image.shape)
    depth = moved[triangles, 2].mean(1)
    for corners in triangles[np.argsort(-depth)]:  # the farthest first
        _draw(image, mesh[corners, :2], out, moved[corners, :2])
    return out, framed(moved[: len(points)])


def _with_surroundings(points: Points) -> Points:
    """The points, and rings of hair and neck around and behind the face."""
    middle = points[list(OVAL)].mean(0)
    rings = [points]
    size = np.linalg.norm(points[454] - points[234]) / 2
    for distance, behind in AROUND:
        ring = middle + distance * (points[list(OVAL)] - middle)
        ring[:, 2] = points[list(OVAL), 2] + behind * size * 0.6
        rings.append(ring)
    return np.concatenate(rings)


def _triangles(flat: Points, shape: tuple[int, ...]) -> NDArray[np.intp]:
    height, width = shape[:2]
    inside = (flat[:, 0] > 1) & (flat[:, 1] > 1) & (flat[:, 0] < width - 1) & (flat[:, 1] < height - 1)
    subdivision = cv2.Subdiv2D((0, 0, width, height))
    for x, y in flat[inside]:
        subdivision.insert((float(x), float(y)))
    found = []
    for corners in np.asarray(subdivision.getTriangleList(), np.float64).reshape(-1, 3, 2):
        if (corners >= 0).all() and (corners < [width, height]).all():
            found.append([int(np.abs(flat - corner).sum(1).argmin()) for corner in corners])
    return np.array(found)


def _draw(image: Image, source: Points, out: Image, target: Points) -> None:
    """One triangle, unless it shows its back."""
    one, other = target[1] - target[0], target[2] - target[0]
    was, was_other = source[1] - source[0], source[2] - source[0]
    if (one[0] * other[1] - one[1] * other[0]) * (was[0] * was_other[1] - was[1] * was_other[0]) <= 0:
        return
    x, y, width, height = cv2.boundingRect(target.astype(np.float32))
    if x < 0 or y < 0 or x + width > out.shape[1] or y + height > out.shape[0]:
        return
    place = np.array([x, y])
    warp = cv2.getAffineTransform(source.astype(np.float32), (target - place).astype(np.float32))
    piece = cv2.warpAffine(image, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, np.round(target - place).astype(np.int32), 255)
    area = out[y : y + height, x : x + width]
    area[mask > 0] = piece[mask > 0]
