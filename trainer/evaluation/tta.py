"""Test-time augmentation: the average prediction for several views of a face."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

VIEWS = 10


def ten_views(faces: NDArray[np.uint8], shift_px: int) -> Iterator[NDArray[np.uint8]]:
    """The face, its mirror image, then both shifted towards each corner: ten times uint8 (N, S, S).

    This is ten-crop without the loss of the margin: the border is replicated.
    """
    for down, right in ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)):
        moved = shifted(faces, down * shift_px, right * shift_px)
        yield moved
        yield np.ascontiguousarray(moved[:, :, ::-1])


def shifted(faces: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """Faces (N, S, S) shifted by whole pixels; the border is replicated."""
    side = faces.shape[1]
    rows, columns = (np.clip(np.arange(side) - by, 0, side - 1) for by in (down, right))
    return np.ascontiguousarray(faces[:, rows][:, :, columns])
