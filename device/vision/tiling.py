"""The tiles in which a frame is searched: a network with a small input needs it in parts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from device.inference.box import Box

MAX_ASPECT = 3.0  # a longer frame is searched as a whole; no camera gives one
SQUARES_OVERLAP = 0.5  # of their side: a face of half a square is whole in one of them
TILES_OVERLAP = 0.25  # the next coarser tiles take over before that is too small
LEVEL_RATIO = 2.0  # sides of one level of tiles and the next, at most
LARGEST = TILES_OVERLAP * 4 / 3  # of a tile's side: a larger face belongs to the coarser level
TOLERANCE = 1.5  # times the largest: beyond it a box is a false alarm or a part of a face


class Tile(NamedTuple):
    """A part of the frame, and the faces it covers: one not found there is not in view."""

    area: Box
    cell: Box  # of the faces' centres; the cells of one level divide the frame and its surroundings
    from_px: float  # smallest side of such a face
    to_px: float  # its side is below this, pixels of the frame

    def covers(self, box: Box) -> bool:
        """Whether this tile would have found a face in that box."""
        return self._has(box) and self.from_px <= box.mean_side < self.to_px

    def accepts(self, box: Box) -> bool:
        """Whether a face found there counts, or is left to the tile that holds it whole."""
        return self._has(box) and box.mean_side < TOLERANCE * self.to_px

    def _has(self, box: Box) -> bool:
        x, y = box.x + box.width / 2, box.y + box.height / 2
        cell = self.cell
        return cell.x <= x < cell.x + cell.width and cell.y <= y < cell.y + cell.height


def tiles(width: int, height: int, kind: str, tile_px: int) -> list[Tile]:
    """The tiles of a frame, coarse ones first.

    Args:
        width: of the frame, pixels.
        height: of the frame, pixels.
        kind: "whole" is one square around the frame; "squares" are as large as its short side and
            overlap by half; "tiles" are these and smaller ones, down to `tile_px`, that overlap by
            a quarter.
        tile_px: side of the smallest tiles, pixels.
    """
    short, long = sorted((width, height))
    if kind == "whole" or long > MAX_ASPECT * short:
        around = Box((width - long) / 2, (height - long) / 2, long, long)
        return [Tile(around, _everywhere(around), 0.0, math.inf)]
    if kind == "squares":
        return list(_level(width, height, (short, short), SQUARES_OVERLAP, 0.0, math.inf))
    found: list[Tile] = []
    larger = math.inf
    sides = level_sides(short, tile_px)
    for side, smaller in itertools.zip_longest(sides, sides[1:]):
        smallest = smaller * LARGEST if smaller else 0.0
        found += _level(width, height, (side, side), TILES_OVERLAP, smallest, larger)
        larger = smallest
    return found


def level_sides(short: int, tile_px: int) -> list[float]:
    """Sides of the squares of each level, from `short` down to `tile_px`, in equal ratios."""
    if tile_px >= short:
        return [float(short)]
    steps = math.ceil(math.log(short / tile_px, LEVEL_RATIO))
    return [short * (tile_px / short) ** (n / steps) for n in range(steps + 1)]


def whole_and_tiles(width: int, height: int, aspect: float, tile_px: float, smallest: float) -> list[Tile]:
    """The whole frame as one tile, then smaller ones for the faces that are too small in it.

    Args:
        width: of the frame, pixels.
        height: of the frame, pixels.
        aspect: width of a tile by its height.
        tile_px: width of the smaller tiles, pixels; none if the frame is no larger.
        smallest: side of the smallest face that is surely found in the whole, as a share of its
            width; a smaller one is not missed before the smaller tiles are searched.
    """
    long = max(width, height * aspect)
    around = Box((width - long) / 2, (height - long / aspect) / 2, long, long / aspect)
    if tile_px >= long:
        return [Tile(around, _everywhere(around), 0.0, math.inf)]
    border_px = smallest * long
    whole = Tile(around, _everywhere(around), border_px, math.inf)
    return [whole, *_level(width, height, (tile_px, tile_px / aspect), TILES_OVERLAP, 0.0, border_px)]


def _level(
    width: int, height: int, size: tuple[float, float], overlap: float, from_px: float, to_px: float
) -> Iterator[Tile]:
    """Tiles of one width and height that cover the frame, row by row."""
    for y, cell_y, cell_height in _spans(height, size[1], overlap):
        for x, cell_x, cell_width in _spans(width, size[0], overlap):
            yield Tile(Box(x, y, *size), Box(cell_x, cell_y, cell_width, cell_height), from_px, to_px)


def _spans(length: int, side: float, overlap: float) -> list[tuple[float, float, float]]:
    """Along one edge of the frame: start of each square, start and length of its cell."""
    count = 1 + max(0, math.ceil((length / side - 1) / (1 - overlap) - 1e-9))
    step = (length - side) / (count - 1) if count > 1 else 0.0
    starts = [n * step for n in range(count)]
    middles = [(a + b + side) / 2 for a, b in itertools.pairwise(starts)]
    borders = [-float(length), *middles, 2.0 * length]
    return [(start, a, b - a) for start, (a, b) in zip(starts, itertools.pairwise(borders), strict=True)]


def _everywhere(area: Box) -> Box:
    return Box(area.x - area.width, area.y - area.height, 3 * area.width, 3 * area.height)
