"""A camera that breaks under `device run`: people are told, and the same agent goes on when it is
back.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.device.service.test_service_command import ROOT, to, valid
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, wait_for
from tests.support.clips import scene, write_clip
from tests.support.command import DECLARED, DEVICE
from tests.support.processes import children, descriptors
from tests.support.tiny_models import write_tiny

QUICK = (
    "camera.timeout_s=2",
    "camera.frozen_s=1",
    "camera.reopen_min_s=0.1",
    "camera.reopen_max_s=0.5",
    "camera.fault_frame=20",
)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "mosquitto").mkdir()
    broker = Mosquitto(tmp_path / "mosquitto").start()
    yield broker
    broker.kill()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.tflite")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that moves a little."""
    frames = [scene([(200 + 2 * n, 120, 200)]) for n in range(10)]
    return write_clip(tmp_path_factory.mktemp("clip") / "face.avi", frames, fps=10)


@contextmanager
def running(folder: Path, clip: Path, model: Path, *options: str, **around: str) -> Iterator[subprocess.Popen[str]]:
    command = [DEVICE, "run", *DECLARED, "--source", clip, "--loop", "--set", f"device.model.path={model}", *options]
    environment = os.environ | {"STATE_DIRECTORY": str(folder / "state")} | around
    with subprocess.Popen(
        list(map(str, command)), cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


@needs_mosquitto
@pytest.mark.parametrize(
    ("fault", "state"), [("stall", "stalled"), ("repeat", "frozen"), ("die", "failed"), ("garbage", "failed")]
)
def test_a_fault_is_seen_on_status_and_events_go_on_from_the_same_agent(
    mosquitto: Mosquitto, model: Path, clip: Path, tmp_path: Path, fault: str, state: str
) -> None:
    topic = f"{ROOT}/status"

    def cameras() -> list[str]:
        return [said["camera"] for said in listener.objects(topic)]

    def comings_and_goings() -> list[str]:
        return [event["type"] for event in listener.objects(f"{ROOT}/events") if event["type"] != "update"]

    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        options = to(mosquitto.port, *QUICK, f"camera.fault={fault}", "tracker.lost_s=0.25")
        with running(tmp_path, clip, model, *options) as process:
            wait_for(lambda: "start" in comings_and_goings(), "a face")
            held = descriptors(process.pid)
            wait_for(lambda: cameras().count("running") >= 2, "a camera that is back")
            wait_for(lambda: cameras().count("running") >= 3, "one that is back again")
            wait_for(lambda: comings_and_goings().count("start") >= 3, "a face that is back again")
            wait_for(lambda: descriptors(process.pid) <= held, "descriptors to be closed again")
            wait_for(lambda: len(children(process.pid)) == 1, "a single camera")
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            _, complaints = process.communicate(timeout=120)
            assert (process.returncode, "Traceback" in complaints) == (0, False), complaints
        listener.wait_text(f"{ROOT}/availability", "offline")

    assert cameras()[:6] == ["starting", "running", state, "running", state, "running"]
    assert cameras()[-1] == "stopped"
    assert listener.texts(f"{ROOT}/availability") == ["online", "offline"]
    for said in listener.objects(topic):
        valid("Status", said)
        assert (said["camera_error"] is not None) == (said["camera"] == state)
    assert set(comings_and_goings()[0::2]) == {"start"}  # who was there has left before it is back
    assert set(comings_and_goings()[1::2]) == {"end"}


@needs_mosquitto
def test_health_goes_on_and_tells_how_old_the_last_frame_is(
    mosquitto: Mosquitto, model: Path, clip: Path, tmp_path: Path
) -> None:
    away = clip.with_suffix(".away")
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        options = to(mosquitto.port, *QUICK, "camera.fault=die", "report.health_s=0.2", "outbox.max_events=1000")
        with running(tmp_path, clip, model, *options):
            listener.wait_objects(f"{ROOT}/health")
            clip.rename(away)
            try:
                wait_for(lambda: "no such file" in (listener.objects(f"{ROOT}/status")[-1]["camera_error"] or ""))
                wait_for(lambda: (listener.objects(f"{ROOT}/health")[-1]["last_frame_age_s"] or 0) > 2)
            finally:
                away.rename(clip)
            wait_for(lambda: (listener.objects(f"{ROOT}/health")[-1]["last_frame_age_s"] or 9) < 1)
            assert listener.objects(f"{ROOT}/health")[-1]["camera_reopenings"] >= 1


def test_healing_is_a_sign_of_life(model: Path, clip: Path, tmp_path: Path) -> None:
    said: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000"}
        options = [part for setting in (*QUICK, "camera.fault=stall") for part in ("--set", f"device.{setting}")]
        with running(tmp_path, clip, model, *options, **told):
            while not any("camera stalled" in line for line in said):
                said.append(systemd.recv(4096).decode())
            said.clear()
            while not any("camera running" in line for line in said):
                said.append(systemd.recv(4096).decode())
    assert "WATCHDOG=1" in said


def test_a_hang_inside_the_chain_is_none(model: Path, clip: Path, tmp_path: Path) -> None:
    hung = """
import sys, threading
from device.config.schema import load_config
from device.service.run import run
frames = 0
def hang(observation):
    global frames
    frames += 1
    if frames == 5:
        print("hangs", flush=True)
        threading.Event().wait()
run(load_config(overrides=sys.argv[1:]), hang)
"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000"}
        settings = [f"device.camera.source={clip}", "device.camera.loop=true", f"device.model.path={model}"]
        settings += ["device.purpose=test", "device.jurisdiction=elsewhere"]
        command = [sys.executable, "-c", hung, *settings]
        with subprocess.Popen(command, env=os.environ | told, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            while process.stdout.readline() != "hangs\n":
                pass
            systemd.settimeout(2)
            with pytest.raises(TimeoutError):  # not one word more, though frames keep coming
                while systemd.recv(4096):
                    pass
            (camera,) = children(process.pid)
            process.kill()
    wait_for(lambda: not Path(f"/proc/{camera}").exists() or "Z" in Path(f"/proc/{camera}/stat").read_text())
