"""Runs the expression network, after a check of the file against its card: faces to scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from device.errors import ModelError
from device.inference.litert import load_interpreter
from device.inference.model_card import ModelCard, read_card
from device.inference.preprocess import dequantise, quantise, to_input

BUNDLED = Path(__file__).parent.parent / "models" / "emotion.tflite"
PROFILES = {"accurate": BUNDLED, "fast": BUNDLED.with_name("emotion-fast.tflite")}  # by `device.model.bundled`

Float = TypeVar("Float", bound=np.floating[Any])


@dataclass(frozen=True, eq=False)
class Prediction:
    """The network's output for one face."""

    scores: NDArray[np.float32]  # (K,), calibrated by the card's temperature, sum 1
    index: int  # of the highest score


class Classifier:
    """Runs a .tflite according to its card.

    Args:
        model_path: a .tflite with a card inside; None takes the bundled one.
        threads: CPU threads of one inference.

    Raises:
        ModelError: the file cannot be read or loaded, has no card, or is not what its card says.
    """

    def __init__(self, model_path: Path | None = None, threads: int = 1) -> None:
        self.path = path = BUNDLED if model_path is None else model_path
        self.card = read_card(path)
        self._interpreter = load_interpreter(path, threads)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        for problem in _problems(self.card, inputs, outputs):
            raise ModelError(f"{path}: the model is not what its card says: {problem}; convert it again.")
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the network's outputs."""
        return self.card.labels

    def classify(self, faces: NDArray[np.uint8]) -> list[Prediction]:
        """Calibrated scores of several faces.

        Args:
            faces: uint8 (N, S, S) grey, S the card's input size; N may be 0.
        """
        logits = self.logits(faces)
        # A float network may overflow; equal scores then mean that nothing is known of this face.
        logits[~np.isfinite(logits).all(axis=1)] = 0.0
        scores = softmax(logits, self.card.temperature)
        return [Prediction(row, int(row.argmax())) for row in scores]

    def logits(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's outputs before temperature and softmax.

        Args:
            faces: uint8 (N, S, S) grey; N may be 0.

        Returns:
            float32 (N, K).
        """
        size = self.card.input.size
        if faces.dtype != np.uint8 or faces.shape[1:] != (size, size):
            raise ValueError(f"faces must be uint8 (N, {size}, {size}), not {faces.dtype} {faces.shape}")
        tensors = self._packed(to_input(faces, self.card.input))
        # One invocation a face: a batch is not faster (85 MMAC int8, one x86 core, eight faces:
        # 1.83 ms so, 1.84 ms as one batch), takes N times the memory, and needs a graph without a
        # fixed batch size.
        rows = [self._run(tensors[n : n + 1]) for n in range(len(tensors))]
        return np.concatenate(rows) if rows else np.empty((0, len(self.labels)), np.float32)

    def _packed(self, tensors: NDArray[np.float32]) -> NDArray[Any]:
        spec = self.card.quantisation
        if spec.dtype == "float32":
            return tensors
        return quantise(tensors, spec.input_scale, spec.input_zero_point)

    def _run(self, tensor: NDArray[Any]) -> NDArray[np.float32]:
        """One face, (1, S, S, 1), to its logits, (1, K)."""
        spec = self.card.quantisation
        self._interpreter.set_tensor(self._input, tensor)
        self._interpreter.invoke()
        output: NDArray[Any] = self._interpreter.get_tensor(self._output)
        return output if spec.dtype == "float32" else dequantise(output, spec.output_scale, spec.output_zero_point)


def softmax(logits: NDArray[Float], temperature: float = 1.0) -> NDArray[Float]:
    """Probabilities (N, K) of logits (N, K) divided by the temperature, in the logits' type."""
    scaled = logits / logits.dtype.type(temperature)
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=logits.dtype)


def _problems(card: ModelCard, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> list[str]:
    """Differences between a loaded model and its card, as sentences without a stop."""
    if (len(inputs), len(outputs)) != (1, 1):
        return [f"it has {len(inputs)} inputs and {len(outputs)} outputs instead of one each"]
    size, count = card.input.size, len(card.labels)
    shape_in, shape_out = (tuple(map(int, d[0]["shape"])) for d in (inputs, outputs))
    types = [np.dtype(d[0]["dtype"]).name for d in (inputs, outputs)]
    problems = []
    if shape_in != (1, size, size, 1):
        problems.append(f"its input has shape {shape_in}, the card says {(1, size, size, 1)}")
    if shape_out != (1, count):
        problems.append(f"its output has shape {shape_out}, the card names {count} labels")
    if types != [card.quantisation.dtype] * 2:
        problems.append(f"its input is {types[0]} and its output {types[1]}, the card says {card.quantisation.dtype}")
    elif card.quantisation.dtype == "int8":
        problems += _quantisation_problems(card, inputs[0]["quantization"], outputs[0]["quantization"])
    return problems


def _quantisation_problems(card: ModelCard, given_in: tuple[float, int], given_out: tuple[float, int]) -> list[str]:
    spec = card.quantisation
    pairs = {
        "input": (given_in, (spec.input_scale, spec.input_zero_point)),
        "output": (given_out, (spec.output_scale, spec.output_zero_point)),
    }
    return [
        f"its {name} has scale {given[0]:g} and zero point {given[1]}, the card says {card_has[0]:g} and {card_has[1]}"
        for name, (given, card_has) in pairs.items()
        if given[1] != card_has[1] or not np.isclose(given[0], card_has[0], rtol=1e-5, atol=0)
    ]
