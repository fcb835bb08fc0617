"""Leaves out the faces in areas of the frame: `device.detector.ignore`."""

from __future__ import annotations

from collections.abc import Sequence

from device.vision.detection import Detection

Region = Sequence[tuple[float, float]]  # corners, shares of the frame's width and height
Regions = Sequence[Region]


def outside(detections: list[Detection], regions: Regions, shape: tuple[int, ...]) -> list[Detection]:
    """The detections whose middle is in none of the areas.

    Args:
        shape: of the frame: height, width, and channels if it has any.
    """
    return [face for face in detections if not is_ignored(face, regions, shape)] if regions else detections


def is_ignored(face: Detection, regions: Regions, shape: tuple[int, ...]) -> bool:
    """Whether the middle of a face is in one of the areas."""
    x = (face.box.x + face.box.width / 2) / shape[1]
    y = (face.box.y + face.box.height / 2) / shape[0]
    return any(_contains(region, x, y) for region in regions)


def _contains(region: Region, x: float, y: float) -> bool:
    """Whether a point is inside, by the even-odd rule: a ray to the right leaves it once."""
    inside = False
    for (x1, y1), (x2, y2) in zip(region, [*region[1:], region[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside
