"""Golden outputs: a model's logits for one bundled face, which every machine must reproduce.

They are beside the model: `emotion.golden.json` for `emotion.tflite`. scripts/training/golden.py
writes them. A card holds them too. One face alone does not tell every label from every other: two
logits may be equal there. So the same face is also classified as changed by `PROBES`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from device.bounded_file import read_bounded
from device.errors import ModelError
from device.inference.box import Box
from device.inference.classifier import PROFILES, Classifier
from device.inference.model_card import ModelCard, digest, network_digest
from device.inference.preprocess import crop_face, face_square, to_grey

PICTURE = Path(__file__).parent.parent / "assets" / "astronaut.jpg"
# In the picture, as BlazeFace finds it; fixed, so that only the network is compared.
FACE = Box(180.0, 71.0, 92.0, 92.0)
FLOAT_STEP = 0.01  # a float model has no quantisation step
# int8 kernels of different processors round alike; a resize or a JPEG may differ by one grey level.
MAX_STEPS = 2.0


MAX_BYTES = 100_000  # of a file of golden outputs

Face: TypeAlias = "NDArray[np.uint8]"

PROBES: tuple[Callable[[Face], Face], ...] = (
    lambda face: 255 - face,
    lambda face: face[::-1],
    lambda face: np.rot90(face),
    lambda face: np.roll(face, len(face) // 2, axis=0),
)
"""What else is done to the bundled face, uint8 (S, S), before it is classified again."""


@dataclass(frozen=True)
class Golden:
    """A model's digest and labels, a logit for each label, and the unit of comparison.

    Attributes:
        logits: of the bundled face, in the order of `labels`.
        network: sha256 of the file without its card; empty in an older file.
        probes: the same for each of `PROBES`; empty in an older file.
    """

    model_digest: str
    labels: tuple[str, ...]
    logits: tuple[float, ...]
    step: float
    network: str = ""
    probes: tuple[tuple[float, ...], ...] = ()

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def steps_off(self, other: Golden) -> float:
        """The largest difference between two outputs under the same label, in steps.

        Infinite if the labels are not the same ones.
        """
        if set(self.labels) != set(other.labels):
            return float("inf")
        order = [other.labels.index(label) for label in self.labels]
        rows = min(len(self.probes), len(other.probes))
        ours, theirs = (np.array([one.logits, *one.probes[:rows]]) for one in (self, other))
        return float(np.abs(ours - theirs[:, order]).max()) / self.step

    def told_apart(self) -> float:
        """How many steps the two most similar labels differ by, where they differ most."""
        rows = np.array([self.logits, *self.probes])  # (1 + P, K)
        differences = np.abs(rows[:, :, np.newaxis] - rows[:, np.newaxis, :]).max(axis=0)  # (K, K)
        return float(differences[~np.eye(len(self.labels), dtype=bool)].min()) / self.step


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


def probes(card: ModelCard) -> NDArray[np.uint8]:
    """The bundled face, and as changed by each of `PROBES`: uint8 (1 + P, S, S)."""
    plain = face(card)
    return np.stack([plain, *(change(plain) for change in PROBES)])


def measure(model: Path, classifier: Classifier) -> Golden:
    """The golden outputs of a model on this machine."""
    return _measured(classifier, digest(model), network_digest(model))


def _measured(classifier: Classifier, model: str = "", network: str = "") -> Golden:
    card = classifier.card
    first, *others = (tuple(map(float, row)) for row in classifier.logits(probes(card)))
    return Golden(model, card.labels, first, step(card), network, tuple(others))


def step(card: ModelCard) -> float:
    """The unit in which a model's outputs are compared."""
    return card.quantisation.output_scale if card.quantisation.dtype == "int8" else FLOAT_STEP


def steps_off_card(classifier: Classifier) -> float | None:
    """The largest difference from the logits in the card, in steps; None if it has none."""
    card = classifier.card
    if not card.golden:
        return None
    stored = Golden("", card.golden_labels or card.labels, card.golden, step(card), probes=card.golden_probes)
    return stored.steps_off(_measured(classifier))


def steps_off_bundled(model: Path, classifier: Classifier) -> float | None:
    """The same for the golden outputs of the bundled model that has this network; None if none has.

    A copy with another card, for example with its labels in another order, is recognized so.
    """
    network = network_digest(model)
    for bundled in PROFILES.values():
        stored = read(bundled)
        if stored is not None and stored.network == network:
            return stored.steps_off(_measured(classifier))
    return None


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
        values = json.loads(read_bounded(path, MAX_BYTES).decode())
        golden = Golden(
            values["model_digest"],
            tuple(map(str, values["labels"])),
            tuple(map(float, values["logits"])),
            float(values["step"]),
            str(values.get("network", "")),
            tuple(tuple(map(float, row)) for row in values.get("probes", ())),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ModelError(
            f"{path}: the golden outputs cannot be read; write them anew with scripts/training/golden.py."
        ) from error
    return golden
