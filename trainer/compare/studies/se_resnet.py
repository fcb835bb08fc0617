"""The SE-ResNet comparison: VGGs, ResNets with and without SE, and MobileNets on FER2013.

What the study reports: grey faces of 48 pixels in [0, 1]; Adam at 3e-4, a tenth of it after 4
epochs without a better validation accuracy, 50 epochs, batches of 64, the best weights kept;
classes weighted by their inverse frequency, the output's bias starts at the frequencies; mirror
images, and at probability one half a random crop, resized. VGGs end in the mean over the map
instead of their 4,096 units; the first and the last stride of the MobileNets are 1. Official
splits: PublicTest is validation, PrivateTest the test.

What we decided: the crop keeps at least 64 % of the face; no weight decay. Its augmentation table
(`EXTRA`), of ResNet18, has rotation and erasing too, each after mirroring and cropping; their
strengths are ours, and rotation is drawn for every face. Its third line is the row of ResNet18.
"""

from __future__ import annotations

from trainer.compare.studies.experiment import row
from trainer.config import FitConfig

STUDY = "se-resnet"
FIT = FitConfig(
    epochs=50, batch_size=64, optimizer="adam", lr=3e-4, weight_decay=0, schedule="plateau", plateau_epochs=4,
    plateau_factor=0.1, warmup_epochs=0, class_weights=True, bias_from_frequencies=True, ema=0,
)  # fmt: skip
AUGMENT = {"flip": 0.5, "crop": 0.5, "crop_area": 0.64}
FIGURES = {
    "vgg11": (68.54, 68.21, 96.51, 9.2, 786.7),
    "vgg13": (69.23, 68.34, 98.62, 9.4, 946.4),
    "vgg16": (69.49, 68.40, 90.81, 14.7, 1069.8),
    "vgg19": (69.35, 68.40, 94.58, 20.0, 1229.4),
    "resnet18": (70.10, 70.10, 95.48, 11.1, 1528.9),
    "resnet34": (69.46, 68.43, 94.16, 21.2, 2574.0),
    "resnet50": (69.55, 67.85, 85.21, 23.5, 5227.1),
    "se_resnet18": (70.08, 69.07, 97.84, 11.3, 1655.6),
    "se_resnet34": (70.80, 69.41, 97.60, 21.4, 2844.3),
    "se_resnet50": (70.02, 68.88, 96.44, 26.0, 6620.7),
    "mobilenet_v2": (64.84, 65.31, 91.59, 2.3, 1874.2),
    "mobilenet_v3_large": (63.56, 63.47, 93.17, 4.2, 2167.0),
    "mobilenet_v3_small": (61.66, 60.37, 90.13, 1.8, 751.9),
}
"""PrivateTest, PublicTest and Training, %; million parameters; ms for PrivateTest."""


def _published(name: str) -> str:
    test, validation, training, parameters, ms = FIGURES[name]
    return (
        f"{test:.2f} % PrivateTest, {validation:.2f} % validation, {training:.2f} % training; "
        f"{parameters} M parameters; {ms:,.1f} ms for PrivateTest"
    )


ROWS = tuple(row(STUDY, name, FIT, AUGMENT, published=_published(name)) for name in FIGURES)

EXTRA = tuple(
    row(
        "se-resnet-augmentation",
        f"resnet18-{name}",
        FIT,
        augment,
        published=f"{validation:.2f} % validation",
        network="resnet18",
    )
    for name, augment, validation in (
        ("none", {}, 60.33),
        ("flip", {"flip": 0.5}, 63.97),
        ("flip-crop-rotation", AUGMENT | {"rotate_deg": 10}, 67.04),
        ("flip-crop-erasing", AUGMENT | {"erase": 0.5, "erase_area": 0.2}, 69.32),
    )
)
