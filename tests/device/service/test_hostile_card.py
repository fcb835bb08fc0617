"""A card whose text UTF-8 cannot carry, or that controls a terminal, never stops the device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.device.service.test_service_command import ROOT, running, to
from tests.support.broker import Listener, Mosquitto, needs_mosquitto
from tests.support.command import device, refusal
from tests.support.tiny_models import write_tiny


@needs_mosquitto
@pytest.mark.parametrize("name", ["a\ud800", "\x1b[2J\x1b]0;mine\x07"])
def test_a_refused_card_leaves_the_device_able_to_start(
    mosquitto: Mosquitto, model: Path, tmp_path: Path, name: str
) -> None:
    write_tiny(tmp_path / "hostile.tflite", name=name)
    done = device("model", "install", "hostile.tflite", cwd=tmp_path)
    assert refusal(done, 1).isprintable()
    done = device("model", "list", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.replace("\n", "").isprintable(), done
    _starts_and_ends(mosquitto, tmp_path)


@needs_mosquitto
def test_a_record_that_an_older_version_wrote(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """That version took any text from a card."""
    name = {"name": "a\ud800", "version": "\x1b[31m", "digest": "0" * 64}
    update = {"state": "refused", "new": name, "old": name, "reason": "\ud800", "since": 1.0}
    record = {"current": None, "previous": None, "on_trial": False, "begun": 0, "update": update}
    (tmp_path / "state" / "models").mkdir(parents=True)
    (tmp_path / "state" / "models" / "record.json").write_text(json.dumps(record))
    status = _starts_and_ends(mosquitto, tmp_path)
    assert status["model_update"]["new"]["name"] == r"a\ud800"
    assert device("model", "list", cwd=tmp_path).returncode == 0


def _starts_and_ends(mosquitto: Mosquitto, folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Run on the bundled picture with the installed model; returns the last status."""
    picture = ("--fast", "--set", "device.model.path=null", "--set", "device.camera.picture_s=0.5")
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        with running(folder, folder, *picture, *to(mosquitto.port)) as process:
            _, complaints = process.communicate(timeout=60)
            assert process.returncode == 0, complaints
        listener.wait_text(f"{ROOT}/availability", "offline")
    return dict(listener.objects(f"{ROOT}/status")[-1])
