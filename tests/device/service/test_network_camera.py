"""A network camera under `device run`: killed five times, opened each time, no password told."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.device.service.test_service_command import ROOT, to, valid
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, wait_for
from tests.support.clips import scene
from tests.support.command import DECLARED, DEVICE
from tests.support.mjpeg_camera import mjpeg_camera
from tests.support.processes import children
from tests.support.tiny_models import write_tiny

USER, PASSWORD = "viewer", "correct-horse-battery"
IMAGES = [scene([(200 + 4 * n, 120, 200)]) for n in range(3)]
QUICK = ("camera.timeout_s=5", "camera.reopen_min_s=0.1", "camera.reopen_max_s=0.3", "report.health_s=0.5")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.tflite")


@contextmanager
def running(folder: Path, model: Path, source: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`device run` on a source, its output in files; ended by SIGTERM."""
    command = [DEVICE, "run", *DECLARED, "--source", source, "--set", f"device.model.path={model}", *options]
    environment = os.environ | {"STATE_DIRECTORY": str(folder / "state")}
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(list(map(str, command)), cwd=folder, env=environment, stdout=out, stderr=err)
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            process.kill()
            process.wait()


def command_lines(*processes: int) -> bytes:
    return b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes)


@needs_mosquitto
def test_it_is_opened_after_each_of_five_kills_and_its_password_is_nowhere(tmp_path: Path, model: Path) -> None:
    (tmp_path / "user").write_text(USER)
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "mosquitto").mkdir()
    broker = Mosquitto(tmp_path / "mosquitto").start()
    files = (f"camera.username_file={tmp_path / 'user'}", f"camera.password_file={tmp_path / 'password'}")
    try:
        with (
            mjpeg_camera(IMAGES, f"{USER}:{PASSWORD}") as server,
            Listener(broker.port, "#") as listener,
            running(tmp_path, model, server.url, *to(broker.port, *QUICK, *files)) as process,
        ):

            def cameras() -> list[str]:
                return [status["camera"] for status in listener.objects(f"{ROOT}/status")]

            for restarts in range(6):
                wait_for(lambda: cameras()[-1:] == ["running"], f"the camera after {restarts} restarts")
                assert PASSWORD.encode() not in command_lines(process.pid, *children(process.pid))
                if restarts < 5:
                    server.kill()
                    wait_for(lambda: cameras()[-1] == "failed", "word of the fault")
                    server.start()
            wait_for(lambda: listener.objects(f"{ROOT}/health")[-1]["camera_reopenings"] >= 5, "five reopenings")
        everything = b"".join(message.payload for message in listener.heard)
    finally:
        broker.kill()
    health = [said for said in listener.objects(f"{ROOT}/health") if said["camera_fps"] is not None]
    assert health and health[-1]["camera_fps"] > 0
    valid("Health", health[-1])
    status = listener.objects(f"{ROOT}/status")[-2]  # the last one tells of the end
    valid("Status", status)
    assert status["camera_mode"]["source"] == server.url
    assert (status["camera_mode"]["width"], status["camera_mode"]["height"]) == (640, 480)
    assert [state for state, _ in itertools.groupby(cameras())].count("failed") == 5
    for written in (everything, (tmp_path / "out").read_bytes(), (tmp_path / "err").read_bytes()):
        assert PASSWORD.encode() not in written
    assert b"Traceback" not in (tmp_path / "err").read_bytes()


def test_a_password_in_the_address_is_not_used_and_not_shown(tmp_path: Path, model: Path) -> None:
    with mjpeg_camera(IMAGES) as server:
        address = server.url.replace("://", f"://{USER}:{PASSWORD}@")
        with running(tmp_path, model, address) as process:
            wait_for(lambda: b'"start"' in (tmp_path / "out").read_bytes(), "a face")
            assert PASSWORD.encode() not in command_lines(*children(process.pid))
    complaints = (tmp_path / "err").read_text()
    assert "device.camera.username_file" in complaints
    assert PASSWORD not in complaints and f"{USER}:" not in complaints
