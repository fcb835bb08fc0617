"""What systemd relies on: settings read again on SIGHUP, and a watchdog that goes hungry when the
chain hangs.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.device.service.test_service_command import PICTURE, ROOT, running, to
from tests.support.broker import Listener, Mosquitto, free_port, needs_mosquitto, wait_for

HANGING = """
import sys, time
from device.vision import pipeline
from device.cli.app import main

process = pipeline.Pipeline.process

def hang(self, frame):
    if frame.index >= 20:
        print("it hangs", flush=True)
        time.sleep(3600)
    return process(self, frame)

pipeline.Pipeline.process = hang
sys.exit(main(sys.argv[1:]))
"""
INTERVAL_S = 0.5  # of the watchdog


def statuses(listener: Listener, **wanted: Any) -> list[dict[str, Any]]:
    said = listener.objects(f"{ROOT}/status")
    return [status for status in said if wanted.items() <= status.items()]


@needs_mosquitto
def test_sighup_takes_good_settings_and_tells_of_bad_ones(mosquitto: Mosquitto, model: Path, tmp_path: Path) -> None:
    def settings(note: str, **more: Any) -> None:
        values = {"purpose_note": note, **more}
        (tmp_path / "mine.yaml").write_text(json.dumps({"device": values}))

    broker = [part for part in to(mosquitto.port) if part not in ("device.purpose_note=a test", "--set")]
    sets = [part for setting in broker if not setting.startswith("device.mqtt") for part in ("--set", setting)]
    where = {"host": "127.0.0.1", "port": mosquitto.port}
    settings("first", mqtt=where)
    with (
        Listener(mosquitto.port, f"{ROOT}/#") as listener,
        running(tmp_path, model, "--loop", "--config", "mine.yaml", *sets) as process,
    ):
        wait_for(lambda: statuses(listener, camera="running", purpose_note="first"), "the first settings")

        settings("wrong", mqtt=where, camera={"fps": "fast"})
        process.send_signal(signal.SIGHUP)
        (told,) = wait_for(lambda: [s for s in statuses(listener) if s["config_error"]], "the complaint")
        assert told["config_error"].startswith("mine.yaml, line 1: device.camera.fps is 'fast', but must be")
        assert (told["purpose_note"], told["camera"]) == ("first", "running")

        for text in ("device: {id: !!int ''}", 'device: {state_dir: "a\\0b"}', "[" * 9999):
            (tmp_path / "mine.yaml").write_text(text)
            before = len(statuses(listener))
            process.send_signal(signal.SIGHUP)
            wait_for(lambda seen=before: len(statuses(listener)) > seen, "the complaint")  # type: ignore[misc]
            assert statuses(listener)[-1]["config_error"].startswith("mine.yaml")

        settings("second", mqtt=where)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: statuses(listener, camera="running", purpose_note="second", config_error=None), "the second")

        settings("third", mqtt=where | {"port": free_port()})  # good to read, of no use
        process.send_signal(signal.SIGHUP)
        back = wait_for(
            lambda: [s for s in statuses(listener, purpose_note="second") if s["config_error"]], "the old ones"
        )
        assert "cannot be reached" in back[-1]["config_error"]
        wait_for(lambda: statuses(listener)[-1]["camera"] == "running", "a running camera")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in complaints
    assert complaints.count("the reloaded config is not used, the old one stays in force: ") == 5
    assert not statuses(listener, purpose_note="third")


def test_when_the_chain_hangs_the_watchdog_goes_hungry(model: Path, tmp_path: Path) -> None:
    """We play systemd: once no sign of life comes for the watchdog's time, it is killed, however
    long it would hang.
    """
    wanted = [
        "--set",
        "device.purpose=test",
        "--set",
        "device.jurisdiction=elsewhere",
        "--source",
        str(PICTURE),
        "--loop",
    ]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": str(int(INTERVAL_S * 1e6))}
        process = subprocess.Popen(
            [sys.executable, "-c", HANGING, "run", *wanted, "--set", f"device.model.path={model}"],
            cwd=tmp_path,
            env=os.environ | told,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = [systemd.recv(4096)]
            assert said == [b"READY=1"]
            while process.stdout.readline() != "it hangs\n":
                pass
            systemd.settimeout(4 * INTERVAL_S)
            with pytest.raises(TimeoutError):
                while True:
                    said.append(systemd.recv(4096))
            assert said.count(b"WATCHDOG=1") >= 1, "it was fed while frames were finished"
            assert process.poll() is None, "it would hang for ever"
            process.send_signal(signal.SIGABRT)  # what systemd sends
            assert process.wait(timeout=60) == -signal.SIGABRT
        finally:
            process.kill()
            process.communicate()
