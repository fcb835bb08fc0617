"""Accuracy of the whole chain: a face is pasted into a frame, detected, cropped, and classified.

The same frames give the crop margin: the position of the training crop relative to the detector's
box.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from device.config.schema import DetectorConfig, FaceCheckConfig, PipelineConfig, ReadingConfig
from device.inference.box import Box
from device.inference.model_card import CropMargin
from device.inference.preprocess import crop_face, face_square
from trainer.data.dataset import FaceSet

if TYPE_CHECKING:
    from device.vision.detection import Detector
    from device.vision.landmarks import LandmarkNetwork
    from trainer.artifacts.predictor import Predictor

FRAME_HEIGHT, FRAME_WIDTH = 480, 640
FIT_SIZES = (160, 240)  # sizes at which nearly every face is found
MIN_FOUND = 100  # with fewer faces the margin is not measured
MAX_LOOKS = 6  # at a face until its roll is known; the device stops earlier

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Placed:
    """A frame with one face, and the square of the face."""

    frame: Grey
    square: Box


def place_face(face: Grey, size: int, index: int) -> Placed:
    """Paste a face, enlarged to `size` pixels, somewhere into a 640x480 frame.

    Background and position depend only on `index`; plain, gradient and noise alternate.
    """
    import cv2

    generator = np.random.default_rng((index, size))
    frame = BACKGROUNDS[index % len(BACKGROUNDS)](generator)
    x = int(generator.integers(0, FRAME_WIDTH - size + 1))
    y = int(generator.integers(0, FRAME_HEIGHT - size + 1))
    frame[y : y + size, x : x + size] = cv2.resize(face, (size, size), interpolation=cv2.INTER_CUBIC)
    return Placed(frame, Box(x, y, size, size))


def _plain(generator: np.random.Generator) -> Grey:
    return np.full((FRAME_HEIGHT, FRAME_WIDTH), generator.integers(0, 256), np.uint8)


def _gradient(generator: np.random.Generator) -> Grey:
    """From one grey to another, in a random direction."""
    middle, reach, angle = generator.uniform(60, 195), generator.uniform(0, 60), generator.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, FRAME_WIDTH, dtype=np.float32) * np.cos(angle)
    y = np.linspace(-1, 1, FRAME_HEIGHT, dtype=np.float32) * np.sin(angle)
    return np.asarray(middle + reach / 2**0.5 * (y[:, np.newaxis] + x), np.uint8)


def _noise(generator: np.random.Generator) -> Grey:
    darkest = generator.integers(0, 136)
    return generator.integers(darkest, darkest + 120, (FRAME_HEIGHT, FRAME_WIDTH), np.uint8)


BACKGROUNDS = (_plain, _gradient, _noise)


def open_face_detector() -> Detector:
    """The device's detector with the device's defaults."""
    from device.vision.detector import open_detector

    return open_detector(DetectorConfig())


def open_landmark_network() -> LandmarkNetwork:
    """The network of the device's second look."""
    from device.vision.landmarks import LandmarkNetwork

    return LandmarkNetwork()


def roll_deg(frame: Grey, box: Box, network: LandmarkNetwork) -> float:
    """Rotation of a found face, clockwise, after as many looks as the device takes; 0 if unsure."""
    from device.vision.face_check import FaceChecker
    from device.vision.time_budget import Budget
    from device.vision.tracker import Track

    checker = FaceChecker(network, FaceCheckConfig(), Budget(PipelineConfig(budget_ms=None)))
    track = Track(id=1, box=box, score=1.0, first_s=0.0, last_s=0.0, frames=1)
    for _ in range(MAX_LOOKS):
        checker.look(frame, [track], 0.0)  # does nothing once the roll is known
    return checker.head(track).roll_deg


