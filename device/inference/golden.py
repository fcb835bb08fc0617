"""Golden outputs: a model's logits for one bundled face, which every machine must reproduce.

They are beside the model: `emotion.golden.json` for `emotion.tflite`. scripts/training/golden.py
writes them.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.errors import ModelError
from device.inference.box import Box
from device.inference.classifier import Classifier
from device.inference.model_card import ModelCard, digest
from device.inference.preprocess import crop_face, face_square, to_grey

PICTURE = Path(__file__).parent.parent / "assets" / "astronaut.jpg"
# In the picture, as BlazeFace finds it; fixed, so that only the network is compared.
FACE = Box(180.0, 71.0, 92.0, 92.0)
FLOAT_STEP = 0.01  # a float model has no quantisation step
# int8 kernels of different processors round alike; a resize or a JPEG may differ by one grey level.
MAX_STEPS = 2.0


@dataclass(frozen=True)
class Golden:
    """A model's digest and labels, a logit for each label, and the unit of comparison."""

    model_digest: str
    labels: tuple[str, ...]
    logits: tuple[float, ...]
    step: float

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def steps_off(self, other: Golden) -> float:
        """The largest difference between two outputs, in steps."""
        difference = np.abs(np.subtract(self.logits, other.logits))
        return float(difference.max()) / self.step


def picture() -> NDArray[np.uint8]:
    """The bundled portrait, uint8 (512, 512, 3) BGR.

    Raises:
        ModelError: the file is gone or damaged.
    """
    import cv2

    image = cv2.imread(str(PICTURE))
    if image is None:
        raise ModelError(f"{PICTURE}: the bundled picture cannot be read; install emotion-edge again.")
    return np.asarray(image, dtype=np.uint8)


def face(card: ModelCard) -> NDArray[np.uint8]:
    """The bundled face, cropped for a model: uint8 (S, S)."""
    return crop_face(to_grey(picture()), face_square(FACE, card.crop_margin), card.input.size)


def measure(model: Path, classifier: Classifier) -> Golden:
    """The golden outputs of a model on this machine."""
    card = classifier.card
    logits = classifier.logits(face(card)[np.newaxis])[0]
    return Golden(digest(model), card.labels, tuple(map(float, logits)), step(card))


def step(card: ModelCard) -> float:
    """The unit in which a model's outputs are compared."""
    return card.quantisation.output_scale if card.quantisation.dtype == "int8" else FLOAT_STEP


def steps_off_card(classifier: Classifier) -> float | None:
    """The largest difference from the logits in the card, in steps; None if it has none."""
    card = classifier.card
    if not card.golden:
        return None
    logits = classifier.logits(face(card)[np.newaxis])[0]
    return float(np.abs(logits - np.array(card.golden)).max()) / step(card)


def path_of(model: Path) -> Path:
    """The file of a model's golden outputs."""
    return model.with_suffix(".golden.json")


def read(model: Path) -> Golden | None:
    """The golden outputs beside a model; None if there are none.

    Raises:
        ModelError: the file is damaged.
    """
    path = path_of(model)
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        golden = Golden(values["model_digest"], tuple(values["labels"]), tuple(values["logits"]), values["step"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}: the golden outputs cannot be read; write them anew with scripts/training/golden.py."
        ) from error
    return golden
