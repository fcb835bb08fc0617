"""A broker, state folder or output file that cannot be used: one sentence, exit code 1 or 2."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.broker import Mosquitto, free_port, needs_mosquitto
from tests.support.command import DECLARED, device, refusal
from tests.support.files import noise, write_picture
from tests.support.tiny_models import write_tiny


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
    """Mosquitto requires a hashed password file; its own tool hashes it in place."""
    tool = shutil.which("mosquitto_passwd") or pytest.skip("mosquitto_passwd is not installed")
    subprocess.run([str(tool), "-U", passwords], check=True)
    return passwords


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
