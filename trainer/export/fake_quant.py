"""A float .tflite as a trainable PyTorch network that rounds wherever the int8 file will round.

It computes as LiteRT does: an activation is a whole number of steps from its zero point, weights
are whole steps of their channel, and what leaves an operator is rounded and clipped to the next
grid. Gradients pass straight through the rounding (Bengio et al. 2013, arXiv:1308.3432), to the
weights and to the ends of every range (Esser et al. 2020, arXiv:1902.08153). It is built from the
exported graph, so it rounds nowhere else, whatever the architecture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from trainer.errors import GateError
from trainer.export.quantise import Ranges

LOGISTIC = (0.0, 255 / 256)  # the range that LiteRT gives to what a sigmoid returns
SAME = 0  # LiteRT's code of the padding that keeps the size
RELU = 1  # LiteRT's code of the activation that an operator ends with


@dataclass(frozen=True)
class Steps:
    """An activation on its int8 grid: `count` steps of `size`, (N, C, H, W) or (N, C)."""

    count: Tensor
    size: Tensor

    @property
    def value(self) -> Tensor:
        """The real values: `count` x `size`."""
        return self.count * self.size


class Rounding(torch.autograd.Function):
    """Amounts to counts of int8 steps; the gradient goes straight through where nothing is clipped.

    The ends of the range learn from what is clipped and from how far values are rounded (learned
    step size). Written out, because autograd's own chain of a dozen passes over every map costs
    more than the convolutions do.
    """

    @staticmethod
    def forward(ctx: Any, amount: Tensor, ratio: Tensor, bias: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Round `amount` x `ratio` + `bias`, half to even."""
        exact = (amount * ratio).add_(bias)
        size = (high - low) / 255
        lowest = -128 - (-128 - low / size).round()  # in steps from the zero point
        count = exact.round().clamp_(lowest, lowest + 255)
        ctx.save_for_backward(exact, count, ratio, size, lowest)
        return count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor, Tensor, Tensor]:
        """Of the amount, the bias and both ends; sizes of steps are constants everywhere else."""
        exact, count, ratio, size, lowest = ctx.saved_tensors
        below, above = exact < lowest - 0.5, exact > lowest + 255.5
        passed = gradients[0].masked_fill(below | above, 0)
        to_bias = passed.sum([0, *range(2, passed.ndim)], keepdim=True)
        widening = ((count - exact) * passed).sum() / 255
        to_low, to_high = ((gradients[0] * clipped).sum() for clipped in (below, above))
        return passed * ratio, None, to_bias, (to_low - widening) / size, (to_high + widening) / size


class Grid(nn.Module):
    """256 even steps over one activation's range.

    Args:
        low, high: the range; zero lies inside.
        trainable: whether the ends may move; an end at zero stays there.
    """

    def __init__(self, low: float, high: float, trainable: bool = True) -> None:
        super().__init__()
        self.ends: Tensor
        self.register_buffer("ends", torch.tensor([low, high]))
        self.stretch = nn.Parameter(torch.ones(2), requires_grad=trainable)

    def range(self) -> tuple[float, float]:
        """Low and high after the training so far."""
        low, high = (self.ends * self.stretch).tolist()
        return low, high

    def forward(self, amount: Tensor, unit: Tensor | float = 1.0, bias: Tensor | float = 0.0) -> Steps:
        """The steps nearest to (`amount` + `bias`) x `unit`, both scalar or one a channel."""
        low, high = self.ends * self.stretch
        size = (high - low).detach() / 255
        ratio = torch.as_tensor(unit / size).view(1, -1, *[1] * (amount.ndim - 2))
        shift = (bias * ratio.flatten()).view_as(ratio)
        return Steps(Rounding.apply(amount, ratio, shift, low, high), size)  # type: ignore[no-untyped-call]


Known = dict[int, Steps]  # what has been computed so far, by tensor