def crop_found(frame: Grey, box: Box, margin: CropMargin, size: int, network: LandmarkNetwork) -> Grey:
    """Crop a found face as the device does: a tilted head is turned upright.

    Args:
        frame: uint8 (H, W).
        box: the detector's.
        margin: of the model's card.
        size: side of the result, pixels.
        network: see `open_landmark_network`.
    """
    roll = roll_deg(frame, box, network)
    turned = roll if abs(roll) >= ReadingConfig().upright_deg else 0.0
    return crop_face(frame, face_square(box, margin, turned), size, turned)


def find(detector: Detector, placed: Placed) -> Box | None:
    """The box with the highest score whose centre is in the pasted face; None if there is none."""
    square = placed.square
    hits = []
    for detection in detector.detect(placed.frame):
        x, y = detection.box.x + detection.box.width / 2, detection.box.y + detection.box.height / 2
        if square.x <= x <= square.x + square.width and square.y <= y <= square.y + square.height:
            hits.append(detection)
    return max(hits, key=lambda d: d.score).box if hits else None


@dataclass(frozen=True)
class MarginFit:
    """A crop margin, the number of boxes it was measured on, and whether they were enough."""

    margin: CropMargin
    boxes: int
    measured: bool


def fit_margin(faces: Grey, detector: Detector, sizes: Sequence[int] = FIT_SIZES) -> MarginFit:
    """The margin from the detector's box to the training crop: medians over all detected faces.

    With fewer than 100 boxes it is the default margin.

    Args:
        faces: uint8 (N, S, S), framed as the training faces are.
        detector: the device's.
        sizes: sides of the pasted faces, pixels.
    """
    measured = []
    for size in sizes:
        for index, face in enumerate(faces):
            placed = place_face(face, size, index)
            box = find(detector, placed)
            if box is not None:
                measured.append(margin_between(box, placed.square))
    if len(measured) < MIN_FOUND:
        return MarginFit(CropMargin(), len(measured), False)
    scale, up = np.median(measured, axis=0)
    return MarginFit(CropMargin(round(float(scale), 3), round(float(up), 3)), len(measured), True)


def margin_between(box: Box, square: Box) -> tuple[float, float]:
    """(scale, up) from box to square; see `device.inference.preprocess.face_square`."""
    up = (box.y + box.height / 2) - (square.y + square.height / 2)
    return square.width / box.mean_side, up / box.mean_side


def read_through(
    reader: Predictor, detector: Detector, faces: FaceSet, size: int, indices: Iterable[int] | None = None
) -> dict[str, Any]:
    """Evaluate the chain on faces of one size: one view of each face, cropped as on the device.

    Args:
        reader: the network and its crop margin.
        detector: the device's.
        faces: to paste into frames, one a frame.
        size: side of the pasted faces, pixels of a 640x480 frame.
        indices: of the faces; an iterable may show progress.

    Returns:
        faces_pasted, detected (share), and on the detected faces accuracy_through_detector,
        accuracy_direct and points_lost.
    """
    found, crops, network = [], [], open_landmark_network()
    for index in range(len(faces)) if indices is None else indices:
        placed = place_face(faces.images[index], size, index)
        box = find(detector, placed)
        if box is not None:
            found.append(index)
            crops.append(crop_found(placed.frame, box, reader.margin, faces.images.shape[1], network))
    through = direct = lost = None
    if found:
        shown = faces.take(np.array(found))
        through, direct = (_accuracy(reader, images, shown) for images in (np.stack(crops), shown.images))
        lost = 100 * (direct - through)
    return {
        "faces_pasted": len(faces),
        "detected": len(found) / len(faces),
        "accuracy_through_detector": through,
        "accuracy_direct": direct,
        "points_lost": lost,
    }


def _accuracy(reader: Predictor, images: Grey, faces: FaceSet) -> float:
    names = [reader.labels[k] for k in reader.logits(images).argmax(1)]
    return float(np.mean([name == faces.names[label] for name, label in zip(names, faces.labels, strict=True)]))
