"""Boxes: their sizes and overlaps."""

from __future__ import annotations

import pytest

from device.inference.box import Box, iou_matrix, overlap_matrix

BOXES = [Box(0, 0, 10, 10), Box(5, 5, 10, 20), Box(12, 8, 20, 6), Box(3, 3, 0, 0), Box(90, 90, 0.5, 0.5)]


def test_iou_of_two_boxes() -> None:
    one, other = Box(0, 0, 10, 10), Box(5, 5, 10, 10)
    assert one.iou(other) == other.iou(one) == pytest.approx(25 / 175)
    assert one.iou(one) == 1
    assert one.iou(Box(10, 0, 10, 10)) == 0
    assert Box(0, 0, 0, 0).iou(Box(0, 0, 0, 0)) == 0
    assert Box(0, 0, 4, 9).mean_side == 6


def test_overlap_matrix_holds_the_shared_areas() -> None:
    assert overlap_matrix(BOXES[:3], BOXES[:2]).tolist() == [[100, 25], [25, 200], [0, 18]]


def test_iou_matrix_holds_the_iou_of_each_pair() -> None:
    table = iou_matrix(BOXES, BOXES)
    for row, one in zip(table, BOXES, strict=True):
        assert row.tolist() == pytest.approx([one.iou(other) for other in BOXES])
    assert iou_matrix([], BOXES).shape == (0, 5)
    assert iou_matrix(BOXES, []).shape == (5, 0)
