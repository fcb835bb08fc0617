"""ImageNet weights for our ResNets, from a file with torchvision's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from trainer.errors import CheckpointError
from trainer.models.resnet import ResNetTrunk

PARTS = {"first": ("conv1", "bn1"), "second": ("conv2", "bn2"), "third": ("conv3", "bn3")}
SHORTCUT = ("downsample.0", "downsample.1")


def load_imagenet(path: Path, trunk: ResNetTrunk) -> None:
    """Load a file into a ResNet trunk, without torchvision's last layer for ImageNet's classes.

    Raises:
        CheckpointError: the file cannot be read, or does not hold the weights of this ResNet.
    """
    theirs = _read(path)
    own = trunk.state_dict()
    names = {name: torchvision_name(name, trunk.depths) for name in own}
    wrong = [name for mine, name in names.items() if name not in theirs or theirs[name].shape != own[mine].shape]
    if wrong:
        raise CheckpointError(
            f"{path}: these are not the weights of this ResNet, {wrong[0]} is missing or of another size."
        )
    trunk.load_state_dict({mine: theirs[name] for mine, name in names.items()})


def torchvision_name(name: str, depths: tuple[int, ...]) -> str:
    """Torchvision's name of a tensor in our ResNet trunk.

    For example, `blocks.2.first.0.weight` is `layer2.0.conv1.weight`.
    """
    group, *rest = name.split(".")
    if group == "stem":
        _, index, kind = rest
        return f"{('conv1', 'bn1')[int(index)]}.{kind}"
    place, part, index, kind = rest
    stage, block = _stage(int(place), depths)
    return f"layer{stage}.{block}.{PARTS.get(part, SHORTCUT)[int(index)]}.{kind}"


def _stage(place: int, depths: tuple[int, ...]) -> tuple[int, int]:
    """Stage, counted from 1, and index in it, of a block's index over all stages."""
    for stage, depth in enumerate(depths, start=1):
        if place < depth:
            return stage, place
        place -= depth
    raise ValueError("there are more blocks than in the depths")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: the ImageNet weights cannot be read: {error.strerror}.") from error
    except Exception as error:  # torch.load of a damaged file raises many types
        raise CheckpointError(
            f"{path}: these are no weights in torchvision's format, or the file is truncated."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: these are no weights in torchvision's format.")
    return content
