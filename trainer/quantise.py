"""PyTorch -> float .tflite -> full-int8 .tflite, with calibration ranges of our own.

The quantizer's own calibration is a moving average of per-sample extremes, which depends on the order of the samples.
Here each tensor's range begins at the extremes over many faces, and is then pulled in as long as the logits come nearer
to the float network's. The input's range is [0, 1] exactly, so that its scale is 1/255 and its zero point -128: raw
pixels minus 128 go in.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.inference.preprocess import dequantise, quantise
from trainer.errors import GateError
from trainer.models import ExpressionNet
from trainer.models.branches import fuse_branches

SWEEPS = ((0.9, 0.8, 0.7, 0.55, 0.4, 0.2), (0.9, 0.8, 0.7, 0.55, 0.4, 0.2, 1.1, 1.25))  # what an end is tried at
OUTPUT_PERCENTILES = (5, 99.9)  # of the logits, between which the output keeps its resolution
Ranges = dict[str, tuple[float, float]]


def to_float_tflite(model: ExpressionNet, size: int) -> bytes:
    """The network as a float32 .tflite: input (1, size, size, 1), output logits (1, K).

    Batch-norm is folded into the convolutions and the training-only second head is left out.
    """
    import torch

    with quiet(), tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        import litert_torch

        wrapped = litert_torch.to_channel_last_io(fold_batch_norm(model), args=[0]).eval()
        litert_torch.convert(wrapped, (torch.zeros(1, size, size, 1),)).export(file.name)
        return _with_short_names(file.read())


def fold_batch_norm(model: ExpressionNet) -> ExpressionNet:
    """A copy in eval mode with the emotion head only, whose convolutions carry their branches and their batch-norm."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    folded = fuse_branches(model).eval()
    folded.votes = None
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            for index in range(len(module) - 1):
                first, second = module[index], module[index + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[index], module[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return folded


def _with_short_names(model: bytes) -> bytes:
    """Tensors named by place and operator: the exporter's names are paths of modules, a twentieth of the file."""
    from ai_edge_litert.tools import flatbuffer_utils as flatbuffer

    content = flatbuffer.read_model_from_bytearray(bytearray(model))
    graph = content.subgraphs[0]
    for index, tensor in enumerate(graph.tensors):
        tensor.name = f"t{index}".encode()
    for index, op in enumerate(graph.operators):
        kind = str(flatbuffer.opcode_to_name(content, op.opcodeIndex)).lower()
        for tensor_index in op.outputs:
            graph.tensors[tensor_index].name = f"{index:02d}_{kind}".encode()
    return bytes(flatbuffer.convert_object_to_bytearray(content))


def activation_ranges(float_model: bytes, inputs: NDArray[np.float32], percentile: float = 100.0) -> Ranges:
    """The range of every activation over many faces, by tensor name; zero is always inside.

    Args:
        float_model: a float .tflite.
        inputs: float32 (N, S, S, 1), as `device.inference.preprocess.to_input` makes them.
        percentile: of the faces, whose highest value the range holds; and of those whose lowest.
    """
    interpreter = _interpreter(float_model, preserve=True)
    names = {d["index"]: d["name"] for d in interpreter.get_tensor_details()}
    entrance = interpreter.get_input_details()[0]
    indices = sorted({int(i) for op in _graph(interpreter) for i in op["outputs"]})
    extremes = np.empty((len(inputs), len(indices), 2))
    for row, face in zip(extremes, inputs, strict=True):
        interpreter.set_tensor(entrance["index"], face[np.newaxis])
        interpreter.invoke()
        for ends, index in zip(row, indices, strict=True):
            values = interpreter.get_tensor(index)
            ends[:] = values.min(), values.max()
    lows = np.minimum(0.0, np.percentile(extremes[:, :, 0], 100 - percentile, axis=0))
    highs = np.maximum(0.0, np.percentile(extremes[:, :, 1], percentile, axis=0))
    measured = {names[i]: (float(low), float(high)) for i, low, high in zip(indices, lows, highs, strict=True)}
    return {entrance["name"]: (0.0, 1.0), **measured}


def refine_ranges(float_model: bytes, ranges: Ranges, inputs: NDArray[np.float32]) -> Ranges:
    """The ranges, each end moved to where the int8 logits come nearest to the float ones, tensor after tensor.

    A wide range keeps rare extremes and rounds everything else coarsely; what is best shows only at the network's end.
    What a ReLU cuts off behind an addition needs no range at all, for example, and is found to need none. The output's
    range then gives up the tails that no decision hangs on, so that near ties are told apart in finer steps.

    Args:
        float_model: a float .tflite.
        ranges: as `activation_ranges` gives them; the first is the input's and stays, the last is the output's.
        inputs: float32 (N, S, S, 1).
    """
    logits = logits_of(float_model, inputs)
    reference = _centred(logits)

    def error(tried: Ranges) -> float:
        return float(((_centred(logits_of(to_int8_tflite(float_model, tried), inputs)) - reference) ** 2).mean())

    best = error(ranges)
    for factors in SWEEPS:
        for name in list(ranges)[1:]:
            for tried in _moved(*ranges[name], factors):
                found = error(ranges | {name: tried})
                if found < best:
                    ranges, best = ranges | {name: tried}, found
    output = list(ranges)[-1]
    low, high = np.percentile(logits, OUTPUT_PERCENTILES)
    return ranges | {output: (max(ranges[output][0], float(low)), min(ranges[output][1], float(high)))}


def _moved(low: float, high: float, factors: Iterable[float]) -> list[tuple[float, float]]:
    """A range with one of its ends multiplied by each factor."""
    return [(low * k, high) for k in factors if low] + [(low, high * k) for k in factors if high]


def logits_of(model: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a .tflite, float or int8, says about inputs (N, S, S, 1): float32 (N, K)."""
    interpreter = _interpreter(model)
    entrance, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    is_int8 = entrance["dtype"] == np.int8
    rows = []
    for face in quantise(inputs, *entrance["quantization"]) if is_int8 else inputs:
        interpreter.set_tensor(entrance["index"], face[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(exit_["index"])[0])
    return dequantise(np.stack(rows), *exit_["quantization"]) if is_int8 else np.stack(rows)


def _centred(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits less their mean over the classes, which softmax does not see."""
    return np.asarray(logits - logits.mean(1, keepdims=True), dtype=np.float32)


def to_int8_tflite(float_model: bytes, ranges: Ranges) -> bytes:
    """Full int8: weights per channel, activations per tensor, input and output too.

    Raises:
        GateError: the quantizer cannot take the graph.
    """
    statistics = {name: {"min": _array(low), "max": _array(high)} for name, (low, high) in ranges.items()}
    with quiet():
        from ai_edge_quantizer import quantizer, recipe

        worker = quantizer.Quantizer(float_model, recipe.static_wi8_ai8())
        try:
            result = worker.quantize(statistics, enable_progress_report=False)
        except (RuntimeError, ValueError) as error:
            raise GateError(f"int8: the network cannot be quantised: {error}") from error
    return bytes(result.quantized_model)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the converters' chatter, which comes from C++ too, off the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        saved = os.dup(1), os.dup(2)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy_ in zip((1, 2), saved, strict=True):
                os.dup2(copy_, number)
                os.close(copy_)


def _interpreter(model: bytes, preserve: bool = False) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(model_content=model, num_threads=1, experimental_preserve_all_tensors=preserve)
        interpreter.allocate_tensors()
    return interpreter


def _graph(interpreter: Any) -> list[dict[str, Any]]:
    """The graph's own operators; those a delegate replaced are still listed beside it."""
    return [op for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]


def _array(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32).reshape(1, 1)
