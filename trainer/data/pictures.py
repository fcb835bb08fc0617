"""Picture files of a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DataError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm")


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Read an image file in grey, uint8 (H, W).

    Python opens the file: OpenCV crashes on a name that is not UTF-8.

    Raises:
        DataError: it cannot be read.
    """
    import cv2

    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DataError(f"{path}: the image cannot be read: {error.strerror}.") from error
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if image is None:
        raise DataError(f"{path}: the image cannot be read; it may be truncated.")
    return np.asarray(image, dtype=np.uint8)
