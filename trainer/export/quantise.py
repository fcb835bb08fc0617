"""PyTorch -> float .tflite -> full-int8 .tflite, with calibration ranges of our own.

The quantizer's own calibration is a moving average of per-sample extremes, which depends on the
order of the samples. Here each tensor's range begins at the extremes over many faces, and is then
narrowed as long as the logits come nearer to the float network's. The input's range is [0, 1]
exactly, so that its scale is 1/255 and its zero point -128: the int8 input is the raw pixel minus
128.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.errors import GateError
from trainer.export.litert_export import quiet

Ranges = dict[str, tuple[float, float]]


def to_int8_tflite(float_model: bytes, ranges: Ranges) -> bytes:
    """Full int8: weights per channel, activations per tensor, input and output too.

    Raises:
        GateError: the quantizer does not support the graph.
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


def _array(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32).reshape(1, 1)
