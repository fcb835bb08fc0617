"""Measures for how long a camera has repeated one frame: the noise of a sensor never repeats."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable

import numpy as np
from numpy.typing import NDArray

from device.camera.frame import RawFrame

ROWS = 16  # every 16th row is compared first: there the frames of a working camera differ already


def with_still_time(frames: Iterable[RawFrame]) -> Generator[RawFrame, None, None]:
    """The same frames, each with `still_s`: for how long no pixel has changed."""
    last: NDArray[np.uint8] | None = None
    since_s = 0.0
    for frame in frames:
        now_s = time.monotonic()
        if last is None or not _same(frame.image, last):
            since_s = now_s
        last = frame.image
        yield frame._replace(still_s=now_s - since_s)


def _same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return np.array_equal(one[::ROWS], other[::ROWS]) and np.array_equal(one, other)
