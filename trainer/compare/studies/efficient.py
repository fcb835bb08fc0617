"""The study of efficient architectures: ResNet-50 and 152, ResNet-50 with SE, Iwin-T.

What the study reports: all faces split 8:1:1, a learning rate of 1e-5 that decays, up to 400
epochs; top 1 and top 5 at the best and the last epoch, Pearson's r of validation loss and accuracy,
the distance of training and validation.

What we decided: the split keeps each emotion's share; the rate decays as a cosine, AdamW, batches
of 64, mirror images only. The ResNets have the stem of ImageNet (7x7 of stride 2, max-pool), since
the study names no other; that leaves 2x2 pixels of the last map at 48 pixels. Iwin-T: see
`trainer.models.iwin`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trainer.compare.studies.experiment import row
from trainer.config import FitConfig

STUDY = "efficient"
FIT = FitConfig(
    epochs=400, batch_size=64, optimizer="adamw", lr=1e-5, weight_decay=0.01, schedule="cosine", warmup_epochs=0, ema=0
)
AUGMENT = {"flip": 0.5}
PUBLISHED_STEM: dict[str, Any] = {"options": ("imagenet_stem=true",), "protocol": "811"}
ROWS = (
    row(STUDY, "resnet50", FIT, AUGMENT, **PUBLISHED_STEM),
    row(STUDY, "resnet152", FIT, AUGMENT, **PUBLISHED_STEM),
    row(STUDY, "se_resnet50", replace(FIT, class_weights=True), AUGMENT, note="weighted classes", **PUBLISHED_STEM),
    row(STUDY, "iwin_tiny", FIT, AUGMENT, protocol="811"),
)
