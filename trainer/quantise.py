"""PyTorch -> float .tflite -> full-int8 .tflite, with calibration ranges of our own.

The quantizer's own calibration is a moving average of per-sample extremes, which depends on the order of the samples
and clips tails at random. Here each tensor's range is a percentile over many faces, and the input's range is [0, 1]
exactly, so that its scale is 1/255 and its zero point -128: raw pixels minus 128 go in.
"""

from __future__ import annotations

import contextlib
import copy
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import GateError
from trainer.models import ExpressionNet

SAMPLES = 512  # values drawn from each tensor for each face; all of them where there are fewer
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
    """A copy in eval mode whose convolutions carry their batch-norm, and which has only the emotion head."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    folded = copy.deepcopy(model).eval()
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


def activation_ranges(float_model: bytes, inputs: NDArray[np.float32], percentile: float) -> Ranges:
    """The range of every activation over many faces, by tensor name.

    Args:
        float_model: a float .tflite.
        inputs: float32 (N, S, S, 1), as `device.preprocess.to_input` makes them.
        percentile: share of a tensor's values, in percent, below the upper end (and above the lower end) of its range.
    """
    interpreter = _interpreter(float_model, preserve=True)
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    entrance = interpreter.get_input_details()[0]
    wanted = sorted({int(i) for op in _graph(interpreter) for i in op["outputs"]})
    generator = np.random.default_rng(0)
    drawn: dict[int, list[NDArray[np.float32]]] = {index: [] for index in wanted}
    for face in inputs:
        interpreter.set_tensor(entrance["index"], face[np.newaxis])
        interpreter.invoke()
        for index in wanted:
            drawn[index].append(_sample(interpreter.get_tensor(index), generator))
    ranges = {details[i]["name"]: _range(np.concatenate(v), percentile) for i, v in drawn.items()}
    return {entrance["name"]: (0.0, 1.0), **ranges}


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


def _sample(values: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    flat = values.ravel()
    return flat.copy() if flat.size <= SAMPLES else flat[generator.integers(0, flat.size, SAMPLES)]


def _range(values: NDArray[np.float32], percentile: float) -> tuple[float, float]:
    """Both ends, and zero always inside: it must be exact, for padding and ReLU."""
    low, high = np.percentile(values, (100 - percentile, percentile))
    return min(0.0, float(low)), max(0.0, float(high))


def _array(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32).reshape(1, 1)
