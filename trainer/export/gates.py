"""The gates of `trainer convert`: what a converted model must prove before it is written.

A gate is one function: it takes the evidence of a conversion step and the limits in
`ConvertConfig`, and returns a `Gate` with its figures. To add a gate, write that function here and
register it in `GATES`: the conversion, the printed report, `--json` and the error message follow
from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.config import ConvertConfig
from trainer.errors import GateError
from trainer.export.quantise import Ranges

MAX_BYTES = 600_000
MAX_EXPORT_ERROR = 1e-3  # of the largest logit; the order of additions differs
SMALLER = "make trainer.student.channels or tail smaller"
LONGER = "train for more epochs, or raise trainer.convert.qat_steps"
OTHER_VERSIONS = "install the versions of litert-torch and ai-edge-quantizer that pyproject.toml names"
MIN_RANGE = 1e-6  # below this an activation is dead, and LiteRT refuses the file


@dataclass(frozen=True)
class Gate:
    """The outcome of one gate: its name, whether the model passes, and the figures behind it.

    `advice` is what its user can do where it fails.
    """

    name: str
    ok: bool
    detail: str
    advice: str = ""


@dataclass(frozen=True)
class Network:
    """Evidence before any work: the network's size."""

    parameters: int


@dataclass(frozen=True)
class Export:
    """Evidence of the export: logits (N, K) of the float file and of PyTorch on the same faces."""

    logits: NDArray[np.float32]
    source: NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    """Evidence of the calibration: the range of every activation."""

    ranges: Ranges


@dataclass(frozen=True)
class Graph:
    """Evidence of the int8 file: its interpreter, tensors allocated."""

    interpreter: Any


@dataclass(frozen=True)
class Predictions:
    """Evidence on PublicTest: int8 logits (N, K), float logits (N, K) as reference, labels (N,)."""

    logits: NDArray[np.float32]
    reference: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class File:
    """Evidence at the end: the file with its card."""

    content: bytes


Evidence = Network | Export | Calibration | Graph | Predictions | File


def parameters(evidence: Network, limits: ConvertConfig) -> Gate:
    """The student keeps to its budget."""
    count, budget = evidence.parameters, limits.max_parameters
    return Gate("parameters", count <= budget, f"{count:,}, at most {budget:,}", SMALLER)


def export(evidence: Export, limits: ConvertConfig) -> Gate:
    """The exported float network has the logits of the PyTorch one, up to rounding."""
    scale = max(1.0, float(np.abs(evidence.source).max()))
    error = float(np.abs(evidence.logits - evidence.source).max() / scale)
    detail = f"largest difference {error:.1e}, below {MAX_EXPORT_ERROR:g}"
    return Gate("export", error < MAX_EXPORT_ERROR, detail, OTHER_VERSIONS)


def ranges(evidence: Calibration, limits: ConvertConfig) -> Gate:
    """No activation is dead."""
    dead = [name for name, (low, high) in evidence.ranges.items() if not high - low > MIN_RANGE]
    detail = f"{len(evidence.ranges)} activations"
    if dead:
        detail = f"dead: {', '.join(dead)}; range at most {MIN_RANGE:g}"
    return Gate("ranges", not dead, detail, "train it again with a lower learning rate, or with fewer channels")


def partition(evidence: Graph, limits: ConvertConfig) -> Gate:
    """XNNPACK takes the whole graph as one piece.

    LiteRT lists a DELEGATE operator for each piece taken, beside the graph's own operators. One
    piece that begins at the graph's input and ends at its output leaves nothing to the slow
    built-in kernels.
    """
    interpreter = evidence.interpreter
    pieces = [op for op in interpreter._get_ops_details() if op["op_name"] == "DELEGATE"]
    entrance = interpreter.get_input_details()[0]["index"]
    exit_ = interpreter.get_output_details()[0]["index"]
    whole = len(pieces) == 1 and entrance in pieces[0]["inputs"] and exit_ in pieces[0]["outputs"]
    share = "the whole graph" if whole else "not all of it"
    return Gate("partition", whole, f"XNNPACK takes {len(pieces)} piece(s), {share}", OTHER_VERSIONS)


