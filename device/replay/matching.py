"""Which detections of a photo are its faces, and which are false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from device.inference.box import Box, iou_matrix, overlap_matrix
from device.replay.truth import PhotoTruth

MIN_WIDTH, MAX_WIDTH = 0.4, 2.0  # of a detection, as a share of the face's width


class Matches(NamedTuple):
    """What the boxes found on a photo are."""

    faces: dict[int, int]  # index of a box -> index of its face; one box a face
    false_alarms: list[int]  # indices of boxes that are no face and touch no ignored place


def match(found: Sequence[Box], truth: PhotoTruth) -> Matches:
    """Compare boxes with the true faces of a photo.

    A box is a face if its centre lies in the true box and its width is .4 to 2 times the true one.
    Of several boxes of one face, that with the largest overlap is taken; the others are false
    alarms.

    Args:
        found: boxes, pixels of the frame.
        truth: of the same frame.
    """
    ious = iou_matrix(found, [face.box for face in truth.faces])
    pairs = [(b, f) for b, box in enumerate(found) for f, face in enumerate(truth.faces) if _is_face(box, face.box)]
    faces: dict[int, int] = {}
    for b, f in sorted(pairs, key=lambda pair: -float(ious[pair])):
        if b not in faces and f not in faces.values():
            faces[b] = f
    touched = overlap_matrix(found, truth.ignored).sum(axis=1) > 0
    return Matches(faces, [b for b in range(len(found)) if b not in faces and not touched[b]])


def _is_face(found: Box, true: Box) -> bool:
    x, y = found.x + found.width / 2, found.y + found.height / 2
    inside = true.x <= x <= true.x + true.width and true.y <= y <= true.y + true.height
    return inside and MIN_WIDTH * true.width <= found.width <= MAX_WIDTH * true.width
