"""Test-time augmentation: several views of one face, whose readings are averaged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

VIEWS = 10


def ten_views(faces: NDArray[np.uint8], shift_px: int) -> Iterator[NDArray[np.uint8]]:
    """The face, its mirror image, then both moved towards each corner: ten times uint8 (N, S, S).

    This is ten-crop without its loss of the margin: past its edge a face repeats it.
    """
    for down, right in ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)):
        moved = shifted(faces, down * shift_px, right * shift_px)
        yield moved
        yield np.ascontiguousarray(moved[:, :, ::-1])


def shifted(faces: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """Faces (N, S, S) moved by whole pixels; the edge is repeated."""
    side = faces.shape[1]
    rows, columns = (np.clip(np.arange(side) - by, 0, side - 1) for by in (down, right))
    return np.ascontiguousarray(faces[:, rows][:, :, columns])
