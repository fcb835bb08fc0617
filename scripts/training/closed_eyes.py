"""Closes the eyes of a face in a picture: the lids are stretched over the eyes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from device.vision.head_geometry import Points

# Points of the mesh from corner to corner: left and right eye of the picture.
UPPER_LIDS = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (362, 398, 384, 385, 386, 387, 388, 466, 263))
LOWER_LIDS = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (362, 382, 381, 380, 374, 373, 390, 249, 263))
AROUND = 0.75  # half the side of the part of the picture that is redrawn, in widths of the eye
BROW = 0.44  # height above the corners from which the skin is stretched down, in widths of the eye
THINNEST = 0.02  # what is left of an eye that is closed, in widths of the eye


def close_eyes(image: NDArray[np.uint8], points: Points, closed: float) -> NDArray[np.uint8]:
    """The picture with both upper lids lowered.

    Args:
        image: uint8 (H, W) or (H, W, 3).
        points: of the face, (468, 3), pixels of the image.
        closed: share of the opening that the lids cover, 0 to 1.
    """
    out = image.copy()
    for upper, lower in zip(UPPER_LIDS, LOWER_LIDS, strict=True):
        _close(image, out, np.asarray(points[list(upper), :2]), np.asarray(points[list(lower), :2]), closed)
    return out


def _close(image: NDArray[np.uint8], out: NDArray[np.uint8], upper: Points, lower: Points, closed: float) -> None:
    corner, other = upper[0].astype(float), upper[-1].astype(float)
    width = float(np.linalg.norm(other - corner))
    along = (other - corner) / width
    down = np.array([-along[1], along[0]])
    reach, middle = int(np.ceil(AROUND * width)), (corner + other) / 2
    x0, y0 = np.maximum(np.floor(middle - reach).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(middle + reach).astype(int), [image.shape[1], image.shape[0]])
    y, x = np.mgrid[y0:y1, x0:x1].astype(float)
    place = np.stack([x - corner[0], y - corner[1]], -1)
    u, v = place @ along, place @ down
    lids = _lid(upper, corner, along, down, u), _lid(lower, corner, along, down, u)
    source = _source(u, v, *lids, width, closed)
    there = corner + u[..., None] * along + source[..., None] * down
    drawn = cv2.remap(
        image,
        there[..., 0].astype(np.float32),
        there[..., 1].astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    out[y0:y1, x0:x1] = drawn


def _lid(lid: Points, corner: Points, along: Points, down: Points, u: Points) -> NDArray[np.float64]:
    """Height of a lid below the line of the corners, at each u."""
    place = lid - corner
    order = np.argsort(place @ along)
    return np.asarray(np.interp(u, (place @ along)[order], (place @ down)[order]), np.float64)


def _source(u: Points, v: Points, upper: Points, lower: Points, width: float, closed: float) -> NDArray[np.float64]:
    """From which height each pixel comes: skin above the lid is stretched, the opening squeezed."""
    bow = np.sqrt(np.clip(1 - ((u / width - 0.5) / AROUND) ** 2, 0, 1))
    brow = np.minimum(-BROW * width * bow, upper - 0.1 * width)
    lowered = np.minimum(lower - (1 - closed) * (lower - upper), lower - THINNEST * width)
    source = np.asarray(v, np.float64).copy()
    skin = (v >= brow) & (v < lowered)
    source[skin] = (brow + (v - brow) * (upper - brow) / (lowered - brow))[skin]
    opening = (v >= lowered) & (v <= lower) & (lower > upper)
    source[opening] = (upper + (v - lowered) * (lower - upper) / (lower - lowered))[opening]
    return np.where((u >= 0) & (u <= width), source, v)
