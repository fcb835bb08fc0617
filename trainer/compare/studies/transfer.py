"""The transfer-learning study: ImageNet's ResNets, of which only `layer4` and `fc` are trained.

What the study reports: ResNet18, 34 and 50; 20 epochs; mirror images, rotation, brightness,
contrast, affine; a test of 7,178 images, which is PublicTest and PrivateTest together; weighted
precision, recall and F1, mean one-against-rest AUC; a live webcam loop. (Here that loop is `device
run` with any row's .tflite and `device.detector.kind=haar`.)

What we decided: Adam at 1e-4, batches of 64, a tenth of the rate after 3 epochs without
a better accuracy; rotated by up to 10 degrees, zoomed and shifted by a tenth; the faces stay at 48
pixels, three times the same grey, scaled by the means of ImageNet; the epoch is chosen on a tenth
of Training, so that the test chooses nothing. The weights of ImageNet come with `--imagenet`, a
folder of torchvision's files. Without it every layer is trained from scratch, since frozen random
layers would only harm, and the row's note says it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trainer.compare.studies.experiment import Experiment, row
from trainer.config import FitConfig

STUDY = "transfer"
FIT = FitConfig(
    epochs=20, batch_size=64, optimizer="adam", lr=1e-4, weight_decay=0, schedule="plateau", plateau_epochs=3,
    plateau_factor=0.1, warmup_epochs=0, ema=0,
)  # fmt: skip
AUGMENT = {"flip": 0.5, "rotate_deg": 10, "scale": 0.1, "shift": 0.1, "brightness": 0.2, "contrast": 0.2}
FORM: dict[str, Any] = {"options": ("imagenet_stem=true",), "channels": 3, "scaling": "imagenet", "protocol": "7178"}
SCRATCH = "from scratch, all layers: no ImageNet weights were given"
PUBLISHED = {
    "resnet18": "65.0 % of 7,178 faces; weighted F1 0.646, precision 0.648, recall 0.650; mean AUC 0.898",
    "resnet34": "65.1 % of 7,178 faces; weighted F1 0.650, precision 0.652, recall 0.651; mean AUC 0.893",
    "resnet50": "65.4 % of 7,178 faces; weighted F1 0.658, precision 0.664, recall 0.654; mean AUC 0.885",
}
PER_CLASS = {
    "angry": (0.560, 0.590, 0.571, 958, 0.872),
    "disgust": (0.727, 0.583, 0.647, 111, 0.958),
    "fear": (0.522, 0.483, 0.500, 1024, 0.805),
    "happy": (0.849, 0.857, 0.851, 1774, 0.965),
    "neutral": (0.589, 0.619, 0.601, 1233, 0.856),
    "sad": (0.516, 0.507, 0.511, 1247, 0.832),
    "surprise": (0.811, 0.768, 0.789, 831, 0.956),
}
"""Means of the three networks: precision, recall, F1, faces, AUC."""
ROWS = tuple(row(STUDY, name, FIT, AUGMENT, published=PUBLISHED[name], note=SCRATCH, **FORM) for name in PUBLISHED)


def from_imagenet(row: Experiment, weights: str) -> Experiment:
    """The study's own row: ImageNet's weights from a file, stem and three stages frozen."""
    return replace(row.with_study(weights=weights, taught_from=4), note="from ImageNet, layer4 and fc trained")
