"""Checks areas of the frame: `device.detector.ignore`."""

from __future__ import annotations

from collections.abc import Sequence

from device.errors import ConfigError

CORNERS = 3  # an area has at least so many


def check_regions(regions: Sequence[Sequence[tuple[float, float]]]) -> None:
    """Check that every area has three corners or more, inside the frame.

    Raises:
        ConfigError: one of them has not.
    """
    for number, corners in enumerate(regions, start=1):
        where = f"device.detector.ignore, area {number}"
        if len(corners) < CORNERS:
            raise ConfigError(f"{where}: it has {len(corners)} corners, but needs {CORNERS}: [[x, y], [x, y], [x, y]].")
        for x, y in corners:
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise ConfigError(
                    f"{where}: the corner [{x:g}, {y:g}] is outside the frame; write shares of its width and height, "
                    "from 0 to 1."
                )
        if _area(corners) == 0:
            raise ConfigError(f"{where}: its corners are on one line, so that nothing is inside.")


def _area(corners: Sequence[tuple[float, float]]) -> float:
    """The area with its sign, by the shoelace formula."""
    following = [*corners[1:], *corners[:1]]
    return sum(x * b - a * y for (x, y), (a, b) in zip(corners, following, strict=True)) / 2
