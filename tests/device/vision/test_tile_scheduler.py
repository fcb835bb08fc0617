"""Every tile of a frame is searched in turn, on each frame as many as there is time for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from device.config.schema import PipelineConfig
from device.inference.box import Box
from device.vision.detection import Detection
from device.vision.tile_scheduler import ROUND_S, TileScheduler
from device.vision.tiling import Tile, tiles, whole_and_tiles
from device.vision.time_budget import Budget
from tests.support.clock import Clock

LOOK_S = 0.010
FRAME = np.zeros((1080, 1920), np.uint8)


class Slow:
    """Searches the tiles of a room; each takes its time."""

    def __init__(self, clock: Clock, parts: list[Tile]) -> None:
        self._clock = clock
        self._parts = parts

    def tiles(self, width: int, height: int) -> list[Tile]:
        return self._parts

    def look(self, image: NDArray[np.uint8], parts: Iterable[Tile]) -> list[Detection]:
        found = []
        for part in parts:
            self._clock.now_s += LOOK_S
            found.append(Detection(part.area, 0.9))
        return found

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        return self.look(image, self.tiles(1920, 1080))


ALL = tiles(1920, 1080, "tiles", 270)
WHOLE_AND_TILES = whole_and_tiles(1920, 1080, 1.25, 686, 0.05)


def watch(
    budget_ms: float | None, frames: int, wanted: list[Box] | None = None, parts: list[Tile] = ALL, fps: float = 15.0
) -> list[list[Tile]]:
    """The tiles that were searched on each frame."""
    clock = Clock()
    budget = Budget(PipelineConfig(budget_ms=budget_ms), clock, lambda: False)
    tile_scheduler = TileScheduler(Slow(clock, parts), budget)
    seen = []
    for n in range(frames):
        budget.begin()
        scan = tile_scheduler.look(FRAME, wanted or [], n / fps)
        assert [found.box for found in scan.detections] == [part.area for part in scan.parts]
        seen.append(scan.parts)
    return seen


def test_without_a_budget_all_tiles_are_searched() -> None:
    assert watch(None, 3) == [ALL] * 3


@pytest.mark.parametrize(("budget_ms", "searches"), [(1.0, 1), (45.0, 2), (112.0, 5)])
def test_the_search_stops_at_its_share_of_the_budget(budget_ms: float, searches: int) -> None:
    everywhere = [Box(part.area.x + 1, part.area.y + 1, part.area.width / 3, part.area.height / 3) for part in ALL]
    counts = [len(parts) for parts in watch(budget_ms, 60, everywhere)]
    assert counts[-1] == searches
    assert min(counts) >= 1


@pytest.mark.parametrize("fps", [1.0, 5.0, 15.0, 30.0])
def test_a_round_takes_its_time_where_no_place_is_wanted_however_much_a_frame_has(fps: float) -> None:
    first, *others = watch(10_000.0, 40, fps=fps)
    assert first == ALL  # at the start nothing is known
    most = len(ALL) if fps < 1 / ROUND_S else math.ceil(len(ALL) / ROUND_S / fps)
    assert {len(parts) for parts in others} == {most}
    frames = math.ceil(ROUND_S * fps)
    assert {part for parts in others[:frames] for part in parts} == set(ALL)


@pytest.mark.parametrize("wanted", [[], [Box(1380, 700, 40, 40)]])
@pytest.mark.parametrize(("budget_ms", "fps"), [(1.0, 15.0), (45.0, 15.0), (10_000.0, 30.0), (10_000.0, 5.0)])
def test_the_whole_frame_is_searched_more_often_and_no_tile_is_forgotten(
    budget_ms: float, fps: float, wanted: list[Box]
) -> None:
    order = [part for parts in watch(budget_ms, 400, wanted, WHOLE_AND_TILES, fps) for part in parts]
    searches = Counter(order[-20 * len(WHOLE_AND_TILES) :])  # 20 each in a fair round
    assert searches[WHOLE_AND_TILES[0]] >= 25
    assert min(searches[part] for part in WHOLE_AND_TILES) >= (6 if wanted else 16)


def test_squares_that_hold_the_frame_between_them_are_searched_together() -> None:
    squares = tiles(1280, 720, "squares", 270)
    assert watch(10_000.0, 10, parts=squares) == [squares] * 10


@pytest.mark.parametrize("budget_ms", [1.0, 45.0, 112.0])
def test_a_round_searches_every_tile_once(budget_ms: float) -> None:
    order = [part for parts in watch(budget_ms, 3 * len(ALL)) for part in parts]
    for start in range(0, len(order) - len(ALL), len(ALL)):
        assert set(order[start : start + len(ALL)]) == set(ALL)


def test_a_wanted_tile_is_searched_on_every_other_frame_and_the_round_goes_on() -> None:
    box = Box(1380, 700, 40, 40)  # in the middle of a tile
    (part,) = [part for part in ALL if part.covers(box) and part.covers(box._replace(x=1420))]
    order = [parts[0] for parts in watch(1.0, 4 * len(ALL), [box])]
    times = [n for n, searched in enumerate(order) if searched == part]
    assert all(after - before <= 2 for before, after in pairwise([0, *times]))
    assert set(order) == set(ALL)


def test_a_scan_result_covers_the_searched_tiles() -> None:
    (parts,) = watch(1.0, 1)
    clock = Clock()
    scan = TileScheduler(Slow(clock, ALL), Budget(PipelineConfig(budget_ms=1.0), clock, lambda: False)).look(FRAME, [])
    assert scan.parts == parts == ALL[:1]
    assert scan.covers(Box(100, 100, 500, 500))
    assert not scan.covers(Box(100, 100, 50, 50))  # too small for the large square
    assert not scan.covers(Box(1700, 100, 200, 500))


@pytest.mark.parametrize("parts", [WHOLE_AND_TILES[:1], WHOLE_AND_TILES])
def test_nothing_is_searched_for_the_interval(parts: list[Tile]) -> None:
    clock = Clock()
    budget = Budget(PipelineConfig(budget_ms=1.0), clock, lambda: False)
    tile_scheduler = TileScheduler(Slow(clock, parts), budget, interval_s=3.0)
    searched = [n for n in range(80) if tile_scheduler.look(FRAME, [], n / 10).parts]
    assert searched == [0, 30, 60]
