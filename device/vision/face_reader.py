"""Cuts a face out of the frame and classifies it: each time another view, weighed by sharpness."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.config.schema import ReadingConfig
from device.inference.box import Box
from device.inference.classifier import Classifier
from device.inference.preprocess import crop_face, face_square
from device.vision.box_steadier import BoxSteadier
from device.vision.sharpness import BlurWeights
from device.vision.tracker import Track


class View(NamedTuple):
    """One way to show the same face to the network."""

    scale: float  # of the box
    mirrored: bool


VIEWS = (View(1.0, False), View(1.0, True), View(0.94, False), View(1.06, True))  # docs/face-check.md


class FaceScores(NamedTuple):
    """One reading of a face."""

    scores: NDArray[np.float32]  # (K,), calibrated, sum 1
    weight: float  # how much it counts, above 0, at most 1


class FaceReader:
    """Reads the faces of tracks.

    Args:
        classifier: the expression network.
        config: what is done to a crop.
    """

    def __init__(self, classifier: Classifier, config: ReadingConfig) -> None:
        self._classifier = classifier
        self._config = config
        self._steadier = BoxSteadier(config.steady_s)
        self._weights = BlurWeights()
        self._boxes: dict[int, Box] = {}  # steadied, of the tracks that were seen
        self._reads: dict[int, int] = {}  # how often each track was read

    def see(self, tracks: Iterable[Track], time_s: float) -> None:
        """Take the boxes of a frame; call it on each frame, also for faces that are not read."""
        for track in tracks:
            self._boxes[track.id] = self._steadier.steady(track.id, track.box, time_s)

    def read(self, grey: NDArray[np.uint8], track: Track, roll_deg: float, time_s: float) -> FaceScores:
        """Classify the face of a track that was seen on this frame.

        Args:
            grey: the frame, uint8 (H, W).
            track: see `see`.
            roll_deg: rotation of the head, clockwise.
            time_s: of the frame, seconds.
        """
        face = self._crop(grey, self._boxes[track.id], self._view(track.id), roll_deg)
        weight = self._weights.weigh(track.id, face, time_s) if self._config.weigh_blur else 1.0
        return FaceScores(self._classifier.classify(face[np.newaxis])[0].scores, weight)

    def forget(self, track_id: int) -> None:
        """Drop the state of a track that ended; an unknown id is ignored."""
        self._steadier.forget(track_id)
        self._weights.forget(track_id)
        self._boxes.pop(track_id, None)
        self._reads.pop(track_id, None)

    def _view(self, track_id: int) -> View:
        """The next view of a track."""
        read = self._reads[track_id] = self._reads.get(track_id, -1) + 1
        return VIEWS[read % len(VIEWS)] if self._config.views else VIEWS[0]

    def _crop(self, grey: NDArray[np.uint8], box: Box, view: View, roll_deg: float) -> NDArray[np.uint8]:
        card = self._classifier.card
        turned_deg = roll_deg if abs(roll_deg) >= self._config.upright_deg else 0.0
        face = crop_face(
            grey, _scaled(face_square(box, card.crop_margin, turned_deg), view.scale), card.input.size, turned_deg
        )
        return np.ascontiguousarray(face[:, ::-1]) if view.mirrored else face


def _scaled(square: Box, scale: float) -> Box:
    """A square of another size with the same centre."""
    added = (scale - 1) * square.width
    return Box(square.x - added / 2, square.y - added / 2, square.width + added, square.height + added)
