"""What PyPI's `fer` does with a picture: the Haar cascade, then its network; no tracking."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from cv2.data import haarcascades
from numpy.typing import NDArray

from benchmarks.accuracy import fer_reads
from device.inference.box import Box

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
CASCADE = "haarcascade_frontalface_default.xml"
MARGIN_PX = 10  # that fer adds on each side of a face
BORDER_PX = 40  # around the picture, so that a face at the edge has its margin


class FerRecipe:
    """Finds and reads faces as `FER().detect_emotions(picture)` of version 25.10.3 does.

    Args:
        network: fer's .tflite, its own default.
    """

    def __init__(self, network: Path) -> None:
        self._network = network
        self._cascade = cv2.CascadeClassifier(haarcascades + CASCADE)

    def detect(self, image: NDArray[np.uint8]) -> list[Box]:
        """The faces in a picture (H, W, 3) BGR."""
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        found = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(50, 50))
        return [Box(*map(float, box)) for box in found]

    def classify(self, image: NDArray[np.uint8], boxes: list[Box]) -> list[str]:
        """The label of each face."""
        if not boxes:
            return []
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        edge = cv2.mean(grey[-2:])[0]
        wide = np.asarray(cv2.copyMakeBorder(grey, *(BORDER_PX,) * 4, cv2.BORDER_CONSTANT, value=edge), np.uint8)
        crops = [cv2.resize(_cut(wide, box), (64, 64)) for box in boxes]
        return [LABELS[n] for n in fer_reads(self._network, np.stack(crops).astype(np.uint8)).argmax(axis=1)]


def _cut(wide: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    x, y = (max(0, int(place) - MARGIN_PX + BORDER_PX) for place in (box.x, box.y))
    end_x, end_y = (int(place) + MARGIN_PX + BORDER_PX for place in (box.x + box.width, box.y + box.height))
    return wide[y:end_y, x:end_x]
