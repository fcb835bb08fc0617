"""Jittered views of faces, and what a network makes of each: computed once for all clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import cv2
import numpy as np
from numpy.typing import NDArray

from device.inference.classifier import Classifier, softmax
from trainer.data.dataset import SIDE, FaceSet

VIEWS_SEED = 1
AS_IT_IS = ((1.0, False),)
Face = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Views:
    """Scores of successive views of each face.

    Attributes:
        scores: float32 (N, V, K), calibrated; the views of a face vary as successive crops do.
        labels: int64 (N,).
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def take(self, index: NDArray[np.int64] | slice) -> Views:
        """The faces that an index array or a slice selects."""
        return Views(self.scores[index], self.labels[index])


def jittered(
    face: Face, frames: int, generator: np.random.Generator, shown: Sequence[tuple[float, bool]] = AS_IT_IS
) -> Iterator[Face]:
    """Yield crops of a face with the variation of a detector's crops.

    Position and size vary by 3 %, with tilt, changes of light, and noise.

    Args:
        face: uint8 (48, 48).
        frames: the number of crops.
        generator: source of randomness.
        shown: the views that crops take in turn, as (side of the crop as a share of the face's,
            whether it is mirrored). What lies outside the face repeats its edge.

    Yields:
        Crops, uint8 (48, 48).
    """
    state, middle = np.zeros(5), (SIDE - 1) / 2
    for scale, mirrored in islice(cycle(shown), frames):
        state = 0.8 * state + 0.6 * generator.normal(size=5)
        warp = cv2.getRotationMatrix2D((middle, middle), 2.5 * state[3], (1 + 0.03 * state[2]) / scale)
        warp = warp + np.array([[0, 0, 0.03 * SIDE * state[0]], [0, 0, 0.03 * SIDE * state[1]]])
        moved = cv2.warpAffine(face, warp, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE).astype(np.float64)
        lit = moved * (1 + 0.08 * state[4]) + generator.normal(0, 4, (SIDE, SIDE))
        crop = np.clip(lit, 0, 255).astype(np.uint8)
        yield np.ascontiguousarray(crop[:, ::-1]) if mirrored else crop


def classify_views(
    classifier: Classifier,
    faces: FaceSet,
    order: Iterable[int],
    views: int,
    seed: int,
    shown: Sequence[tuple[float, bool]] = AS_IT_IS,
) -> Views:
    """Classify jittered views of each face.

    Args:
        classifier: a network with the labels of the data set, in its order.
        faces: the images.
        order: which of them; a progress bar may wrap it.
        views: number of views of each face.
        seed: of the jitter; a face's views depend on its place in `faces` too.
        shown: see `jittered`.
    """
    temperature, rows, taken = classifier.card.temperature, [], []
    for n in order:
        taken.append(n)
        crops = list(jittered(faces.images[n], views, np.random.default_rng([seed, n]), shown))
        rows.append(softmax(classifier.logits(np.stack(crops)), temperature))
    return Views(np.stack(rows), faces.labels[taken])
