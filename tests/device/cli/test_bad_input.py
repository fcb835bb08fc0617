"""Every mistake a user of the device can make: the real command, one sentence, exit code 1 or 2."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.inference.model_card import attach, read_card
from tests.support.broker import Mosquitto, free_port, needs_mosquitto
from tests.support.command import DECLARED, device, refusal
from tests.support.signing import Signer
from tests.support.tiny_models import LABELS, tiny_card, tiny_model, write_tiny

# --- the config


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "device:\n  mqtt:\n    hots: broker\n",
            "config.yaml, line 3: unknown setting device.mqtt.hots; did you mean host?",
        ),
        (
            "device:\n  mqtt:\n    port: '1883'\n",
            "config.yaml, line 3: device.mqtt.port is '1883', but must be a whole number",
        ),
        (
            "device:\n  camera:\n    fps: 0\n",
            "config.yaml, line 3: device.camera.fps is 0, but must be a number above 0",
        ),
        ("device:\n  camera: {fps: 15\n", "this is not valid YAML"),
        ("devise:\n", "config.yaml, line 1: unknown setting devise; did you mean device?"),
    ],
)
@pytest.mark.parametrize("command", ["check-config", "run", "selftest"])
def test_a_wrong_config(tmp_path: Path, command: str, text: str, sentence: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    done = device(command, cwd=tmp_path)
    assert sentence in refusal(done, 2)
    assert done.stdout == ""


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("device:\n  camera:\n    fps: [1\n  mqtt: x\n")
    assert "mine.yaml, line 4: this is not valid YAML" in refusal(
        device("run", "--config", "mine.yaml", cwd=tmp_path), 2
    )


def test_an_absent_config_and_a_wrong_override(tmp_path: Path) -> None:
    assert "nowhere.yaml: the config cannot be read" in refusal(
        device("run", "--config", "nowhere.yaml", cwd=tmp_path), 2
    )
    assert "did you mean port?" in refusal(device("run", "--set", "device.mqtt.prot=1", cwd=tmp_path), 2)


# --- what it is for


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ([], "device.purpose is not set; write it into config.yaml or add --set device.purpose=..., one of art, "),
        (["purpose=art"], "device.jurisdiction is not set; write it into config.yaml"),
        (["purpose=spying", "jurisdiction=eu"], "device.purpose is 'spying', but must be one of art, audience, "),
        (["purpose=education", "jurisdiction=eu"], "Article 5(1)(f) of the EU AI Act (Regulation (EU) 2024/1689) pro"),
        (["purpose=workplace", "jurisdiction=eu"], "Article 5(1)(f) of the EU AI Act"),
        (["purpose=workplace", "jurisdiction=eu", "privacy.exception=safety"], "set device.privacy.exception and exc"),
    ],
)
@pytest.mark.parametrize("command", ["check-config", "run"])
def test_a_purpose_that_is_missing_or_prohibited(
    tmp_path: Path, command: str, settings: list[str], sentence: str
) -> None:
    wanted = [part for setting in settings for part in ("--set", f"device.{setting}")]
    done = device(command, *wanted, cwd=tmp_path)
    assert sentence in refusal(done, 2)
    assert done.stdout == ""


# --- the model

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


def bare(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


MODELS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no card": (no_card, "there is no model card inside"),
    "unknown schema": (lambda p: lying(p, schema_version=99), "the model card has schema_version 99"),
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
    said = refusal(done, 1)
    assert sentence in said and str(path) in said
    assert done.stdout == ""


@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_model_is_not_installed(tmp_path: Path, name: str) -> None:
    make, sentence = MODELS[name]
    path = make(tmp_path / "m.tflite")
    absent = name == "absent"
    said = refusal(device("model", "install", path, "--allow-worse", cwd=tmp_path), 2 if absent else 1)
    assert ("the file cannot be read: No such file" if absent else sentence) in said and str(path) in said


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
        (["rollback"], 1, "the bundled model is in force; there is none before it to go back to"),
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


# --- the source


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = write_tiny(tmp_path / "m.tflite")
    assert read_card(path).labels == LABELS
    return f"device.model.path={path}"


def write_picture(path: Path, image: NDArray[np.integer]) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def a_folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).write_bytes(b"not a picture")
    return path


SOURCES: dict[str, tuple[Callable[[Path], Path | str], str]] = {
    "absent": (lambda f: f / "nowhere.mp4", "there is no such file or folder"),
    "unreadable": (lambda f: Path("/proc/self/mem"), "the file cannot be read"),
    "empty": (lambda f: bare(f / "a.mp4", b""), "the file is empty"),
    "not a video": (lambda f: bare(f / "a.mp4", b"words" * 999), "damaged or cut short"),
    "not a picture": (lambda f: bare(f / "a.png", b"words" * 999), "the picture cannot be decoded"),
    "empty folder": (lambda f: a_folder(f / "d"), "there is no picture in this folder"),
    "folder of other things": (lambda f: a_folder(f / "d", "a.txt"), "there is no picture in this folder"),
    "folder with a bad picture": (lambda f: a_folder(f / "d", "a.png"), "the picture cannot be decoded"),
    "no such v4l2 device": (lambda f: "v4l2:///dev/video987", "there is no such camera"),
    "a device as a file": (lambda f: "/dev/null", "this is no file"),
    "unknown scheme": (lambda f: "rtsp://host/stream", "this source is not known"),
    "no picamera2 or no camera": (lambda f: "picamera2://0", "picamera2://0: "),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_wrong_source(tmp_path: Path, model: str, name: str) -> None:
    make, sentence = SOURCES[name]
    source = make(tmp_path)
    done = device("run", *DECLARED, "--fast", "--source", source, "--set", model, cwd=tmp_path)
    assert sentence in refusal(done, 1)
    assert done.stdout == ""


def noise(*shape: int, dtype: type = np.uint8) -> NDArray[np.integer]:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)


ODD = {
    "1x1": noise(1, 1, 3),
    "1x1 grey": noise(1, 1),
    "1 wide": noise(300, 1, 3),
    "1 high": noise(1, 300),
    "odd sides": noise(331, 127, 3),
    "grey": noise(120, 160),
    "with alpha": noise(120, 160, 4),
    "16 bit": noise(120, 160, 3, dtype=np.uint16),
    "16 bit grey": noise(120, 160, dtype=np.uint16),
}


@pytest.mark.parametrize("name", ODD)
def test_a_picture_of_odd_size_or_colour_is_looked_at(tmp_path: Path, model: str, name: str) -> None:
    picture = write_picture(tmp_path / "p.png", ODD[name])
    done = device("run", *DECLARED, "--fast", "--source", picture, "--set", model, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert all(json.loads(line)["type"] in ("start", "update", "end") for line in done.stdout.splitlines())


# --- the broker


def test_no_broker_there(tmp_path: Path, model: str) -> None:
    picture = write_picture(tmp_path / "p.png", noise(120, 160))
    done = device("run", *DECLARED, "--source", picture, "--set", model, *to_broker(free_port()), cwd=tmp_path)
    assert "cannot be reached" in refusal(done, 1)


def test_no_host_of_that_name(tmp_path: Path, model: str) -> None:
    picture = write_picture(tmp_path / "p.png", noise(120, 160))
    done = device(
        "run",
        *DECLARED,
        "--source",
        picture,
        "--set",
        model,
        "--set",
        "device.mqtt.host=no.such.host.invalid",
        cwd=tmp_path,
    )
    assert "no.such.host.invalid:1883" in refusal(done, 1)


@needs_mosquitto
@pytest.mark.parametrize("password", ["wrong", None])
def test_a_wrong_password(tmp_path: Path, model: str, password: str | None) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("pi:right\n")
    broker = Mosquitto(tmp_path, extra=f"allow_anonymous false\npassword_file {hashed(passwords)}").start()
    try:
        who = []
        if password is not None:
            (tmp_path / "password").write_text(password + "\n")
            (tmp_path / "username").write_text("pi\n")
            who = [part for name in ("username", "password") for part in ("--set", f"device.mqtt.{name}_file={name}")]
        picture = write_picture(tmp_path / "p.png", noise(120, 160))
        done = device(
            "run", *DECLARED, "--source", picture, "--set", model, *to_broker(broker.port), *who, cwd=tmp_path
        )
        assert "check device.mqtt.username_file and password_file" in refusal(done, 1)
        checked = device(
            "selftest", "--no-camera", "--json", "--set", model, *to_broker(broker.port), *who, cwd=tmp_path
        )
        mqtt = next(c for c in json.loads(checked.stdout)["checks"] if c["name"] == "mqtt")
        assert checked.returncode == 1 and not mqtt["ok"] and "refuses" in mqtt["detail"]
    finally:
        broker.stop()


def test_an_unreadable_password_file(tmp_path: Path, model: str) -> None:
    picture = write_picture(tmp_path / "p.png", noise(120, 160))
    who = ["--set", "device.mqtt.password_file=/nowhere"]
    done = device("run", *DECLARED, "--source", picture, "--set", model, *to_broker(free_port()), *who, cwd=tmp_path)
    assert "device.mqtt.password_file" in refusal(done, 2)


def to_broker(port: int) -> list[str]:
    return ["--set", "device.mqtt.host=127.0.0.1", "--set", f"device.mqtt.port={port}"]


def hashed(passwords: Path) -> Path:
    """Mosquitto wants its password file hashed; its own tool does it in place."""
    tool = shutil.which("mosquitto_passwd") or pytest.skip("mosquitto_passwd is not installed")
    subprocess.run([str(tool), "-U", passwords], check=True)
    return passwords


# --- the rest of the machine


def test_a_state_folder_that_is_a_file(tmp_path: Path, model: str) -> None:
    (tmp_path / "state").write_text("in the way")
    done = device("selftest", "--no-camera", "--json", "--set", model, cwd=tmp_path)
    state = next(c for c in json.loads(done.stdout)["checks"] if c["name"] == "state")
    assert done.returncode == 1 and not state["ok"] and "state folder cannot be written" in state["detail"]


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("in the way")
    model = write_tiny(tmp_path / "m.tflite")
    done = device("demo", "--model", model, "--out", tmp_path / "demo" / "p.png", cwd=tmp_path)
    assert "cannot be written" in refusal(done, 1)
