"""Models installed on a running device: accepted or rolled back, and reported in `status`."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from device.inference.classifier import BUNDLED, PROFILES
from device.inference.model_card import ModelCard, attach, digest, read_card
from tests.device.service.test_service_command import PICTURE, ROOT, to, valid
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, wait_for
from tests.support.command import DECLARED, DEVICE, device, refusal
from tests.support.signing import Signer
from tests.support.tiny_models import tiny_card, tiny_model

QUICK = ("model.trial_s=1", "model.trial_frames=5", "camera.fps=10")
LONG = ("model.trial_s=600",)


def next_one(folder: Path, **changes: Any) -> Path:
    """The bundled network under a card with these changes."""
    card: ModelCard = dataclasses.replace(read_card(BUNDLED), **changes)
    path = folder / f"{card.version}.tflite"
    path.write_bytes(attach(BUNDLED.read_bytes(), card))
    return path


@contextmanager
def running(folder: Path, port: int, *settings: str) -> Iterator[subprocess.Popen[str]]:
    """`device run` with the model in force, until it is ended."""
    command = [DEVICE, "run", *DECLARED, "--source", PICTURE, "--loop", *to(port, *settings)]
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env=os.environ | {"STATE_DIRECTORY": str(folder / "state")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def steps(listener: Listener) -> list[tuple[str, str]]:
    """Changes of the model's version and of the update's state, in order."""
    found: list[tuple[str, str]] = []
    for status in listener.objects(f"{ROOT}/status"):
        valid("Status", status)
        update = status["model_update"]
        step = (status["model"]["version"], update["state"] if update else "")
        if found[-1:] != [step]:
            found.append(step)
    return found


def wait_status(listener: Listener, version: str, state: str, camera: str = "running") -> dict[str, Any]:
    def said() -> dict[str, Any] | None:
        for status in listener.objects(f"{ROOT}/status")[-1:]:
            update = status["model_update"]
            if (status["model"]["version"], status["camera"], update and update["state"]) == (version, camera, state):
                return status
        return None

    found: dict[str, Any] = wait_for(said, f"{version} {state}")
    return found


@needs_mosquitto
def test_a_good_model_is_accepted_and_bad_ones_are_rolled_back(mosquitto: Mosquitto, tmp_path: Path) -> None:
    bundled, good = read_card(BUNDLED).version, next_one(tmp_path, version="good")
    slow, lying = tmp_path / "slow.tflite", next_one(tmp_path, version="lying", golden=(9.0,) * 7)
    slow.write_bytes(attach(tiny_model(size=512), tiny_card(size=512, version="slow")))
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(good.read_bytes()[:300_000])
    quick = [part for setting in QUICK for part in ("--set", f"device.{setting}")]
    with Listener(mosquitto.port, f"{ROOT}/status") as listener, running(tmp_path, mosquitto.port, *QUICK) as process:
        wait_status(listener, bundled, None)  # type: ignore[arg-type]
        done = device("model", "install", good, "--wait", "60", "--json", *quick, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["ok"], told["changed"], told["update"]["state"]) == (True, True, "accepted")
        status = wait_status(listener, "good", "accepted")
        assert status["model"]["digest"] == digest(good) and status["model_update"] == told["update"]
        again = json.loads(device("model", "install", good, "--wait", "60", "--json", cwd=tmp_path).stdout)
        assert (again["ok"], again["changed"]) == (True, False)

        assert "cut short" in refusal(device("model", "install", cut, cwd=tmp_path), 1)
        assert (
            "cut.tflite: there is no model card" in wait_status(listener, "good", "refused")["model_update"]["reason"]
        )

        done = device("model", "install", lying, "--no-test", "--wait", "60", cwd=tmp_path)
        assert "the model was rolled back: its outputs for the bundled face are" in refusal(done, 1)
        assert wait_status(listener, "good", "rolled_back")["model_update"]["new"]["version"] == "lying"

        done = device("model", "install", slow, "--no-test", "--allow-worse", "--wait", "60", cwd=tmp_path)
        assert "the model was rolled back: it classifies the bundled face as" in refusal(done, 1)

        assert device("model", "rollback", cwd=tmp_path).returncode == 0
        wait_status(listener, bundled, "rolled_back")
        assert "there is no previous one" in refusal(device("model", "rollback", cwd=tmp_path), 1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in complaints
    assert steps(listener) == [
        *((bundled, ""), (bundled, "trial"), ("good", "trial"), ("good", "accepted"), ("good", "refused")),
        *(("good", "trial"), ("good", "rolled_back"), ("good", "trial"), ("good", "rolled_back")),
        *((bundled, "rolled_back"),),
    ]


@needs_mosquitto
def test_a_model_that_disagrees_or_is_slow_at_work_is_rolled_back(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The slow one has three times the operations of the fast one, and no margin is allowed."""
    other, fast, slow = tmp_path / "other.tflite", PROFILES["fast"], next_one(tmp_path, version="slow")
    other.write_bytes(attach(tiny_model(), tiny_card(version="other")))
    bundled, fast_version = read_card(BUNDLED).version, read_card(fast).version
    unchecked = ("--no-test", "--allow-worse")
    with Listener(mosquitto.port, f"{ROOT}/status") as listener:
        with running(tmp_path, mosquitto.port, *LONG) as process:
            wait_for(lambda: listener.objects(f"{ROOT}/status"), "a first status")
            device("model", "install", other, *unchecked, cwd=tmp_path)
            reason = wait_status(listener, bundled, "rolled_back")["model_update"]["reason"]
            assert "it classifies the bundled face as" in reason
            process.kill()
        accept(tmp_path, fast)
        with running(tmp_path, mosquitto.port, *QUICK, "model.max_slower=1"):
            wait_status(listener, fast_version, "accepted")
            done = device("model", "install", slow, *unchecked, "--wait", "60", cwd=tmp_path)
            assert "the model was rolled back: it takes" in refusal(done, 1)
            assert "ms a face" in wait_status(listener, fast_version, "rolled_back")["model_update"]["reason"]


