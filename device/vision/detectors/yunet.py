"""YuNet, the face network of libfacedetection, through LiteRT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.config.schema import DetectorConfig
from device.inference.box import Box
from device.inference.litert import load_interpreter
from device.inference.preprocess import to_bgr
from device.vision.detection import Detection, DetectorFactory, accepted, keep_largest, merge
from device.vision.tiling import Tile, whole_and_tiles

MODEL = Path(__file__).parents[2] / "models" / "face-yunet.tflite"
WIDTH, HEIGHT = 480, 384  # of the network's input, pixels
STRIDES = (8, 16, 32)
MIN_SCORE = 0.6
FOUND_PX = 14  # faces of this side are found in most pictures, pixels of the network's input
AREA_BELOW = 0.7  # scales at which pixels are averaged; above, interpolation finds the same faces in less time
SURE_PX = 24  # and of this side in all; smaller ones are searched in smaller tiles too, if there are any

# From its boxes (mean of width and height) to the framing of BlazeFace's near network, for which
# the crop margin of a card is measured. The near network's box has .92 of the side and its centre
# is .074 lower on FER2013's crops pasted into frames (96-240 px, n = 770); .956 and .092 on real
# photos (n = 64). These are the means.
SCALE = 0.94
DOWN = 0.083


class YuNetDetector:
    """YuNet (Wu, Peng & Yu 2023, doi:10.1007/s11633-023-1423-y).

    It searches the whole frame at once, scaled down to the network's input. If the smallest wanted
    face is too small there, tiles of the frame are searched too.

    Raises:
        ModelError: the vendored file is damaged, or LiteRT is not installed.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self._config = config
        self._min_score = MIN_SCORE if config.min_score is None else config.min_score
        self._interpreter = load_interpreter(MODEL)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._corners, self._strides = _cells()

    def tiles(self, width: int, height: int) -> Sequence[Tile]:
        """See `Detector`."""
        tile_px = self._config.min_face_px * WIDTH / FOUND_PX
        return whole_and_tiles(width, height, WIDTH / HEIGHT, tile_px, SURE_PX / WIDTH)

    def look(self, image: NDArray[np.uint8], parts: Iterable[Tile]) -> list[Detection]:
        """See `Detector`."""
        bgr = to_bgr(image)
        found = [accepted(self._detect(bgr, part.area), part) for part in parts]
        return keep_largest(merge(np.concatenate(found)), self._config) if found else []

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `Detector`."""
        height, width = image.shape[:2]
        return self.look(image, self.tiles(width, height))

    def _detect(self, bgr: NDArray[np.uint8], area: Box) -> NDArray[np.float64]:
        """Detect in one area: (n, 5), x, y, width, height in pixels of the frame, and score."""
        self._interpreter.set_tensor(self._input, _input_tensor(bgr, area)[np.newaxis])
        self._interpreter.invoke()
        rows = self._interpreter.get_tensor(self._output)[0].astype(np.float64)  # (cells, 16)
        class_, face = (1.0 / (1.0 + np.exp(-np.clip(rows[:, n], -80, 80))) for n in (0, 1))
        scores = np.sqrt(class_ * face)
        picked = scores >= self._min_score
        strides = self._strides[picked, np.newaxis]
        centres = self._corners[picked] + rows[picked, 2:4] * strides
        sizes = np.exp(np.clip(rows[picked, 4:6], -8, 8)) * strides
        pixel = area.width / WIDTH  # pixels of the frame
        centres, sides = centres * pixel + (area.x, area.y), sizes.mean(axis=1, keepdims=True) * pixel * SCALE
        centres[:, 1] += DOWN * sides[:, 0]
        return np.hstack([centres - sides / 2, sides, sides, scores[picked, np.newaxis]])


def _cells() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Top left corners of the cells, (cells, 2) as x, y, pixels of the input; strides, (cells,)."""
    corners, strides = [], []
    for stride in STRIDES:
        y, x = np.meshgrid(np.arange(HEIGHT // stride), np.arange(WIDTH // stride), indexing="ij")
        corners.append(np.stack([x.ravel(), y.ravel()], axis=1) * float(stride))
        strides.append(np.full(x.size, float(stride)))
    return np.concatenate(corners), np.concatenate(strides)


def _input_tensor(bgr: NDArray[np.uint8], area: Box) -> NDArray[np.float32]:
    """An area of the frame as input: float32 BGR in [0, 255], (HEIGHT, WIDTH, 3).

    What lies outside the frame is black.
    """
    import cv2

    scale = WIDTH / area.width
    x, y = max(0, round(area.x)), max(0, round(area.y))
    part = bgr[y : round(area.y + area.height), x : round(area.x + area.width)]
    rows, columns = (max(1, round(n * scale)) for n in part.shape[:2])
    rows, columns = min(rows, HEIGHT), min(columns, WIDTH)
    left, top = round((x - area.x) * scale), round((y - area.y) * scale)
    left, top = min(left, WIDTH - columns), min(top, HEIGHT - rows)
    method = cv2.INTER_AREA if scale < AREA_BELOW else cv2.INTER_LINEAR
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    canvas[top : top + rows, left : left + columns] = cv2.resize(part, (columns, rows), interpolation=method)
    return canvas


DETECTOR: DetectorFactory = YuNetDetector
