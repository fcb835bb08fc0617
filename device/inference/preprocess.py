"""Preprocessing of trainer and device: pixels in, input tensor out. Nothing else makes tensors.

A face is a square of the frame. `face_square` computes it from a detector's box (the network was
trained on FER2013's framing, which differs from the detector's), `crop_face` cuts it out,
`to_input` scales and `quantise` quantises it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from device.inference.box import Box
from device.inference.model_card import CropMargin, InputSpec


def to_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey picture of a BGR, BGRA or grey one.

    Args:
        image: uint8, (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA.

    Returns:
        uint8 (H, W); ITU-R BT.601 luma.
    """
    import cv2

    if image.ndim == 2:
        return image
    if image.shape[2] == 1:
        return image[:, :, 0]
    code = cv2.COLOR_BGRA2GRAY if image.shape[2] == 4 else cv2.COLOR_BGR2GRAY
    return np.asarray(cv2.cvtColor(image, code), dtype=np.uint8)


def to_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """BGR picture of a BGR, BGRA or grey one.

    Args:
        image: uint8, (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA.

    Returns:
        uint8 (H, W, 3).
    """
    if image.ndim == 3 and image.shape[2] >= 3:
        return image[:, :, :3]
    return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)


def face_square(box: Box, margin: CropMargin, roll_deg: float = 0.0) -> Box:
    """The square around a detector's box that is framed as the training faces are.

    The side is `margin.scale` times the box's mean side; the centre is `margin.up` mean sides above
    the box's.

    Args:
        box: of the face.
        margin: of the model's card.
        roll_deg: rotation of the head, clockwise; "above" is then along its axis. The square itself
            is not turned: `crop_face` does that about its centre.
    """
    side = margin.scale * box.mean_side
    up, roll = margin.up * box.mean_side, math.radians(roll_deg)
    centre_x = box.x + box.width / 2 + math.sin(roll) * up
    centre_y = box.y + box.height / 2 - math.cos(roll) * up
    return Box(centre_x - side / 2, centre_y - side / 2, side, side)


def crop_face(grey: NDArray[np.uint8], square: Box, size: int, roll_deg: float = 0.0) -> NDArray[np.uint8]:
    """Cut a square out of a grey frame and bring it to `size` pixels a side.

    Pixels outside the frame repeat its edge. Shrinking averages the area, growing is bilinear.

    Args:
        grey: uint8 (H, W).
        square: where, in pixels; any position, any size above zero.
        size: side of the result, pixels.
        roll_deg: rotation of the head, clockwise; the square is turned by it about its centre, so
            that the face in the result is upright. 0 cuts without interpolation.

    Returns:
        uint8 (size, size).
    """
    side = max(1, round(square.width))
    if roll_deg:
        return _resized(_turned(grey, square, side, roll_deg), size)
    x, y = round(square.x), round(square.y)
    height, width = grey.shape
    columns = np.clip(np.arange(x, x + side), 0, width - 1)
    rows = np.clip(np.arange(y, y + side), 0, height - 1)
    patch = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if patch.shape != (side, side):
        patch = grey[np.ix_(rows, columns)]
    return _resized(patch, size)


def _resized(patch: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A square patch with `size` pixels a side."""
    import cv2

    side = len(patch)
    if side == size:
        return np.ascontiguousarray(patch)
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(patch, (size, size), interpolation=method), dtype=np.uint8)


def _turned(grey: NDArray[np.uint8], square: Box, side: int, roll_deg: float) -> NDArray[np.uint8]:
    """The pixels of a turned square at the frame's own scale, uint8 (side, side)."""
    import cv2

    middle = (side - 1) / 2  # of the result, in the coordinates of pixel centres
    centre = (square.x + (square.width - 1) / 2, square.y + (square.height - 1) / 2)
    turn = np.asarray(cv2.getRotationMatrix2D(centre, roll_deg, 1.0), np.float64)
    turn[:, 2] += np.subtract(middle, centre)
    turned = cv2.warpAffine(grey, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, dtype=np.uint8)


def to_input(faces: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.float32]:
    """Scale grey faces to the range that the network was trained on.

    Args:
        faces: uint8 (N, S, S).
        spec: the card's input: offset and scale of `(pixel - offset) * scale`.

    Returns:
        float32 (N, S, S, 1).
    """
    scaled = (faces.astype(np.float32) - np.float32(spec.offset)) * np.float32(spec.scale)
    return scaled[..., np.newaxis]


def quantise(values: NDArray[np.float32], scale: float, zero_point: int) -> NDArray[np.int8]:
    """Real values to int8: `round(value / scale) + zero_point`, saturating."""
    packed: NDArray[np.int8] = np.clip(np.rint(values / np.float32(scale)) + zero_point, -128, 127).astype(np.int8)
    return packed


def dequantise(values: NDArray[np.int8], scale: float, zero_point: int) -> NDArray[np.float32]:
    """int8 to real values: `(value - zero_point) * scale`."""
    return (values.astype(np.float32) - zero_point) * np.float32(scale)
