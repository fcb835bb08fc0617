"""The SE-ResNet comparison: VGGs, ResNets with and without SE, and MobileNets on FER2013.

What the study reports: grey faces of 48 pixels in [0, 1]; Adam at 3e-4, a tenth of it after 4
epochs without a better validation accuracy, 50 epochs, batches of 64, the best weights kept;
classes weighted by their inverse frequency, the output's bias starts at the frequencies; mirror
images, and at probability one half a random crop, resized. VGGs end in the mean over the map
instead of their 4,096 units; the first and the last stride of the MobileNets are 1. Official
splits. Its best row is SE-ResNet34 with 70.80 %.

What we decided: the crop keeps at least 64 % of the face; no weight decay. Its augmentation table
(`EXTRA`) adds rotation by up to 10 degrees, then random erasing.
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
NETWORKS = (
    *("vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "resnet34", "resnet50", "se_resnet18", "se_resnet34"),
    *("se_resnet50", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"),
)
PUBLISHED = {"se_resnet34": "70.80 %, split not known to us"}
ROWS = tuple(row(STUDY, name, FIT, AUGMENT, published=PUBLISHED.get(name, "")) for name in NETWORKS)

EXTRA = tuple(
    row("se-resnet-augmentation", f"se_resnet34-{name}", FIT, augment, network="se_resnet34")
    for name, augment in {
        "none": {},
        "flip": {"flip": 0.5},
        "flip-crop-rotation": AUGMENT | {"rotate_deg": 10},
        "flip-crop-erasing": AUGMENT | {"erase": 0.5, "erase_area": 0.2},
        "flip-crop-rotation-erasing": AUGMENT | {"rotate_deg": 10, "erase": 0.5, "erase_area": 0.2},
    }.items()
)
