"""Faces in a frame: BlazeFace through LiteRT, or OpenCV's Haar cascade. Both frame a face alike."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from device.config import DetectorConfig
from device.errors import ModelError
from device.litert import load_interpreter
from device.preprocess import Box, to_bgr, to_grey

BLAZEFACE = Path(__file__).parent / "models" / "face.tflite"

SIDE = 128  # BlazeFace short-range sees squares of this many pixels
STRIDES = ((8, 2), (16, 6))  # stride, anchors at each cell
SAME_FACE_IOU = 0.3  # MediaPipe's min_suppression_threshold
INSIDE = 0.7  # of a box's area inside a better one: a part of the same face, seen by a view that cut it
MAX_ASPECT = 3.0  # a longer frame is looked at whole; no camera gives one

# FER2013's crops, pasted into frames, 160-240 px, n = 400: Haar's box has .95 of the crop's side and its centre at .497
# of the crop's height, BlazeFace's .845 and .586. One crop margin in the card serves both after this correction.
HAAR_SCALE = 0.845 / 0.95
HAAR_DOWN = (0.586 - 0.497) / 0.95


class Detection(NamedTuple):
    """A face: its box in pixels of the frame, and a score in [0, 1]."""

    box: Box
    score: float


class Detector(Protocol):
    """Finds faces."""

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """The faces of a frame, the largest first.

        Args:
            image: uint8 (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA.
        """


def open_detector(config: DetectorConfig) -> Detector:
    """The detector that the settings name.

    Raises:
        ModelError: its model file is absent or damaged.
    """
    return HaarDetector(config) if config.kind == "haar" else BlazeFaceDetector(config)


class BlazeFaceDetector:
    """BlazeFace short-range (Bazarevsky et al. 2019, arXiv:1907.05047), as in MediaPipe.

    The network sees 128x128 pixels, so a small face is found only if its part of the frame is shown alone: `view:
    squares` shows it overlapping squares as high as the frame is. Measured on FER2013's public test (200 faces, four
    backgrounds, pasted at 80/100/120/160/240 px into 640x480): found 20/70/88/98/99.8 % against 0/7/49/90/99.6 % of
    `view: whole`, for twice the time.

    Raises:
        ModelError: the vendored file is damaged, or LiteRT is not installed.
    """

    def __init__(self, config: DetectorConfig, model: Path = BLAZEFACE) -> None:
        self._config = config
        self._interpreter = load_interpreter(model)
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = {int(d["shape"][-1]): d["index"] for d in self._interpreter.get_output_details()}
        self._boxes, self._scores = outputs[16], outputs[1]
        self._anchors = anchors()

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """The faces of a frame, the largest first; see `Detector`."""
        bgr = to_bgr(image)
        height, width = bgr.shape[:2]
        seen = [self._look(bgr, square) for square in views(width, height, self._config.view)]
        return _keep(merge(np.concatenate(seen)), self._config)

    def _look(self, bgr: NDArray[np.uint8], square: Box) -> NDArray[np.float64]:
        """What the network sees in one square: (n, 5) of x, y, width, height in pixels of the frame, and score."""
        self._interpreter.set_tensor(self._input, _shown(bgr, square)[np.newaxis])
        self._interpreter.invoke()
        logits = self._interpreter.get_tensor(self._scores)[0, :, 0]  # (896,)
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64), -80, 80)))
        raw = self._interpreter.get_tensor(self._boxes)[0, :, :4] / SIDE  # centre seen from the anchor, width, height
        picked = (scores >= self._config.min_score) & (raw[:, 2:].min(axis=1) > 0)
        sizes = raw[picked, 2:]
        corners = raw[picked, :2] + self._anchors[picked] - sizes / 2
        boxes = np.hstack([corners, sizes]) * square.width + (square.x, square.y, 0, 0)
        return np.hstack([boxes, scores[picked, np.newaxis]])


class HaarDetector:
    """OpenCV's frontal-face cascade (Viola & Jones 2001); its boxes brought to BlazeFace's framing. All score 1.

    Raises:
        ModelError: this OpenCV came without the cascade's file.
    """

    def __init__(self, config: DetectorConfig) -> None:
        import cv2

        self._config = config
        path = _haar_file()
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise ModelError(f"{path}: OpenCV cannot load this cascade; install opencv-python-headless below 5.")

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """The faces of a frame, the largest first; see `Detector`."""
        grey = to_grey(image)
        if min(grey.shape) < self._config.min_face_px:
            return []
        smallest = (self._config.min_face_px,) * 2
        boxes = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=smallest)
        return _keep([Detection(_as_blazeface(*map(float, box)), 1.0) for box in boxes], self._config)


def anchors() -> NDArray[np.float32]:
    """Centres of BlazeFace's anchors in [0, 1], (896, 2) as x, y; two at each cell of 16x16, six at each of 8x8."""
    grids = []
    for stride, count in STRIDES:
        cells = SIDE // stride
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(grids)


