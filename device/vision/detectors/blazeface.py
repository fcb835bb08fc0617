"""BlazeFace, the two face networks of MediaPipe, through LiteRT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.config.schema import DetectorConfig
from device.inference.box import Box
from device.inference.litert import load_interpreter
from device.inference.preprocess import to_bgr
from device.vision.detection import Detection, DetectorFactory, accepted, keep_largest, merge
from device.vision.tiling import Tile, tiles

MIN_SCORE = 0.5
MODELS = Path(__file__).parents[2] / "models"


class NetworkSpec(NamedTuple):
    """A network: its file, the side of its input, its anchors, and how it frames a face."""

    file: Path
    side: int  # pixels
    strides: tuple[tuple[int, int], ...]  # stride, anchors at each cell
    scale: float  # from its boxes to the framing for which the crop margin of a card is measured
    down: float  # shift of the centre for the same reason, in sides of its box


# Measured on FER2013's crops in 1080p frames, 48-64 px, n = 128: the room network's box has .90 of
# the crop's side and its centre at .555 of the crop's height; the near one's .845 and .586. The
# crop margin of a card belongs to the near one.
NETWORKS = {
    "near": NetworkSpec(MODELS / "face.tflite", 128, ((8, 2), (16, 6)), 1.0, 0.0),
    "room": NetworkSpec(MODELS / "face-room.tflite", 192, ((4, 1),), 0.845 / 0.90, (0.586 - 0.555) / 0.90),
}


class BlazeFace:
    """One of the networks, loaded.

    Raises:
        ModelError: the vendored file is damaged, or LiteRT is not installed.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        self._spec = spec
        self._interpreter = load_interpreter(spec.file)
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = {int(d["shape"][-1]): d["index"] for d in self._interpreter.get_output_details()}
        self._boxes, self._scores = outputs[16], outputs[1]
        self._anchors = anchors(spec.side, spec.strides)

    def detect(self, bgr: NDArray[np.uint8], square: Box, min_score: float) -> NDArray[np.float64]:
        """Detect in one square: (n, 5), x, y, width, height in pixels of the frame, and score."""
        side = self._spec.side
        self._interpreter.set_tensor(self._input, _input_tensor(bgr, square, side)[np.newaxis])
        self._interpreter.invoke()
        logits = self._interpreter.get_tensor(self._scores)[0, :, 0]  # (A,)
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64), -80, 80)))
        raw = self._interpreter.get_tensor(self._boxes)[0, :, :4] / side  # centre from the anchor, width, height
        picked = (scores >= min_score) & (raw[:, 2:].min(axis=1) > 0)
        centres, sizes = raw[picked, :2] + self._anchors[picked], raw[picked, 2:]
        centres[:, 1] += self._spec.down * sizes[:, 1]
        sizes = sizes * self._spec.scale
        boxes = np.hstack([centres - sizes / 2, sizes]) * square.width + (square.x, square.y, 0, 0)
        return np.hstack([boxes, scores[picked, np.newaxis]])


def anchors(side: int, strides: tuple[tuple[int, int], ...]) -> NDArray[np.float32]:
    """Centres of the anchors in [0, 1], (A, 2) as x, y: by stride, then row by row."""
    grids = []
    for stride, count in strides:
        cells = side // stride
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(grids)


def _input_tensor(bgr: NDArray[np.uint8], square: Box, pixels: int) -> NDArray[np.float32]:
    """A square of the frame as input: float32 RGB in [-1, 1], (pixels, pixels, 3).

    What lies outside the frame is grey.
    """
    import cv2

    side, x, y = round(square.width), round(square.x), round(square.y)
    part = bgr[max(0, y) : y + side, max(0, x) : x + side]
    rows, columns = (max(1, round(n * pixels / side)) for n in part.shape[:2])
    method = cv2.INTER_AREA if side > pixels else cv2.INTER_LINEAR
    top, left = (pixels - rows) // 2, (pixels - columns) // 2  # a square extends beyond the frame equally on both sides
    canvas = np.full((pixels, pixels, 3), 127, np.uint8)  # grey finds 2 points more faces than black
    canvas[top : top + rows, left : left + columns] = cv2.resize(part, (columns, rows), interpolation=method)
    rgb = np.asarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB), dtype=np.float32)
    return rgb * np.float32(1 / 127.5) - np.float32(1)


class BlazeFaceDetector:
    """BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047) as in MediaPipe.

    `near` is the short-range network, `room` the full-range one. Their inputs have 128x128 and
    192x192 pixels, so a small face is found only in a tile of the frame. docs/room.md lists which
    faces each view finds, and its cost.

    Raises:
        ModelError: the vendored file is damaged, or LiteRT is not installed.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self._config = config
        self._min_score = MIN_SCORE if config.min_score is None else config.min_score
        self._network = BlazeFace(NETWORKS[config.range])

    def tiles(self, width: int, height: int) -> Sequence[Tile]:
        """See `Detector`."""
        return tiles(width, height, self._config.view, self._config.tile_px)

    def look(self, image: NDArray[np.uint8], parts: Iterable[Tile]) -> list[Detection]:
        """See `Detector`."""
        bgr = to_bgr(image)
        found = [accepted(self._network.detect(bgr, part.area, self._min_score), part) for part in parts]
        return keep_largest(merge(np.concatenate(found)), self._config) if found else []

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `Detector`."""
        height, width = image.shape[:2]
        return self.look(image, self.tiles(width, height))


DETECTOR: DetectorFactory = BlazeFaceDetector
