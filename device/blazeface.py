"""The two BlazeFace networks of MediaPipe, and what they see in one square of a frame."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.litert import load_interpreter
from device.preprocess import Box

MODELS = Path(__file__).parent / "models"


class Make(NamedTuple):
    """Which network: its file, the side of its input, its anchors, and how it frames a face."""

    file: Path
    side: int  # pixels
    strides: tuple[tuple[int, int], ...]  # stride, anchors at each cell
    scale: float  # brings its boxes to the framing that the crop margin of a card is measured with
    down: float  # in sides of its box


# FER2013's crops in 1080p frames, 48-64 px, n = 128: the room network's box has .90 of the crop's side and its centre
# at .555 of the crop's height; the near one's .845 and .586, to which the crop margin of a card belongs.
MAKES = {
    "near": Make(MODELS / "face.tflite", 128, ((8, 2), (16, 6)), 1.0, 0.0),
    "room": Make(MODELS / "face-room.tflite", 192, ((4, 1),), 0.845 / 0.90, (0.586 - 0.555) / 0.90),
}


class BlazeFace:
    """One of the networks, loaded.

    Raises:
        ModelError: the vendored file is damaged, or LiteRT is not installed.
    """

    def __init__(self, make: Make) -> None:
        self._make = make
        self._interpreter = load_interpreter(make.file)
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = {int(d["shape"][-1]): d["index"] for d in self._interpreter.get_output_details()}
        self._boxes, self._scores = outputs[16], outputs[1]
        self._anchors = anchors(make.side, make.strides)

    def look(self, bgr: NDArray[np.uint8], square: Box, min_score: float) -> NDArray[np.float64]:
        """What the network sees in one square: (n, 5) of x, y, width, height in pixels of the frame, and score."""
        side = self._make.side
        self._interpreter.set_tensor(self._input, _shown(bgr, square, side)[np.newaxis])
        self._interpreter.invoke()
        logits = self._interpreter.get_tensor(self._scores)[0, :, 0]  # (A,)
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64), -80, 80)))
        raw = self._interpreter.get_tensor(self._boxes)[0, :, :4] / side  # centre seen from the anchor, width, height
        picked = (scores >= min_score) & (raw[:, 2:].min(axis=1) > 0)
        centres, sizes = raw[picked, :2] + self._anchors[picked], raw[picked, 2:]
        centres[:, 1] += self._make.down * sizes[:, 1]
        sizes = sizes * self._make.scale
        boxes = np.hstack([centres - sizes / 2, sizes]) * square.width + (square.x, square.y, 0, 0)
        return np.hstack([boxes, scores[picked, np.newaxis]])


def anchors(side: int, strides: tuple[tuple[int, int], ...]) -> NDArray[np.float32]:
    """Centres of the anchors in [0, 1], (A, 2) as x, y: so many at each cell of each stride's grid, row by row."""
    grids = []
    for stride, count in strides:
        cells = side // stride
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(grids)


def _shown(bgr: NDArray[np.uint8], square: Box, pixels: int) -> NDArray[np.float32]:
    """A square of the frame as a network wants it: float32 RGB in [-1, 1], (pixels, pixels, 3), grey outside it."""
    import cv2

    side, x, y = round(square.width), round(square.x), round(square.y)
    part = bgr[max(0, y) : y + side, max(0, x) : x + side]
    rows, columns = (max(1, round(n * pixels / side)) for n in part.shape[:2])
    method = cv2.INTER_AREA if side > pixels else cv2.INTER_LINEAR
    top, left = (pixels - rows) // 2, (pixels - columns) // 2  # a square reaches out of the frame as far on both sides
    canvas = np.full((pixels, pixels, 3), 127, np.uint8)  # grey: 2 points more faces found than with black
    canvas[top : top + rows, left : left + columns] = cv2.resize(part, (columns, rows), interpolation=method)
    rgb = np.asarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB), dtype=np.float32)
    return rgb * np.float32(1 / 127.5) - np.float32(1)
