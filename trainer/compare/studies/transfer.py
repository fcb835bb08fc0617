"""The transfer-learning study: ImageNet's ResNets, of which only `layer4` and `fc` are trained.

What the study reports: ResNet18, 34 and 50; mirror images, rotation, brightness, contrast, affine;
a test of 7,178 images, which is PublicTest and PrivateTest together; weighted precision, recall and
F1, mean one-against-rest AUC; a live webcam loop. (Here that loop is `device run` with any row's
.tflite and `device.detector.kind=haar`.)

What we decided: Adam at 1e-4, batches of 64, 30 epochs, a tenth of the rate after 3 epochs without
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
    epochs=30, batch_size=64, optimizer="adam", lr=1e-4, weight_decay=0, schedule="plateau", plateau_epochs=3,
    plateau_factor=0.1, warmup_epochs=0, ema=0,
)  # fmt: skip
AUGMENT = {"flip": 0.5, "rotate_deg": 10, "scale": 0.1, "shift": 0.1, "brightness": 0.2, "contrast": 0.2}
FORM: dict[str, Any] = {"options": ("imagenet_stem=true",), "channels": 3, "scaling": "imagenet", "protocol": "7178"}
SCRATCH = "from scratch, all layers: no ImageNet weights were given"
ROWS = tuple(row(STUDY, name, FIT, AUGMENT, note=SCRATCH, **FORM) for name in ("resnet18", "resnet34", "resnet50"))


def from_imagenet(row: Experiment, weights: str) -> Experiment:
    """The study's own row: ImageNet's weights from a file, stem and three stages frozen."""
    return replace(row.with_study(weights=weights, taught_from=4), note="from ImageNet, layer4 and fc trained")
