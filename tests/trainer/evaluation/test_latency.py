"""Latency of a file, and the operators that no delegate runs, found in the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.tiny_models import tiny_model
from trainer.evaluation.latency import FACES, ROUND, measure, outside


def op(name: str, inputs: list[int], outputs: list[int]) -> dict[str, Any]:
    return {"op_name": name, "inputs": inputs, "outputs": outputs}


GRAPH = [op("CONV_2D", [0, 90], [1]), op("HARD_SWISH", [1], [2]), op("CONV_2D", [2, 91], [3]), op("ADD", [3, 1], [4])]


def test_operators_between_the_delegates_are_outside() -> None:
    pieces = [op("DELEGATE", [0, 90], [1]), op("DELEGATE", [2, 1, 91], [4])]
    assert outside([*GRAPH, *pieces]) == ["HARD_SWISH"]


def test_a_piece_takes_all_that_leads_to_its_end() -> None:
    assert outside([*GRAPH, op("DELEGATE", [0, 90, 91], [4])]) == []


def test_without_a_piece_all_is_outside() -> None:
    assert outside(GRAPH) == ["CONV_2D", "HARD_SWISH", "CONV_2D", "ADD"]


def test_a_real_file(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_model(dtype="int8"))
    found = measure(path)
    assert found["pieces"] == 1 and found["outside"] == {}
    assert (
        found["median_ms"] > 0
        and ROUND <= found["n"] <= FACES
        and found["n"] % ROUND == 0
        and "1 thread" in found["machine"]
    )
