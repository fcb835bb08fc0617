"""Files that tests hand to the commands."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

LONG_NAME = "x" * 300 + ".png"  # even to ask whether there is such a file is an OSError, also for root


def bare(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def write_picture(path: Path, image: NDArray[np.integer]) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def noise(*shape: int, dtype: type = np.uint8) -> NDArray[np.integer]:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
