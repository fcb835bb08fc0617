"""Draws faces and ignored areas into a picture, or makes the picture unrecognisable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device.inference.box import Box
from device.vision.ignore_regions import Regions

Colour = tuple[int, int, int]  # BGR

COUNTS: Colour = (80, 220, 80)  # a face whose expression is read
SMALL: Colour = (0, 190, 255)  # found, but too small for that
IGNORED: Colour = (160, 160, 160)
COLUMNS = 32  # of a blurred picture: no face is left at this width


def blur(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The whole picture in squares as wide as 1/32 of it: also a face that nobody found.

    Args:
        image: uint8 (H, W, 3).
    """
    import cv2

    height, width = image.shape[:2]
    rows = max(1, round(COLUMNS * height / width))
    small = cv2.resize(image, (COLUMNS, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def draw_regions(image: NDArray[np.uint8], regions: Regions) -> None:
    """Shade the ignored areas, in place."""
    import cv2

    height, width = image.shape[:2]
    shaded = image.copy()
    outlines = [np.array([(round(x * width), round(y * height)) for x, y in region]) for region in regions]
    for outline in outlines:
        cv2.fillPoly(shaded, [outline], IGNORED)
    image[...] = cv2.addWeighted(image, 0.5, shaded, 0.5, 0)
    for outline in outlines:
        cv2.polylines(image, [outline], True, IGNORED, 2)


def draw_face(image: NDArray[np.uint8], box: Box, colour: Colour, text: str) -> None:
    """A frame around a face and a few words above it, in place."""
    import cv2

    x, y = round(box.x), round(box.y)
    cv2.rectangle(image, (x, y), (round(box.x + box.width), round(box.y + box.height)), colour, 2)
    cv2.putText(image, text, (x, max(12, y - 6)), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