def views(width: int, height: int, kind: str) -> list[Box]:
    """The squares in which a frame is looked at.

    Args:
        width: of the frame, pixels.
        height: of the frame, pixels.
        kind: "whole" is one square around the frame; "squares" are as large as its short side and overlap by half.
    """
    short, long = sorted((width, height))
    if kind == "whole" or long > MAX_ASPECT * short:
        return [Box((width - long) / 2, (height - long) / 2, long, long)]
    count = 1 + math.ceil(2 * (long / short - 1))
    starts = np.linspace(0, long - short, count)
    corners = [(float(s), 0.0) if width >= height else (0.0, float(s)) for s in starts]
    return [Box(x, y, short, short) for x, y in corners]


def merge(found: NDArray[np.float64]) -> list[Detection]:
    """One detection a face: boxes that overlap are averaged, weighted by their scores (MediaPipe's weighted NMS).

    A box that lies mostly inside a better one is a part of that face and is dropped.

    Args:
        found: (n, 5): x, y, width, height in pixels, score above 0.
    """
    left = found[np.lexsort((*found[:, :4].T, -found[:, 4]))]  # best first; the order of equals is settled too
    merged = []
    while len(left):
        shared, areas = _overlaps(left), left[:, 2] * left[:, 3]
        same = shared >= SAME_FACE_IOU * (areas[0] + areas - shared)
        box = left[same, 4] @ left[same, :4] / left[same, 4].sum()
        merged.append(Detection(Box(*map(float, box)), float(left[0, 4])))
        left = left[~same & (shared < INSIDE * areas)]
    return merged


def _overlaps(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area that each box shares with the first, (n,), square pixels."""
    starts, ends = boxes[:, :2], boxes[:, :2] + boxes[:, 2:4]
    sides = np.minimum(ends, ends[0]) - np.maximum(starts, starts[0])
    return np.asarray(np.prod(np.clip(sides, 0, None), axis=1), dtype=np.float64)


def _shown(bgr: NDArray[np.uint8], square: Box) -> NDArray[np.float32]:
    """A square of the frame as the network wants it: float32 RGB in [-1, 1], (128, 128, 3), grey outside the frame."""
    import cv2

    side, x, y = round(square.width), round(square.x), round(square.y)
    part = bgr[max(0, y) : y + side, max(0, x) : x + side]
    rows, columns = (max(1, round(n * SIDE / side)) for n in part.shape[:2])
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    top, left = (SIDE - rows) // 2, (SIDE - columns) // 2  # a square reaches out of the frame as far on both sides
    canvas = np.full((SIDE, SIDE, 3), 127, np.uint8)  # grey: 2 points more faces found than with black
    canvas[top : top + rows, left : left + columns] = cv2.resize(part, (columns, rows), interpolation=method)
    rgb = np.asarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB), dtype=np.float32)
    return rgb * np.float32(1 / 127.5) - np.float32(1)


def _keep(detections: list[Detection], config: DetectorConfig) -> list[Detection]:
    """Those large enough, the largest first, at most `max_faces`."""
    large = [d for d in detections if d.box.mean_side >= config.min_face_px]
    return sorted(large, key=lambda d: (-d.box.area, -d.score, d.box))[: config.max_faces]


def _as_blazeface(x: float, y: float, width: float, height: float) -> Box:
    side = width * HAAR_SCALE
    return Box(x + (width - side) / 2, y + (height - side) / 2 + HAAR_DOWN * height, side, side)


def _haar_file() -> Path:
    """The cascade's file: inside the wheel, or where Debian's opencv-data puts it."""
    import cv2

    folders = [Path(cv2.data.haarcascades)] if hasattr(cv2, "data") else []
    folders.append(Path("/usr/share/opencv4/haarcascades"))
    paths = [folder / "haarcascade_frontalface_default.xml" for folder in folders]
    for path in paths:
        if path.is_file():
            return path
    raise ModelError(f"{paths[0]}: OpenCV's face cascade is not there; install opencv-python-headless below version 5.")
