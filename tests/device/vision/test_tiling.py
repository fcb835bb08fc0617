"""The tiles of a frame: they cover all of it, and exactly one is responsible for each face."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.inference.box import Box
from device.vision.tiling import LARGEST, MAX_ASPECT, level_sides, tiles

sizes = st.integers(1, 3000)
kinds = st.sampled_from(["squares", "whole", "tiles"])


@given(sizes, sizes, kinds, st.integers(150, 4096))
def test_every_level_covers_the_whole_frame(width: int, height: int, kind: str, tile_px: int) -> None:
    parts = tiles(width, height, kind, tile_px)
    for side in {part.area.width for part in parts}:
        squares = [part.area for part in parts if part.area.width == side]
        assert min(s.x for s in squares) <= 1e-9
        assert min(s.y for s in squares) <= 1e-9
        assert max(s.x + s.width for s in squares) >= width - 1e-6
        assert max(s.y + s.height for s in squares) >= height - 1e-6


@given(sizes, sizes, kinds, st.integers(150, 4096), st.floats(0, 1), st.floats(0, 0.999), st.floats(1, 3000))
def test_one_tile_covers_a_face_and_shows_most_of_it(
    width: int, height: int, kind: str, tile_px: int, x: float, y: float, side: float
) -> None:
    centre_x, centre_y = min(x, 0.999) * width, y * height
    box = Box(centre_x - side / 2, centre_y - side / 2, side, side)
    (part,) = [part for part in tiles(width, height, kind, tile_px) if part.covers(box)]
    square = part.area
    assert square.x - 1e-6 <= centre_x <= square.x + square.width + 1e-6
    assert square.y - 1e-6 <= centre_y <= square.y + square.height + 1e-6
    if kind == "tiles" and side < 0.25 * square.width:  # a quarter of it is what two neighbours share
        seen = Box(max(box.x, 0), max(box.y, 0), *(min(box.x + side, width) - max(box.x, 0), 1))
        assert square.x - 1e-6 <= seen.x and seen.x + seen.width <= square.x + square.width + 1e-6


def test_the_squares_of_a_camera_overlap_by_half() -> None:
    starts = [part.area.x for part in tiles(1280, 720, "squares", 192)]
    assert starts == [0, 280, 560]
    assert [part.cell.x for part in tiles(640, 480, "squares", 192)] == [-640, 320]


def test_the_levels_of_a_room() -> None:
    assert [round(side) for side in level_sides(1080, 192)] == [1080, 607, 341, 192]
    assert level_sides(480, 480) == level_sides(480, 4000) == [480.0]
    parts = tiles(1920, 1080, "tiles", 192)
    assert len(parts) == 151
    assert (parts[0].area.width, parts[0].to_px) == (1080, math.inf)
    assert (parts[-1].area.width, parts[-1].from_px) == (192, 0)
    assert parts[-1].to_px == pytest.approx(192 * LARGEST)


def test_a_long_frame_is_searched_as_a_whole() -> None:
    (part,) = tiles(3100, 1000, "tiles", 192)
    assert part.area == Box(0, -1050, 3100, 3100)
    assert len(tiles(int(1000 * MAX_ASPECT), 1000, "squares", 192)) == 5


def test_a_tile_accepts_a_slightly_larger_face_but_not_one_of_its_neighbours() -> None:
    part = tiles(1920, 1080, "tiles", 192)[-1]
    assert part.accepts(Box(1850, 1010, 90, 90)) and not part.covers(Box(1850, 1010, 90, 90))
    assert not part.accepts(Box(1810, 980, 100, 100))
    assert not part.accepts(Box(1700, 1000, 20, 20))