def int8(evidence: Graph, limits: ConvertConfig) -> Gate:
    """Every tensor is int8; only biases and axes, which are constants of the graph, are int32."""
    interpreter = evidence.interpreter
    computed = {int(i) for op in interpreter._get_ops_details() for i in op["outputs"]}
    computed.add(interpreter.get_input_details()[0]["index"])
    odd = []
    for tensor in interpreter.get_tensor_details():
        allowed = (np.int8,) if tensor["index"] in computed else (np.int8, np.int32)
        if tensor["dtype"] not in allowed:
            odd.append(f"{tensor['name']} is {np.dtype(tensor['dtype']).name}")
    detail = "; ".join(odd[:3]) or f"all {len(interpreter.get_tensor_details())} tensors"
    return Gate("int8", not odd, detail, OTHER_VERSIONS)


def agreement(evidence: Predictions, limits: ConvertConfig) -> Gate:
    """int8 predicts the emotion that float predicts, on nearly every face."""
    share = float((evidence.logits.argmax(1) == evidence.reference.argmax(1)).mean())
    detail = f"{100 * share:.2f} % of {len(evidence.logits):,} faces, at least {100 * limits.min_agreement:g} %"
    return Gate("agreement", share >= limits.min_agreement, detail, LONGER)


def accuracy(evidence: Predictions, limits: ConvertConfig) -> Gate:
    """int8 loses next to nothing against float."""
    labels = evidence.labels
    after, before = (float((values.argmax(1) == labels).mean()) for values in (evidence.logits, evidence.reference))
    detail = (
        f"{100 * after:.2f} % against {100 * before:.2f} % in float on {len(labels):,} faces,"
        f" at most {100 * limits.max_accuracy_drop:g} points lost"
    )
    return Gate("accuracy", before - after <= limits.max_accuracy_drop + 1e-9, detail, LONGER)


def size(evidence: File, limits: ConvertConfig) -> Gate:
    """The file is small enough for a device with little flash."""
    count = len(evidence.content)
    return Gate("size", count < MAX_BYTES, f"{count:,} bytes, below {MAX_BYTES:,}", SMALLER)


GATES: dict[type[Evidence], tuple[Callable[[Any, ConvertConfig], Gate], ...]] = {
    Network: (parameters,),
    Export: (export,),
    Calibration: (ranges,),
    Graph: (partition, int8),
    Predictions: (agreement, accuracy),
    File: (size,),
}
"""Every gate, by the evidence that it takes, in the order in which they are reported."""


def check(evidence: Evidence, limits: ConvertConfig) -> tuple[Gate, ...]:
    """Run every gate that takes this kind of evidence."""
    return tuple(gate(evidence, limits) for gate in GATES[type(evidence)])


def failures(gates: Iterable[Gate]) -> tuple[str, ...]:
    """The names of the gates that failed."""
    return tuple(gate.name for gate in gates if not gate.ok)


def require(gates: Iterable[Gate], allow_failed: bool = False) -> None:
    """Raise unless every gate passed.

    Args:
        gates: the outcomes.
        allow_failed: for an experiment: never raise.

    Raises:
        GateError: naming each gate that failed, with its figures, and what to do.
    """
    failed = [gate for gate in gates if not gate.ok]
    if not failed or allow_failed:
        return
    figures = "; ".join(f"{gate.name} ({gate.detail})" for gate in failed)
    advice = [*dict.fromkeys(gate.advice for gate in failed if gate.advice), "--allow-failed-gates writes it anyway"]
    raise GateError(f"no model is written, it fails {figures}; {'; '.join(advice)}, for an experiment.")
