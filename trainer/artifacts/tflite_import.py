"""Turns a .tflite of this trainer back into a network, to continue training without a checkpoint.

The int8 weights are used as they are, so what quantisation rounded away is lost. Conversion folded
batch-norm into the convolutions; it is inserted again. Its statistics are measured on training
faces, and its scale and offset are chosen so that it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from device.inference.litert import load_interpreter
from device.inference.model_card import ModelCard, read_card
from trainer.config import StudentConfig
from trainer.errors import CheckpointError
from trainer.models import ExpressionNet, build_student

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class Layer:
    """One operator with weights; `side` is that of its output map."""

    weight: NDArray[np.float32]  # in PyTorch's layout: (O, I, H, W), or (O, I) of a linear layer
    bias: NDArray[np.float32]  # (O,)
    side: int

    @property
    def pointwise(self) -> bool:
        """Whether it is a 1x1 convolution on a map: a projected shortcut."""
        return self.weight.ndim == 4 and self.weight.shape[2] == 1 and self.side > 1


def recover(path: Path, faces: Tensor) -> tuple[ExpressionNet, StudentConfig, ModelCard]:
    """The student in a .tflite, in eval mode, with its config and its card.

    Args:
        path: int8 or float, as `trainer convert` writes it.
        faces: training faces, float (N, 1, 48, 48) in [0, 1], on which the batch-norm statistics
            are measured.

    Raises:
        ModelError: the file cannot be read.
        CheckpointError: it holds another network than a compact student.
    """
    card = read_card(path)
    interpreter = load_interpreter(path)
    try:
        layers = _layers(interpreter)
        config = replace(StudentConfig(), **_architecture(layers, card.input.size))
        model = build_student(config, len(card.labels))
        _fill(model, layers, faces)
    except (IndexError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: the network in this file is not a compact student of this trainer.") from error
    return model.eval(), config, card


def _layers(interpreter: Any) -> list[Layer]:
    """The operators with weights, in execution order."""
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    found = []
    for op in interpreter._get_ops_details():
        if op["op_name"] in WEIGHTED:
            weight, bias = (_values(interpreter, details[int(i)]) for i in op["inputs"][1:3])
            if weight.ndim == 4:
                # The converter turns a convolution of a one-channel input into a depthwise one.
                depthwise = op["op_name"] == "DEPTHWISE_CONV_2D"
                weight = weight.transpose(3, 0, 1, 2) if depthwise else weight.transpose(0, 3, 1, 2)
            shape = details[int(op["outputs"][0])]["shape"]
            found.append(Layer(weight, bias, int(shape[1]) if len(shape) == 4 else 1))
    return found


def _values(interpreter: Any, detail: dict[str, Any]) -> NDArray[np.float32]:
    """A constant tensor as real numbers."""
    stored = interpreter.get_tensor(detail["index"]).astype(np.float32)
    scales = detail["quantization_parameters"]["scales"]
    if not len(scales):
        return np.asarray(stored)
    axis = detail["quantization_parameters"]["quantized_dimension"]
    shape = [-1 if d == axis else 1 for d in range(stored.ndim)] if len(scales) > 1 else [1] * stored.ndim
    return np.asarray(stored * scales.reshape(shape), np.float32)


def _architecture(layers: list[Layer], size: int) -> dict[str, Any]:
    """The settings of a compact student, from the shapes of its layers."""
    shortcuts = [i for i, layer in enumerate(layers) if layer.pointwise]
    after = layers[shortcuts[-1] + 1 : -1]
    return {
        "channels": tuple(len(layers[i].bias) for i in shortcuts),
        "tail": len(after[0].bias) if after else 0,
        "stem_stride": size // layers[0].side,
        "se": any(layer.weight.ndim == 4 and layer.side == 1 for layer in layers),
    }


@torch.no_grad()
def _fill(model: ExpressionNet, layers: list[Layer], faces: Tensor) -> None:
    """Copy the layers' weights, then set batch-norms that change nothing on these faces."""
    modules = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    biases: dict[nn.Module, Tensor] = {}
    for module, layer in zip(modules, layers, strict=True):
        module.weight.copy_(torch.from_numpy(layer.weight).reshape(module.weight.shape))
        if module.bias is not None:
            module.bias.copy_(torch.from_numpy(layer.bias))
        biases[module] = torch.from_numpy(layer.bias)
    for pair in (m for m in model.modules() if isinstance(m, nn.Sequential)):
        for convolution, norm in zip(pair, list(pair)[1:], strict=False):
            if isinstance(norm, nn.BatchNorm2d):
                norm.register_forward_pre_hook(_neutral(biases[convolution]))
    model.eval()(faces)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm._forward_pre_hooks.clear()


def _neutral(bias: Tensor) -> Any:
    """A hook that sets a batch-norm's statistics from its input, and makes it add just the bias."""

    def fit(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(bias + mean)

    return fit
