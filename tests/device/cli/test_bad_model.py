"""Model files that cannot be used or installed: one sentence, exit code 1 or 2."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from device.inference.model_card import attach
from tests.support.command import DECLARED, device, refusal
from tests.support.files import bare, write_picture
from tests.support.signing import Signer
from tests.support.tiny_models import LABELS, tiny_card, tiny_model, write_tiny

KEY = Signer().public


def lying(path: Path, **changes: object) -> Path:
    """A good int8 network whose card is not true."""
    path.write_bytes(attach(tiny_model(), dataclasses.replace(tiny_card(), **changes)))  # type: ignore[arg-type]
    return path


def cut(path: Path, share: float) -> Path:
    data = write_tiny(path).read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def no_card(path: Path) -> Path:
    path.write_bytes(tiny_model())
    return path


def float_under_an_int8_card(path: Path) -> Path:
    path.write_bytes(attach(tiny_model(dtype="float32"), tiny_card()))
    return path


MODELS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no card": (no_card, "there is no model card inside"),
    "unknown schema": (lambda p: lying(p, schema_version=99), "the model card has schema_version 99"),
    "an experiment": (lambda p: lying(p, failed_gates=("size",)), "its card says that it failed size"),
    "label count": (lambda p: lying(p, labels=LABELS[:-1]), "the card names 6 labels"),
    "float for int8": (float_under_an_int8_card, "the card says int8"),
    "cut in the card": (lambda p: cut(p, 0.99), "cut short"),
    "cut in the network": (lambda p: cut(p, 0.5), "cut short"),
    "cut to a few bytes": (lambda p: bare(p, tiny_model()[:100]), "cut short"),
    "empty": (lambda p: bare(p, b""), "this is not a .tflite model"),
    "something else": (lambda p: bare(p, b"\x89PNG" * 1000), "this is not a .tflite model"),
    "absent": (lambda p: p, "the model cannot be read: No such file"),
    "a damaged network with a good card": (
        lambda p: bare(p, attach(tiny_model()[:3000], tiny_card())),
        "the model cannot be loaded",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_model(tmp_path: Path, name: str) -> None:
    make, sentence = MODELS[name]
    path = make(tmp_path / "m.tflite")
    picture = write_picture(tmp_path / "p.png", np.zeros((48, 48), np.uint8))
    done = device("run", *DECLARED, "--fast", "--source", picture, "--set", f"device.model.path={path}", cwd=tmp_path)
    message = refusal(done, 1)
    assert sentence in message and str(path) in message
    assert done.stdout == ""


@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_model_is_not_installed(tmp_path: Path, name: str) -> None:
    make, sentence = MODELS[name]
    path = make(tmp_path / "m.tflite")
    absent = name == "absent"
    message = refusal(device("model", "install", path, "--allow-worse", cwd=tmp_path), 2 if absent else 1)
    assert ("the file cannot be read: No such file" if absent else sentence) in message and str(path) in message


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["install", ".", "--wait", "1"], 2, ".: the file cannot be read: Is a directory"),
        (
            ["install", "good.tflite", "--set", "device.model.path=mine"],
            2,
            "device.model.path is mine, so an installed model",
        ),
        (["install", "good.tflite", "--set", "device.model.public_keys=[RW]"], 2, "'RW' is not a minisign key"),
        (
            ["install", "good.tflite", "--set", "device.model.public_keys=[]", "--signature", "no"],
            2,
            "no: the file cannot",
        ),
        (["install", "good.tflite", "--set", f"device.model.public_keys=[{KEY}]"], 1, "it is not signed"),
        (
            ["install", "good.tflite", "--set", f"device.model.public_keys=[{KEY}]", "--signature", "good.tflite"],
            1,
            "the signature is not a minisign signature",
        ),
        (["install", "good.tflite", "--set", "device.state_dir=good.tflite"], 1, "the installed models cannot be used"),
        (["list", "--set", "device.state_dir=good.tflite"], 1, "the installed models cannot be used"),
        (["rollback"], 1, "the bundled model is in force; there is no previous one to go back to"),
        (["rollback", "--set", "device.model.path=mine"], 2, "device.model.path is mine"),
        (["good.tflite.txt"], 1, "good.tflite.txt: the model cannot be read: No such file"),
    ],
)
def test_models_that_cannot_be_installed_listed_or_taken_back(
    tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    write_tiny(tmp_path / "good.tflite")
    done = device("model", *arguments, cwd=tmp_path)
    assert sentence in refusal(done, code)
    assert done.stdout == ""


@pytest.mark.parametrize("seconds", ["nan", "-1", "inf", "soon"])
def test_a_time_to_wait_that_is_none(tmp_path: Path, seconds: str) -> None:
    done = device("model", "install", "good.tflite", f"--wait={seconds}", cwd=tmp_path)
    assert done.returncode == 2 and "argument --wait: invalid time in seconds value" in done.stderr


def test_a_key_that_is_none_is_a_wrong_config(tmp_path: Path) -> None:
    done = device("check-config", *DECLARED, "--set", "device.model.public_keys=[mine]", cwd=tmp_path)
    assert "device.model.public_keys: 'mine' is not a minisign key" in refusal(done, 2)


def test_selftest_reports_a_wrong_model_as_a_failed_check(tmp_path: Path) -> None:
    path = no_card(tmp_path / "m.tflite")
    done = device("selftest", "--no-camera", "--json", "--set", f"device.model.path={path}", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 1 and not report["ok"] and "Traceback" not in done.stderr
    assert "no model card" in next(c["detail"] for c in report["checks"] if c["name"] == "model")


def test_device_model_refuses_in_a_sentence_too(tmp_path: Path) -> None:
    assert "no model card" in refusal(device("model", no_card(tmp_path / "m.tflite"), cwd=tmp_path), 1)
