"""A running device is asked over MQTT: pause, resume, selftest, status, and what it does not
understand.
"""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from typing import Any

from tests.device.service.test_service_command import ROOT, running, to, valid
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, wait_for
from tests.support.processes import children

pytestmark = needs_mosquitto


def ask(listener: Listener, verb: str, payload: str) -> None:
    listener.publish(f"{ROOT}/cmd/request/{verb}", payload)


def answer(listener: Listener, verb: str, transaction: str) -> dict[str, Any]:
    """What came of it, once it has."""
    ask(listener, verb, json.dumps({"transaction": transaction}))
    return wait_for(lambda: answers(listener, verb, transaction), f"an answer to {verb}")[0]  # type: ignore[no-any-return]


def answers(listener: Listener, verb: str, transaction: str | None) -> list[dict[str, Any]]:
    found = listener.objects(f"{ROOT}/cmd/response/{verb}")
    for said in found:
        valid("Answer", said)
    return [said for said in found if said["transaction"] == transaction]


def wait_camera(listener: Listener, state: str) -> None:
    wait_for(lambda: listener.objects(f"{ROOT}/status")[-1:] and last_status(listener)["camera"] == state, state)


def last_status(listener: Listener) -> dict[str, Any]:
    return listener.objects(f"{ROOT}/status")[-1]


def starts(listener: Listener) -> int:
    return [event["type"] for event in listener.objects(f"{ROOT}/events")].count("start")


def test_a_pause_closes_the_camera_outlives_a_crash_and_ends_with_resume(
    mosquitto: Mosquitto, model: Path, tmp_path: Path
) -> None:
    with (
        Listener(mosquitto.port, f"{ROOT}/#") as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        with_still_time = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        with running(tmp_path, model, "--loop", *to(mosquitto.port), **with_still_time) as process:
            wait_for(lambda: starts(listener), "a face")
            assert children(process.pid)
            said = answer(listener, "pause", "p1")
            assert (said["status"], said["data"]) == ("ok", {"camera": "paused", "survives_restart": True})
            assert not children(process.pid), "the camera's process is gone"
            assert listener.objects(f"{ROOT}/events")[-1]["type"] == "end"
            assert last_status(listener)["camera"] == "paused"
            assert listener.texts(f"{ROOT}/tracks/1/state")[-1] == ""
            while systemd.recv(4096) != b"WATCHDOG=1":
                pass  # what it said before
            before = starts(listener)
            assert answer(listener, "pause", "p2")["data"]["camera"] == "paused", "again does no harm"
            while systemd.recv(4096) != b"WATCHDOG=1":
                pass
            assert starts(listener) == before
            process.send_signal(signal.SIGKILL)
        listener.wait_text(f"{ROOT}/availability", "offline")
        systemd.setblocking(False)
        drained(systemd)
        systemd.setblocking(True)
        systemd.settimeout(60)

        with running(tmp_path, model, "--loop", *to(mosquitto.port), **with_still_time) as process:
            listener.wait_text(f"{ROOT}/availability", "online")
            assert systemd.recv(4096) == b"READY=1", "it does what it should: nothing"
            wait_camera(listener, "paused")
            now = wait_for(lambda: answer(listener, "status", "s1")["data"]["health"], "figures")
            assert (now["frames"], now["last_frame_age_s"], starts(listener)) == (0, None, before)
            assert not children(process.pid)  # at first there is uname(1), which tells Python the platform
            assert answer(listener, "resume", "r1")["data"] == {"camera": "starting", "survives_restart": True}
            wait_for(lambda: starts(listener) > before, "a face")
            wait_camera(listener, "running")
            assert children(process.pid) and not (tmp_path / "state" / "paused").exists()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def drained(systemd: socket.socket) -> None:
    try:
        while True:
            systemd.recv(4096)
    except BlockingIOError:
        return


def test_what_can_be_asked_and_what_cannot(mosquitto: Mosquitto, model: Path, tmp_path: Path) -> None:
    """One device for all of it: to start one takes seconds."""
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        listener.publish(f"{ROOT}/cmd/request/pause", '{"transaction": "kept"}', retain=True)
        with running(tmp_path, model, "--loop", *to(mosquitto.port, "selftest.budget_ms=60000")) as process:
            wait_for(lambda: listener.objects(f"{ROOT}/health"), "health")

            said = answer(listener, "status", "s1")["data"]
            valid("Status", said["status"])
            valid("Health", said["health"])
            assert said["status"]["camera"] == "running", "a retained request was passed over"

            tested = answer(listener, "selftest", "t1")
            checks = {check["name"]: check for check in tested["data"]["checks"]}
            assert tested["status"] == "ok" and {"model", "face", "mqtt", "state", "speed"} <= set(checks)
            assert checks["camera"]["skipped"] and checks["mqtt"]["ok"] and checks["speed"]["ok"]
            assert tested["data"]["stages"]["total"]["n"] > 0, "the running chain's own times"

            refused = answer(listener, "fly", "u1")
            assert (refused["status"], refused["data"]) == ("error", None)
            assert refused["error"] == "there is no command 'fly'; known are pause, resume, selftest, status."
            ask(listener, "selftest", "{" + " " * 5000)
            ask(listener, "resume", "please")
            (oversized,) = wait_for(lambda: answers(listener, "selftest", None), "an answer")
            assert oversized["error"] == "the request has 5001 bytes; at most 4096 are read."
            (malformed,) = wait_for(lambda: answers(listener, "resume", None), "an answer")
            assert malformed["error"].startswith("the request is not JSON; send ")

            ask(listener, "selftest", '{"transaction": "t1"}')  # once more, as QoS 1 allows
            first, again = wait_for(
                lambda: len(answers(listener, "selftest", "t1")) == 2 and answers(listener, "selftest", "t1")
            )
            assert first == again
            process.send_signal(signal.SIGTERM)
            _, complaints = process.communicate(timeout=60)
            assert process.returncode == 0 and "Traceback" not in complaints
            assert "a retained request is ignored: emotion/porch/cmd/request/pause" in complaints
        assert not answers(listener, "pause", "kept")
        listener.publish(f"{ROOT}/cmd/request/pause", "", retain=True)
