"""Each gate passes a good model, and stops a bad one with its name and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from device.inference.litert import load_interpreter
from tests.support.tiny_models import tiny_model
from trainer.config import ConvertConfig
from trainer.errors import GateError
from trainer.export import gates
from trainer.export.quantise import Ranges

CONFIG = ConvertConfig()
Logits = NDArray[np.float32]


def loaded(model: bytes, folder: Path) -> Any:
    path = folder / "model.tflite"
    path.write_bytes(model)
    return load_interpreter(path)


def logits_naming(classes: list[int]) -> Logits:
    return np.eye(7, dtype=np.float32)[classes]


def ranges(measured: Ranges) -> gates.Gate:
    return gates.ranges(gates.Calibration(measured), CONFIG)


def agreement(logits: Logits, reference: Logits) -> gates.Gate:
    return gates.agreement(gates.Predictions(logits, reference, np.zeros(len(logits), np.int64)), CONFIG)


def test_parameters() -> None:
    assert gates.parameters(gates.Network(552_455), CONFIG).ok
    assert not gates.parameters(gates.Network(552_456), CONFIG).ok


def test_a_dead_activation_is_named() -> None:
    assert ranges({"00_conv_2d": (0.0, 1.0), "01_add": (-1.0, 0.0)}).ok
    gate = ranges({"00_conv_2d": (0.0, 1.0), "01_relu": (0.0, 1e-7)})
    assert not gate.ok and "01_relu" in gate.detail and "00_conv_2d" not in gate.detail
    assert not ranges({"00_conv_2d": (0.0, float("nan"))}).ok


def test_size() -> None:
    assert gates.size(gates.File(bytes(599_999)), CONFIG).ok
    assert not gates.size(gates.File(bytes(600_000)), CONFIG).ok


def test_int8_and_partition_of_a_full_int8_model(tmp_path: Path) -> None:
    interpreter = loaded(tiny_model(dtype="int8"), tmp_path)
    assert gates.int8(gates.Graph(interpreter), CONFIG).ok, gates.int8(gates.Graph(interpreter), CONFIG).detail
    assert gates.partition(gates.Graph(interpreter), CONFIG).ok, gates.partition(
        gates.Graph(interpreter), CONFIG
    ).detail


def test_a_float_model_is_not_int8(tmp_path: Path) -> None:
    gate = gates.int8(gates.Graph(loaded(tiny_model(dtype="float32"), tmp_path)), CONFIG)
    assert not gate.ok and "float32" in gate.detail


def test_a_graph_that_is_not_delegated_fails(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=tiny_model(), experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    gate = gates.partition(gates.Graph(interpreter), CONFIG)
    assert not gate.ok and "0 piece" in gate.detail


def test_agreement() -> None:
    reference = logits_naming([k % 7 for k in range(200)])
    two_wrong, three_wrong = reference.copy(), reference.copy()
    two_wrong[:2] = reference[1:3]
    three_wrong[:3] = reference[1:4]
    assert agreement(two_wrong, reference).ok
    assert not agreement(three_wrong, reference).ok


def test_accuracy_may_rise_but_hardly_fall() -> None:
    labels = np.zeros(1000, np.int64)
    good, worse, bad = ([0] * (900 - lost) + [1] * (100 + lost) for lost in (0, 3, 4))
    assert gates.accuracy(gates.Predictions(logits_naming(worse), logits_naming(good), labels), CONFIG).ok
    assert gates.accuracy(gates.Predictions(logits_naming(good), logits_naming(bad), labels), CONFIG).ok
    gate = gates.accuracy(gates.Predictions(logits_naming(bad), logits_naming(good), labels), CONFIG)
    assert not gate.ok and "89.60 % against 90.00 %" in gate.detail


def test_export() -> None:
    source = np.random.default_rng(0).normal(0, 3, (10, 7)).astype(np.float32)
    assert gates.export(gates.Export(source + np.float32(1e-5), source), CONFIG).ok
    assert not gates.export(gates.Export(source + np.float32(0.1), source), CONFIG).ok


def test_a_registered_gate_is_checked_and_an_unregistered_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def even(evidence: gates.File, limits: ConvertConfig) -> gates.Gate:
        return gates.Gate("even", len(evidence.content) % 2 == 0, f"{len(evidence.content)} bytes")

    assert [gate.name for gate in gates.check(gates.File(bytes(3)), CONFIG)] == ["size"]
    monkeypatch.setitem(gates.GATES, gates.File, (*gates.GATES[gates.File], even))
    assert [(gate.name, gate.ok) for gate in gates.check(gates.File(bytes(3)), CONFIG)] == [
        ("size", True),
        ("even", False),
    ]


def test_every_failed_gate_is_named() -> None:
    passed = gates.Gate("size", True, "small")
    gates.require([passed])
    with pytest.raises(GateError, match=r"agreement \(98 %\); accuracy \(1 point lost\)") as caught:
        gates.require([passed, gates.Gate("agreement", False, "98 %"), gates.Gate("accuracy", False, "1 point lost")])
    assert "size" not in str(caught.value)


def test_a_failure_says_what_to_do_and_can_be_allowed() -> None:
    found = agreement(logits_naming([0, 1]), logits_naming([1, 1]))
    with pytest.raises(GateError, match=r"train for more epochs, .*; --allow-failed-gates writes it anyway"):
        gates.require([found])
    gates.require([found], allow_failed=True)
    assert gates.failures([found, gates.Gate("size", True, "small")]) == ("agreement",)
