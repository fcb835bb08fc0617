"""Picture files of a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.standard_streams import quiet_decoders
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
    with quiet_decoders():
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if image is None:
        raise DataError(f"{path}: the image cannot be read; it may be truncated.")
    return np.asarray(image, dtype=np.uint8)


def resized(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle square of an image (H, W) with another side, uint8 (side, side)."""
    import cv2

    if image.shape == (side, side):
        return image
    height, width = image.shape
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    method = cv2.INTER_AREA if least > side else cv2.INTER_LINEAR
    square = image[top : top + least, left : left + least]
    return np.asarray(cv2.resize(square, (side, side), interpolation=method), dtype=np.uint8)
