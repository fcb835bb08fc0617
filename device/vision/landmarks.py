"""MediaPipe's face landmark network, through LiteRT: is it a face, and where are its parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.inference.box import Box
from device.inference.litert import load_interpreter
from device.inference.preprocess import to_bgr

FILE = Path(__file__).parents[1] / "models" / "face-landmark.tflite"
SIDE = 192  # of its input, pixels
POINTS = 468
FRAMING = 1.5  # side of its input in the frame, in sides of the face's box; as in MediaPipe
# Its output is a logit: -9 to -3 on backs of heads, hands and cloth, above 16 on nine faces of ten
# in real photos (n = 278), up to 8 on a dog. Scaled so that 0.5 lies above the dog.
LOGIT_AT_HALF, LOGIT_SCALE = 8.0, 4.0


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What the network says of one place."""

    presence: float  # of a face, in [0, 1]
    points: NDArray[np.float32]  # (468, 3): x, y in pixels of the frame; z of the same scale, away from the camera


class LandmarkNetwork:
    """The network of MediaPipe's face mesh (Kartynnik et al. 2019, arXiv:1907.06724), loaded.

    Raises:
        ModelError: the vendored file is damaged, or LiteRT is not installed.
    """

    def __init__(self) -> None:
        self._interpreter = load_interpreter(FILE)
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = {int(np.prod(d["shape"])): d["index"] for d in self._interpreter.get_output_details()}
        self._points, self._logit = outputs[3 * POINTS], outputs[1]

    def look(self, image: NDArray[np.uint8], box: Box, roll_deg: float = 0.0) -> Landmarks:
        """Look at one place of a frame.

        Args:
            image: uint8 (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA.
            box: of the face, as a detector frames it.
            roll_deg: rotation of the head as far as known, clockwise; the points are right only
                within about 15 degrees of it.
        """
        to_tensor = _transform(box, roll_deg)
        self._interpreter.set_tensor(self._input, _input_tensor(image, to_tensor)[np.newaxis])
        self._interpreter.invoke()
        logit = float(self._interpreter.get_tensor(self._logit).ravel()[0])
        found = self._interpreter.get_tensor(self._points).reshape(POINTS, 3)
        if not (math.isfinite(logit) and np.isfinite(found).all()):  # a number beyond float16 inside
            return Landmarks(0.0, np.zeros((POINTS, 3), np.float32))
        return Landmarks(_presence(logit), _in_frame(found, to_tensor))


def _presence(logit: float) -> float:
    scaled = (logit - LOGIT_AT_HALF) / LOGIT_SCALE
    return 1.0 / (1.0 + math.exp(-max(-80.0, min(80.0, scaled))))


def _transform(box: Box, roll_deg: float) -> NDArray[np.float64]:
    """From the frame to the input, (2, 3): the square around the box, turned upright."""
    scale = SIDE / (FRAMING * box.mean_side)
    turn = math.radians(roll_deg)
    rotation = scale * np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    centre = np.array([box.x + box.width / 2, box.y + box.height / 2])
    return np.column_stack([rotation, SIDE / 2 - rotation @ centre])


def _input_tensor(image: NDArray[np.uint8], transform: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32 RGB in [0, 1], (192, 192, 3); black outside the frame."""
    import cv2

    square = cv2.warpAffine(image, transform, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    rgb = cv2.cvtColor(to_bgr(np.asarray(square, np.uint8)), cv2.COLOR_BGR2RGB)
    return np.asarray(rgb, np.float32) * np.float32(1 / 255)


def _in_frame(found: NDArray[np.float32], transform: NDArray[np.float64]) -> NDArray[np.float32]:
    """Points of the input as points of the frame."""
    back = np.linalg.inv(transform[:, :2])
    scale = math.sqrt(abs(float(np.linalg.det(back))))
    in_plane = (found[:, :2] - transform[:, 2]) @ back.T
    return np.column_stack([in_plane, scale * found[:, 2]]).astype(np.float32)
