#!/usr/bin/env python3
"""Writes device/models/face-yunet.tflite, from the weights inside a wheel of PyPI's `yuface`.

    pip download --no-deps yuface==2023.5.1
    .venv/bin/python scripts/training/face_detector.py yuface-2023.5.1-cp311-*x86_64.whl

YuNet (Wu, Peng & Yu 2023, doi:10.1007/s11633-023-1423-y) is the network of libfacedetection, which
compiles its weights, float32 and under the 3-clause BSD licence, into its shared library. The
network is built again here in PyTorch, given these weights, and converted to a float .tflite.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from device.vision.detectors.yunet import HEIGHT, MODEL, WIDTH
from trainer.export.litert_export import quiet, with_short_names

LAYERS = 53  # convolutions, in the order of the library's table
LIBRARY = "yuface/libfacedetection.so"

Floats = NDArray[np.float32]


class LayerInfo(ctypes.Structure):
    """A row of the library's table `param_pConvInfo`."""

    _fields_ = (
        ("inputs", ctypes.c_int),
        ("outputs", ctypes.c_int),
        ("depthwise", ctypes.c_bool),
        ("pointwise", ctypes.c_bool),
        ("relu", ctypes.c_bool),
        ("weights", ctypes.POINTER(ctypes.c_float)),
        ("biases", ctypes.POINTER(ctypes.c_float)),
    )


class SeparableConv(nn.Module):
    """A pointwise convolution, then a 3x3 depthwise one; ReLU after both, or not at all."""

    def __init__(self, inputs: int, outputs: int, relu: bool = True) -> None:
        super().__init__()
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.depthwise = nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        x = self.depthwise(self.pointwise(x))
        return functional.relu(x) if self.relu else x


class YuNet(nn.Module):
    """(1, 3, H, W) BGR in [0, 255] to (1, cells, 16): class, objectness, box (4), points (10).

    H and W are multiples of 32. Cells: strides 8, 16, 32, each row by row.
    """

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        widths = [(16, 16), (16, 16), (16, 32), (32, 32), (32, 64), *[(64, 64)] * 6]
        self.backbone = nn.ModuleList(SeparableConv(*width) for width in widths)
        self.neck = nn.ModuleList(SeparableConv(64, 64) for _ in range(3))  # strides 8, 16, 32
        self.heads = nn.ModuleList(
            nn.ModuleList(SeparableConv(64, outputs, relu=False) for _ in range(3)) for outputs in (1, 4, 1, 10)
        )  # class, box, objectness, points; each for strides 8, 16, 32

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        layers, neck = self.backbone, self.neck
        x = layers[0](functional.relu(self.head(x)))
        x = layers[4](layers[3](layers[2](layers[1](functional.max_pool2d(x, 2)))))
        fine = layers[6](layers[5](functional.max_pool2d(x, 2)))
        middle = layers[8](layers[7](functional.max_pool2d(fine, 2)))
        coarse = neck[2](layers[10](layers[9](functional.max_pool2d(middle, 2))))
        middle = neck[1](middle + _twice(coarse))
        fine = neck[0](fine + _twice(middle))
        return torch.cat([self._rows(level, x) for level, x in enumerate((fine, middle, coarse))], 1)

    def _rows(self, level: int, x: Tensor) -> Tensor:
        classes, boxes, objects, points = (head[level](x) for head in self.heads)  # type: ignore[index]
        return torch.cat([classes, objects, boxes, points], 1).permute(0, 2, 3, 1).reshape(1, -1, 16)


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def main() -> int:
    """Convert; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="a wheel of yuface for this kind of machine")
    parser.add_argument("--out", type=Path, default=MODEL, help="default: %(default)s")
    args = parser.parse_args()
    network = YuNet().eval()
    load(network, read_layers(args.wheel))
    args.out.write_bytes(to_tflite(network))
    return 0


def read_layers(wheel: Path) -> list[tuple[Floats, Floats]]:
    """Weights (flat) and biases of every convolution, from the library in the wheel."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        for dependency in Path(folder).glob("yuface.libs/*.so*"):
            ctypes.CDLL(str(dependency), ctypes.RTLD_GLOBAL)
        library = ctypes.CDLL(str(Path(folder) / LIBRARY))
        table = (LayerInfo * LAYERS).in_dll(library, "param_pConvInfo")
        return [_layer(row) for row in table]


def _layer(row: LayerInfo) -> tuple[Floats, Floats]:
    count = row.outputs * (9 if row.depthwise else row.inputs)
    weights = np.ctypeslib.as_array(row.weights, (count,)).copy()
    return weights, np.ctypeslib.as_array(row.biases, (row.outputs,)).copy()


def load(network: YuNet, layers: list[tuple[Floats, Floats]]) -> None:
    """Give the network its weights; the table has the order of the network's modules."""
    head, *pairs = layers
    patches = head[0].reshape(16, 32)[:, :27].reshape(16, 3, 3, 3)  # 27 inputs: row, column, colour; padded to 32
    _set(network.head, patches.transpose(0, 3, 1, 2), head[1])
    convolutions = [module for module in network.modules() if isinstance(module, SeparableConv)]
    for number, module in enumerate(convolutions):
        pointwise, depthwise = pairs[2 * number], pairs[2 * number + 1]
        _set(module.pointwise, pointwise[0].reshape(module.pointwise.weight.shape), pointwise[1])
        taps = depthwise[0].reshape(9, -1).T  # stored position by position
        _set(module.depthwise, taps.reshape(module.depthwise.weight.shape), depthwise[1])


def _set(module: nn.Conv2d, weights: Floats, biases: Floats) -> None:
    assert module.bias is not None
    module.weight.data = torch.from_numpy(np.ascontiguousarray(weights))
    module.bias.data = torch.from_numpy(biases)


def to_tflite(network: YuNet) -> bytes:
    """The network as a float32 .tflite: input (1, HEIGHT, WIDTH, 3)."""
    with quiet(), tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        import litert_torch

        wrapped = litert_torch.to_channel_last_io(network, args=[0]).eval()
        litert_torch.convert(wrapped, (torch.zeros(1, HEIGHT, WIDTH, 3),)).export(file.name)
        return with_short_names(file.read())


if __name__ == "__main__":
    sys.exit(main())
