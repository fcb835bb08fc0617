"""What a converted model must prove before it is written; each gate says by itself what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.config import ConvertConfig
from trainer.errors import GateError
from trainer.export.quantise import Ranges

MAX_BYTES = 600_000
MAX_EXPORT_ERROR = 1e-3  # of the largest logit; the order of additions differs
MIN_RANGE = 1e-6  # below this a tensor is dead, and LiteRT refuses the file


@dataclass(frozen=True)
class Gate:
    """One proof: its name, whether it holds, and the figures behind it."""

    name: str
    ok: bool
    detail: str


def require(gates: Iterable[Gate]) -> None:
    """Let a model through, or say which gates it failed.

    Raises:
        GateError: naming each gate that does not hold.
    """
    failed = [f"{g.name} ({g.detail})" for g in gates if not g.ok]
    if failed:
        raise GateError(f"no model is written, it fails {'; '.join(failed)}.")


def parameters(count: int, config: ConvertConfig) -> Gate:
    """The student keeps to its budget."""
    return Gate("parameters", count <= config.max_parameters, f"{count:,}, at most {config.max_parameters:,}")


def ranges(measured: Ranges) -> Gate:
    """No activation is dead."""
    dead = [name for name, (low, high) in measured.items() if not high - low > MIN_RANGE]
    detail = f"{len(measured)} activations" if not dead else f"dead: {', '.join(dead)}; range at most {MIN_RANGE:g}"
    return Gate("ranges", not dead, detail)


def size(model: bytes) -> Gate:
    """The file is small enough for a device with little flash."""
    return Gate("size", len(model) < MAX_BYTES, f"{len(model):,} bytes, below {MAX_BYTES:,}")


def partition(interpreter: Any) -> Gate:
    """XNNPACK takes the whole graph as one piece.

    LiteRT lists a DELEGATE operator for each piece taken, beside the graph's own operators. One piece that begins at
    the graph's input and ends at its output leaves nothing to the slow built-in kernels.
    """
    pieces = [op for op in interpreter._get_ops_details() if op["op_name"] == "DELEGATE"]
    entrance = interpreter.get_input_details()[0]["index"]
    exit_ = interpreter.get_output_details()[0]["index"]
    whole = len(pieces) == 1 and entrance in pieces[0]["inputs"] and exit_ in pieces[0]["outputs"]
    return Gate(
        "partition", whole, f"XNNPACK takes {len(pieces)} piece(s), {'the whole graph' if whole else 'not all of it'}"
    )


def int8(interpreter: Any) -> Gate:
    """Every tensor is int8; only biases and axes, which are constants of the graph, are int32."""
    computed = {int(i) for op in interpreter._get_ops_details() for i in op["outputs"]}
    computed.add(interpreter.get_input_details()[0]["index"])
    odd = []
    for tensor in interpreter.get_tensor_details():
        allowed = (np.int8,) if tensor["index"] in computed else (np.int8, np.int32)
        if tensor["dtype"] not in allowed:
            odd.append(f"{tensor['name']} is {np.dtype(tensor['dtype']).name}")
    return Gate("int8", not odd, "; ".join(odd[:3]) or f"all {len(interpreter.get_tensor_details())} tensors")


def export(logits: NDArray[np.float32], source: NDArray[np.float32]) -> Gate:
    """The exported float network says what the PyTorch one says, up to rounding."""
    worst = float(np.abs(logits - source).max() / max(1.0, float(np.abs(source).max())))
    return Gate("export", worst < MAX_EXPORT_ERROR, f"largest difference {worst:.1e}, below {MAX_EXPORT_ERROR:g}")


def agreement(logits: NDArray[np.float32], reference: NDArray[np.float32], config: ConvertConfig) -> Gate:
    """int8 names the emotion that float names, on nearly every face."""
    share = float((logits.argmax(1) == reference.argmax(1)).mean())
    detail = f"{100 * share:.2f} % of {len(logits):,} faces, at least {100 * config.min_agreement:g} %"
    return Gate("agreement", share >= config.min_agreement, detail)


def accuracy(
    logits: NDArray[np.float32], reference: NDArray[np.float32], labels: NDArray[np.int64], config: ConvertConfig
) -> Gate:
    """int8 loses next to nothing against float."""
    read, before = (float((values.argmax(1) == labels).mean()) for values in (logits, reference))
    detail = (
        f"{100 * read:.2f} % against {100 * before:.2f} % in float on {len(labels):,} faces,"
        f" at most {100 * config.max_accuracy_drop:g} points lost"
    )
    return Gate("accuracy", before - read <= config.max_accuracy_drop + 1e-9, detail)
