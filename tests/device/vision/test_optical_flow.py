"""Boxes move with the image, and are lost where the flow is unknown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.inference.box import Box
from device.vision.optical_flow import FlowTracker

Grey = NDArray[np.uint8]


def texture(seed: int, width: int, height: int, cell: int = 8) -> Grey:
    """Soft blobs of about `cell` pixels."""
    noise = np.random.default_rng(seed).integers(0, 255, (height // cell + 2, width // cell + 2), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def frame(places: list[tuple[float, float]], side: int, width: int = 640, height: int = 480) -> Grey:
    """Patches on a background of their own."""
    picture = texture(0, width, height, 60)
    for n, (x, y) in enumerate(places):
        shift = np.array([[1, 0, x], [0, 1, y]], np.float64)
        patch = np.asarray(cv2.warpAffine(texture(n + 1, side, side), shift, (width, height)), np.uint8)
        mask = cv2.warpAffine(np.full((side, side), 255, np.uint8), shift, (width, height))
        picture = np.where(np.asarray(mask) > 127, patch, picture)
    return picture


@pytest.mark.parametrize(("width", "height", "side"), [(640, 480, 60), (1920, 1080, 60), (1920, 1080, 200)])
def test_boxes_follow_their_faces_for_a_second(width: int, height: int, side: int) -> None:
    flow_tracker = FlowTracker()
    speeds = [(0.3, 0.0), (-2.5, 4.0), (0.06 * side, -0.03 * side)]
    starts = [(60.0, 200.0), (220.0, 30.0), (300.0, 250.0)]
    boxes: list[Box | None] = [Box(x, y, side, side) for x, y in starts]
    for n in range(16):
        places = [(x + n * dx, y + n * dy) for (x, y), (dx, dy) in zip(starts, speeds, strict=True)]
        flow_tracker.add_frame(frame(places, side, width, height))
        if n:
            boxes = flow_tracker.follow([box for box in boxes if box is not None])
    assert len(boxes) == 3
    for box, (x, y) in zip(boxes, places, strict=True):
        assert box is not None
        assert box.iou(Box(x, y, side, side)) > 0.8
        assert (box.width, box.height) == (side, side)


def test_a_face_that_is_gone_is_lost() -> None:
    flow_tracker = FlowTracker()
    flow_tracker.add_frame(frame([(100, 100)], 80))
    flow_tracker.add_frame(texture(99, 640, 480, 5))
    assert flow_tracker.follow([Box(100, 100, 80, 80)]) == [None]


def test_a_face_that_leaves_the_frame_is_lost() -> None:
    flow_tracker = FlowTracker()
    box: Box | None = Box(20, 200, 60, 60)
    steps = 0
    for n in range(20):
        flow_tracker.add_frame(frame([(20.0 - 5 * n, 200)], 60))
        if n and box is not None:
            (box,) = flow_tracker.follow([box])
            steps += box is not None
    assert box is None
    assert 3 <= steps <= 11


def test_without_a_frame_before_every_box_is_lost() -> None:
    flow_tracker, boxes = FlowTracker(), [Box(10, 10, 50, 50)] * 2
    assert flow_tracker.follow(boxes) == [None, None]
    flow_tracker.add_frame(texture(1, 640, 480))
    assert flow_tracker.follow(boxes) == [None, None]
    flow_tracker.add_frame(texture(1, 320, 240))  # the camera changed its size
    assert flow_tracker.follow(boxes) == [None, None]
    assert flow_tracker.follow([]) == []


def test_a_frame_may_be_overwritten_after_add_frame() -> None:
    flow_tracker, shared = FlowTracker(), frame([(100, 100)], 80)
    flow_tracker.add_frame(shared)
    shared[:] = frame([(104, 100)], 80)
    flow_tracker.add_frame(shared)
    (box,) = flow_tracker.follow([Box(100, 100, 80, 80)])
    assert box is not None and box.x == pytest.approx(104, abs=0.5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (20, 20)])
def test_frames_of_any_size_are_accepted(shape: tuple[int, int]) -> None:
    flow_tracker = FlowTracker()
    for _ in range(2):
        flow_tracker.add_frame(np.zeros(shape, np.uint8))
    assert len(flow_tracker.follow([Box(-5, -5, 10, 10), Box(0, 0, 900, 900)])) == 2
