"""How open an eye is: from its pixels, by a small network of our own.

The landmark network draws open lids on closed eyes: its eye aspect ratio falls by 2 % when the lids
come down (docs/attention.md). It finds the corners of the eyes well, and this looks between them.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.errors import ModelError
from device.inference.preprocess import to_grey
from device.vision.head_geometry import Points

FILE = Path(__file__).parents[1] / "models" / "eye-state.npz"
WIDTH, HEIGHT = 24, 16  # of its input, pixels
EYE_PX = 14.0  # between the corners of the eye in its input
MIDDLE = 0.55  # height of the corners in its input, from the top
FINER = 4  # the eye is sampled so many times finer, then averaged
CORNERS = ((33, 133), (362, 263))  # of the left eye and of the right eye of the picture
NOISE = 4.0  # grey levels; a patch whose contrast is not above this looks grey to the network


class EyeState:
    """The network: 384 grey pixels, two hidden layers, one output.

    Trained by scripts/training/eye_state.py.

    Raises:
        ModelError: its file is damaged.
    """

    def __init__(self, file: Path = FILE) -> None:
        try:
            with np.load(file) as stored:
                names = sorted(stored.files)
                self._layers = [
                    (np.asarray(stored[f"w{n}"], np.float32), np.asarray(stored[f"b{n}"], np.float32))
                    for n in range(1, len(names) // 2 + 1)
                ]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"{file.name}: damaged; install the package again.") from error

    def openness(self, image: NDArray[np.uint8], points: Points) -> NDArray[np.float32]:
        """How open both eyes are: (2,), left and right of the picture, 0 closed to 1 open.

        Args:
            image: uint8 (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA.
            points: of the face, (468, 3), pixels of the image.
        """
        return self.of_patches(np.stack([eye_patch(image, points, side) for side in (0, 1)]))

    def of_patches(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How open the eyes in patches (N, 16, 24) are: (N,)."""
        values = normalised(patches)
        for weights, bias in self._layers[:-1]:
            values = np.maximum(values @ weights.T + bias, 0)
        weights, bias = self._layers[-1]
        return np.asarray(1 / (1 + np.exp(-(values @ weights.T + bias)[:, 0])), np.float32)


def normalised(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Patches (N, 16, 24) without their own brightness and contrast: (N, 384)."""
    flat = patches.reshape(len(patches), -1).astype(np.float32)
    return np.asarray((flat - flat.mean(1, keepdims=True)) / (flat.std(1, keepdims=True) + NOISE), np.float32)


def eye_patch(image: NDArray[np.uint8], points: Points, side: int) -> NDArray[np.uint8]:
    """One eye, upright, of fixed size, seen as a left one: uint8 (16, 24).

    Args:
        image: see `EyeState.openness`.
        points: of the face, (468, 3), pixels of the image.
        side: 0 is the left eye of the picture, 1 the right one.
    """
    import cv2

    outer, inner = (np.asarray(points[index, :2], np.float64) for index in CORNERS[side])
    across = inner - outer
    turn = math.atan2(across[1], across[0])
    scale = FINER * EYE_PX / max(1.0, float(np.hypot(*across)))
    rotation = scale * np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    centre = FINER * np.array([WIDTH / 2, HEIGHT * MIDDLE]) - 0.5  # pixels are counted from their middle
    transform = np.column_stack([rotation, centre - rotation @ (outer + inner) / 2])
    size = (FINER * WIDTH, FINER * HEIGHT)
    fine = cv2.warpAffine(image, transform, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    grey = to_grey(np.asarray(fine, np.uint8))
    seen = grey[:, ::-1] if side else grey
    return np.asarray(cv2.resize(seen, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
