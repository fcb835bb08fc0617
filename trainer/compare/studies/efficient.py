"""The study of efficient architectures: ResNet-50 and 152, ResNet-50 with SE, Iwin-T.

What the study reports: all faces split 8:1:1, a learning rate of 1e-5 that decays, up to 400
epochs; top 1 and top 5 at the best and the last epoch, Pearson's r of validation loss and accuracy,
the distance of training and validation. Which part of 8:1:1 its accuracies are of, it does not say;
its curves are of validation. The rate of 1e-5 is stated for ResNet-50, where it ends at 4.63e-8.

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
PUBLISHED = {
    "resnet50": "63.22 % best (epoch 384), 62.98 % last, of 8:1:1; top 5 98.58 % best, 98.52 % last; "
    "validation loss 1.0209 best, 1.0220 last; training loss 1.2695 best, 1.2763 last; r -0.992",
    "resnet152": "66.60 % best (epoch 287), 66.06 % last, of 8:1:1; top 5 98.66 % best, 94.80 % last; "
    "validation loss 0.9955 best, 1.1599 last; training loss 0.8123 best, 0.8240 last",
    "se_resnet50": "67.19 % best (epoch 365), 66.73 % last, of 8:1:1; top 5 98.89 % best, 96.07 % last; "
    "validation loss 0.9807 best, 1.1123 last; training loss 0.8726 best, 0.8823 last; r -0.776",
    "iwin_tiny": "68.09 % best of 8:1:1",
}
WEIGHTED = replace(FIT, class_weights=True)
ROWS = (
    row(STUDY, "resnet50", FIT, AUGMENT, published=PUBLISHED["resnet50"], **PUBLISHED_STEM),
    row(STUDY, "resnet152", FIT, AUGMENT, published=PUBLISHED["resnet152"], **PUBLISHED_STEM),
    row(
        STUDY,
        "se_resnet50",
        WEIGHTED,
        AUGMENT,
        published=PUBLISHED["se_resnet50"],
        note="weighted classes",
        **PUBLISHED_STEM,
    ),
    row(STUDY, "iwin_tiny", FIT, AUGMENT, published=PUBLISHED["iwin_tiny"], protocol="811"),
)
