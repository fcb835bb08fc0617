"""Weights with torchvision's key names find their place in our ResNets."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.artifacts.torchvision_weights import load_imagenet, torchvision_name
from trainer.errors import CheckpointError
from trainer.models.resnet import ResNetTrunk

DEPTHS = (1, 2, 1, 1)


def trunk(bottleneck: bool = False, width: float = 0.125) -> ResNetTrunk:
    return ResNetTrunk(DEPTHS, se=False, width=width, bottleneck=bottleneck, imagenet_stem=True, inputs=3)


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        ("stem.0.0.weight", "conv1.weight"),
        ("stem.0.1.running_mean", "bn1.running_mean"),
        ("blocks.2.second.0.weight", "layer2.1.conv2.weight"),
        ("blocks.3.third.1.num_batches_tracked", "layer3.0.bn3.num_batches_tracked"),
        ("blocks.1.shortcut.0.weight", "layer2.0.downsample.0.weight"),
        ("blocks.4.shortcut.1.bias", "layer4.0.downsample.1.bias"),
    ],
)
def test_names(own: str, theirs: str) -> None:
    assert torchvision_name(own, DEPTHS) == theirs


@pytest.mark.parametrize("bottleneck", [False, True])
def test_every_weight_arrives(tmp_path: Path, bottleneck: bool) -> None:
    torch.manual_seed(0)
    source, target = trunk(bottleneck), trunk(bottleneck)
    content = {torchvision_name(name, DEPTHS): value for name, value in source.state_dict().items()}
    torch.save(content | {"fc.weight": torch.rand(1000, 8), "fc.bias": torch.rand(1000)}, tmp_path / "resnet.pth")
    load_imagenet(tmp_path / "resnet.pth", target)
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in target.state_dict().items())


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    content = {torchvision_name(name, DEPTHS): value for name, value in trunk(width=0.25).state_dict().items()}
    torch.save(content, tmp_path / "wide.pth")
    torch.save([1], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for name, says in (
        ("wide", "not the weights of this"),
        ("list", "no weights"),
        ("text", "no weights"),
        ("x", "read"),
    ):
        with pytest.raises(CheckpointError, match=says):
            load_imagenet(tmp_path / f"{name}.pth", trunk())
