"""The study of networks below 500 thousand parameters: light ResNet and MobileNetV2, and VGG16.

What the study reports: the grey face three times, in [-1, 1]; before training every class has at
least 4,500 faces, by faces of another data set and by copies that are rotated by up to 15 degrees,
shifted and zoomed by up to a tenth, and mirrored; such transforms online on top; batches of 64. Ten
settings were trained for 15 epochs at a constant rate (`EXTRA`). The best two went on to 40: light
ResNet with Adam at 1e-3 and no dropout; light MobileNetV2 with Adam at 1e-3, dropout 0.15, weight
decay 1e-4, half the rate after 3 epochs without a better validation loss, and early stopping after
6. VGG16 has 15 epochs, from ImageNet's weights.

What we decided: online, faces move as the copies do; rate and patience follow the accuracy;
official splits; VGG16 begins at random, with Adam at 1e-3 and dropout 0.25.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trainer.compare.studies.experiment import Experiment, row
from trainer.config import FitConfig

STUDY = "compact"
CONSTANT = FitConfig(
    epochs=40, batch_size=64, optimizer="adam", lr=1e-3, weight_decay=0, schedule="plateau", plateau_epochs=100_000,
    warmup_epochs=0, ema=0,
)  # fmt: skip
FALLING = replace(CONSTANT, weight_decay=1e-4, plateau_epochs=3, plateau_factor=0.5, patience_epochs=6)
SHORT = replace(CONSTANT, epochs=15)
AUGMENT = {"flip": 0.5, "rotate_deg": 15, "scale": 0.1, "shift": 0.1}
FORM: dict[str, Any] = {"scaling": "signed", "channels": 3, "balance_to": 4500}
RESNET = "macro F1 0.503 validation after 40 epochs; after 15: 47.60 %, macro F1 0.410 validation; 418 k parameters"
MOBILENET = "macro F1 0.423 validation after 40 epochs; after 15: 42.96 %, macro F1 0.336 validation; 130 k parameters"
VGG = "27.77 % validation, macro F1 printed as 0.11 %, happy 0.420, disgust 0.000; 14.7 M parameters"
ROWS = (
    row(STUDY, "light_resnet", CONSTANT, AUGMENT, published=RESNET, **FORM),
    row(STUDY, "light_mobilenet", FALLING, AUGMENT, published=MOBILENET, dropout=0.15, **FORM),
    row(STUDY, "vgg16", SHORT, AUGMENT, published=VGG, note="from scratch", dropout=0.25, **FORM),
)


def _of_grid(network: str, fit: FitConfig, dropout: float, figures: tuple[float, float, float, float]) -> Experiment:
    """A setting of the grid.

    Args:
        network: its name.
        fit: its training.
        dropout: before the head.
        figures: of validation: accuracy, macro F1, F1 of happy and of disgust, %.
    """
    name = f"{network}-{fit.optimizer}-lr{fit.lr:g}-dropout{dropout:g}-decay{fit.weight_decay:g}"
    accuracy, *scores = figures
    macro, happy, disgust = (score / 100 for score in scores)
    published = f"{accuracy:.2f} % validation, macro F1 {macro:.3f}, happy {happy:.3f}, disgust {disgust:.3f}"
    form = FORM | {"network": network, "dropout": dropout}
    return row("compact-grid", name, fit, AUGMENT, published=published, **form)


FASTER, SGD = replace(SHORT, lr=1e-2), replace(SHORT, optimizer="sgd", lr=1e-3)
DECAYED = replace(SHORT, weight_decay=1e-4)
EXTRA = (
    _of_grid("light_resnet", SHORT, 0.0, (47.60, 40.95, 76.30, 14.77)),
    _of_grid("light_resnet", SHORT, 0.15, (45.20, 32.99, 72.10, 17.82)),
    _of_grid("light_resnet", FASTER, 0.15, (37.30, 27.93, 61.60, 4.11)),
    _of_grid("light_resnet", SHORT, 0.20, (45.90, 35.96, 74.40, 10.80)),
    _of_grid("light_resnet", SGD, 0.15, (42.00, 33.65, 63.40, 3.54)),
    _of_grid("light_mobilenet", SHORT, 0.0, (31.70, 24.92, 66.35, 7.22)),
    _of_grid("light_mobilenet", DECAYED, 0.0, (41.08, 32.71, 17.34, 11.61)),
    _of_grid("light_mobilenet", SHORT, 0.15, (42.76, 36.73, 75.81, 9.07)),
    _of_grid("light_mobilenet", DECAYED, 0.15, (42.96, 33.56, 74.32, 9.44)),
    _of_grid("light_mobilenet", replace(SGD, weight_decay=1e-4), 0.15, (32.13, 26.13, 56.73, 2.66)),
)
