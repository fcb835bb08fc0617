"""The study of networks below 500 thousand parameters: light ResNet and MobileNetV2, and VGG16.

What the study reports: input in [-1, 1]; before training every class is brought to 4,500 faces by
geometric transforms, online augmentation on top; a grid over Adam and SGD, dropout, learning rate
and weight decay, for 15 epochs, then 40 epochs; the rate falls on a plateau, and the run stops
after 6 epochs without a better accuracy.

What we decided: classes with more than 4,500 faces give a part of theirs; the copies and the online
views are rotated by up to 10 degrees, zoomed by a tenth, shifted by 8 % and mirrored; a tenth of
the rate after 3 epochs; batches of 64; official splits. The rows have Adam at 1e-3, dropout 0.25
and weight decay 1e-4 for 40 epochs, since the winner of the study's grid is not known to us. The
grid itself is `EXTRA`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from trainer.compare.studies.experiment import Experiment, row
from trainer.config import FitConfig

STUDY = "compact"
FIT = FitConfig(
    epochs=40, batch_size=64, optimizer="adam", lr=1e-3, weight_decay=1e-4, schedule="plateau", plateau_epochs=3,
    plateau_factor=0.1, patience_epochs=6, warmup_epochs=0, ema=0,
)  # fmt: skip
AUGMENT = {"flip": 0.5, "rotate_deg": 10, "scale": 0.1, "shift": 0.08}
FORM: dict[str, Any] = {"scaling": "signed", "balance_to": 4500, "dropout": 0.25}
ROWS = tuple(row(STUDY, name, FIT, AUGMENT, **FORM) for name in ("light_resnet", "light_mobilenet", "vgg16"))

RATES = {"adam": (1e-3, 1e-4), "sgd": (1e-1, 1e-2)}
DROPOUTS, DECAYS = (0.0, 0.25, 0.5), (0.0, 1e-4)


def _of_grid(network: str, optimizer: str, lr: float, dropout: float, decay: float) -> Experiment:
    fit = replace(FIT, epochs=15, optimizer=optimizer, lr=lr, weight_decay=decay)
    name = f"{network}-{optimizer}-lr{lr:g}-dropout{dropout:g}-decay{decay:g}"
    return row("compact-grid", name, fit, AUGMENT, **FORM | {"network": network, "dropout": dropout})


EXTRA = tuple(
    _of_grid(network, optimizer, lr, dropout, decay)
    for network, optimizer in product(("light_resnet", "light_mobilenet"), RATES)
    for lr, dropout, decay in product(RATES[optimizer], DROPOUTS, DECAYS)
)
