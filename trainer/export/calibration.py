"""The ranges of activations, measured on training faces and refined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.inference.preprocess import dequantise, quantise
from trainer.export.litert_export import quiet
from trainer.export.quantise import Ranges, to_int8_tflite

SWEEPS = (
    (0.9, 0.8, 0.7, 0.55, 0.4, 0.2),
    (0.9, 0.8, 0.7, 0.55, 0.4, 0.2, 1.1, 1.25),
)  # factors that an end is tried at
OUTPUT_PERCENTILES = (5, 99.9)  # of the logits, between which the output keeps its resolution


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
    """The ranges, each end moved to where int8 logits come nearest to float, tensor by tensor.

    A wide range keeps rare extremes and rounds everything else coarsely; which is best shows only
    at the network's output. What a ReLU cuts off behind an addition needs no range at all, for
    example. The output's range then drops the tails that decide nothing, so that near ties differ
    in finer steps.

    Args:
        float_model: a float .tflite.
        ranges: as `activation_ranges` gives them; the first is the input's and stays, the last is
            the output's.
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
    """Logits (N, K), float32, of a float or int8 .tflite for inputs (N, S, S, 1)."""
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
    """Logits less their mean over the classes, which softmax ignores."""
    return np.asarray(logits - logits.mean(1, keepdims=True), dtype=np.float32)


def _interpreter(model: bytes, preserve: bool = False) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(model_content=model, num_threads=1, experimental_preserve_all_tensors=preserve)
        interpreter.allocate_tensors()
    return interpreter


def _graph(interpreter: Any) -> list[dict[str, Any]]:
    """The graph's own operators; those a delegate replaced are still listed beside it."""
    return [op for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]