class FakeQuantNet(nn.Module):
    """The network of a float .tflite, computed as its int8 form will be.

    Args:
        model: a float .tflite.
        ranges: of every activation, by tensor name.

    Raises:
        GateError: the graph has an operator that is not known here.
    """

    def __init__(self, model: bytes, ranges: Ranges) -> None:
        super().__init__()
        from ai_edge_litert.tools import flatbuffer_utils as flatbuffer

        self.content = flatbuffer.read_model_from_bytearray(bytearray(model))
        self.graph = self.content.subgraphs[0]
        self.operators = [(flatbuffer.opcode_to_name(self.content, op.opcodeIndex), op) for op in self.graph.operators]
        unknown = next((kind for kind, _ in self.operators if kind not in OPERATORS), None)
        if unknown is not None:
            raise GateError(f"no model is written, QAT cannot simulate the operator {unknown}.")
        self.weights = nn.ParameterDict()
        self.grids = nn.ModuleDict({str(i): Grid(*ranges[self._name(i)], trainable=False) for i in self.graph.inputs})
        for kind, op in self.operators:
            if kind not in KEEP_GRID:
                fixed = kind == "LOGISTIC"
                low, high = LOGISTIC if fixed else ranges[self._name(op.outputs[0])]
                relu = getattr(op.builtinOptions, "fusedActivationFunction", 0) == RELU
                self.grids[str(op.outputs[0])] = Grid(0.0 if relu else low, high, trainable=not fixed)
            if kind in WEIGHTED:
                for index in op.inputs[1:]:
                    self.weights[str(index)] = nn.Parameter(torch.from_numpy(self.constant(index, np.float32)))

    def forward(self, faces: Tensor) -> Tensor:
        """Logits (N, K) of faces (N, 1, S, S) in [0, 1], as the int8 file computes them."""
        entrance, exit_ = int(self.graph.inputs[0]), int(self.graph.outputs[0])
        known: Known = {entrance: self.grids[str(entrance)](faces)}
        for kind, op in self.operators:
            known[int(op.outputs[0])] = OPERATORS[kind](self, op, known)
        return known[exit_].value

    def grid(self, op: Any) -> Grid:
        """The grid of what an operator returns."""
        return self.grids[str(op.outputs[0])]  # type: ignore[return-value]

    def ranges(self) -> Ranges:
        """The range of every activation that has one of its own, by tensor name."""
        return {self._name(int(i)): grid.range() for i, grid in self.grids.items()}  # type: ignore[operator]

    def constant(self, index: int, kind: type[np.generic]) -> NDArray[Any]:
        """A constant of the graph, as numbers of its kind."""
        tensor = self.graph.tensors[index]
        return np.frombuffer(bytes(self.content.buffers[tensor.buffer].data), kind).reshape(tensor.shape).copy()

    def float_tflite(self) -> bytes:
        """The float .tflite with the weights after the training so far."""
        from ai_edge_litert.tools import flatbuffer_utils as flatbuffer

        for index, weight in self.weights.items():
            buffer = self.content.buffers[self.graph.tensors[int(index)].buffer]
            buffer.data = np.frombuffer(weight.detach().cpu().contiguous().numpy().tobytes(), np.uint8)
        return bytes(flatbuffer.convert_object_to_bytearray(self.content))

    def _name(self, index: int) -> str:
        return str(self.graph.tensors[index].name.decode())


def _rounded(x: Tensor) -> Tensor:
    """Rounded half to even; the gradient is that of `x`."""
    return x + (x.round() - x).detach()


def _weight_steps(weight: Tensor, channel: int) -> tuple[Tensor, Tensor]:
    """Weights as whole steps of -127..127, and the size of each output channel's step."""
    others = [d for d in range(weight.ndim) if d != channel]
    size = weight.detach().abs().amax(others, keepdim=True).clamp_min(1e-9) / 127
    return _rounded(weight / size), size.flatten()


def _sums(net: FakeQuantNet, op: Any, known: Known, channel: int) -> tuple[Steps, Tensor, Tensor, Tensor]:
    """Operands of a weighted operator: input, weights, bias in steps, and the sum's step."""
    source = known[int(op.inputs[0])]
    weight, size = _weight_steps(net.weights[str(op.inputs[1])], channel)
    unit = source.size * size
    return source, weight, _rounded(net.weights[str(op.inputs[2])] / unit), unit


def _convolution(net: FakeQuantNet, op: Any, known: Known) -> Steps:
    depthwise = "depthMultiplier" in vars(op.builtinOptions)
    source, weight, bias, unit = _sums(net, op, known, 3 if depthwise else 0)
    kernel = weight.permute((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))  # (outputs, inputs, H, W)
    options = op.builtinOptions
    padding = kernel.shape[-1] // 2 if options.padding == SAME else 0
    groups = source.count.shape[1] if depthwise else 1
    sums = functional.conv2d(source.count, kernel, None, options.strideH, padding, groups=groups)
    return net.grid(op)(sums, unit, bias)  # type: ignore[no-any-return]


def _linear(net: FakeQuantNet, op: Any, known: Known) -> Steps:
    source, weight, bias, unit = _sums(net, op, known, 0)
    return net.grid(op)(functional.linear(source.count, weight), unit, bias)  # type: ignore[no-any-return]


def _add(net: FakeQuantNet, op: Any, known: Known) -> Steps:
    one, other = (known[int(i)] for i in op.inputs)
    return net.grid(op)(one.value + other.value)  # type: ignore[no-any-return]


def _mul(net: FakeQuantNet, op: Any, known: Known) -> Steps:
    one, other = (known[int(i)] for i in op.inputs)
    return net.grid(op)(one.count * other.count, one.size * other.size)  # type: ignore[no-any-return]


def _mean(net: FakeQuantNet, op: Any, known: Known) -> Steps:
    source = known[int(op.inputs[0])]
    mean = source.count.mean((2, 3), keepdim=op.builtinOptions.keepDims)
    return net.grid(op)(mean, source.size)  # type: ignore[no-any-return]


def _logistic(net: FakeQuantNet, op: Any, known: Known) -> Steps:
    return net.grid(op)(known[int(op.inputs[0])].value.sigmoid())  # type: ignore[no-any-return]


def _max_pool(net: FakeQuantNet, op: Any, known: Known) -> Steps:
    source, options = known[int(op.inputs[0])], op.builtinOptions
    return Steps(functional.max_pool2d(source.count, options.filterHeight, options.strideH), source.size)


def _pad(net: FakeQuantNet, op: Any, known: Known) -> Steps:
    source, around = known[int(op.inputs[0])], net.constant(op.inputs[1], np.int32)  # (4, 2): N, H, W, C
    return Steps(functional.pad(source.count, (*around[2].tolist(), *around[1].tolist())), source.size)


OPERATORS = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _linear,
    "ADD": _add,
    "MUL": _mul,
    "MEAN": _mean,
    "LOGISTIC": _logistic,
    "MAX_POOL_2D": _max_pool,
    "PAD": _pad,
}
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
KEEP_GRID = ("MAX_POOL_2D", "PAD")  # what goes out lies on the grid of what comes in