def accept(folder: Path, file: Path) -> None:
    """As if it had been installed and accepted before."""
    from device.model_registry.registry import ModelStore

    store = ModelStore(folder / "state")
    store.start_trial(store.add(file.read_bytes()))
    store.accept()


@needs_mosquitto
def test_one_during_whose_trial_the_process_is_killed_is_started_twice(mosquitto: Mosquitto, tmp_path: Path) -> None:
    bundled, deadly = read_card(BUNDLED).version, next_one(tmp_path, version="deadly")
    assert device("model", "install", deadly, cwd=tmp_path).returncode == 0
    with Listener(mosquitto.port, f"{ROOT}/status") as listener:
        for _ in range(2):
            listener.heard.clear()
            with running(tmp_path, mosquitto.port, *LONG) as process:
                wait_status(listener, "deadly", "trial")
                process.kill()
        with running(tmp_path, mosquitto.port, *LONG) as process:
            update = wait_status(listener, bundled, "rolled_back")["model_update"]
    assert update["reason"] == "the device was started with it 2 times and did not end in order"
    listed = json.loads(device("model", "list", "--json", cwd=tmp_path).stdout)
    assert (listed["current"], listed["trial"], listed["update"]) == (digest(BUNDLED), False, update)


def test_a_signed_one_by_standard_input_where_signatures_are_asked_for(tmp_path: Path) -> None:
    file, signer = next_one(tmp_path, version="signed"), Signer()
    data = file.read_bytes()
    ours = ("--set", f"device.model.public_keys=[{signer.public}]")
    assert "it is not signed" in refusal(device("model", "install", file, *ours, cwd=tmp_path), 1)
    forged = Signer().sign(data)
    assert "not of this file" in refusal(
        device("model", "install", file, "--signature", forged, *ours, cwd=tmp_path), 1
    )
    done = subprocess.run(
        [DEVICE, "model", "install", "-", "--signature", signer.sign(data), *ours],
        cwd=tmp_path,
        env=os.environ | {"STATE_DIRECTORY": str(tmp_path / "state")},
        input=data,
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    listed = device("model", "list", cwd=tmp_path).stdout
    promised = read_card(BUNDLED).metrics[0]["accuracy"]
    assert f"signed  {promised:.1%}  current, trial" in listed
    assert "is on trial; the previous model is emotion-student" in listed
    assert "emotion-student signed" in device("model", cwd=tmp_path).stdout, "the card of the model in force"
