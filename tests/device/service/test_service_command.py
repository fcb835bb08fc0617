"""`device run` as a process: what it says on the way, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

import device
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, retained, wait_for
from tests.support.command import DECLARED, DEVICE

PICTURE = Path(device.__file__).parent / "assets" / "astronaut.jpg"
ROOT = "emotion/porch"
SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "events.schema.json").read_text(encoding="utf-8"))


@contextmanager
def running(folder: Path, model: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`device run` on the bundled picture, ended at last."""
    command = [DEVICE, "run", *DECLARED, "--source", PICTURE, "--set", f"device.model.path={model}", *arguments]
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env=os.environ | {"STATE_DIRECTORY": str(folder / "state")} | environment,
        stdin=subprocess.DEVNULL,  # of a terminal, SIGHUP would mean something else
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def to(port: int, *settings: str) -> list[str]:
    """The options that make it speak to a broker."""
    wanted = ("id=porch", "mqtt.host=127.0.0.1", f"mqtt.port={port}", "purpose_note=a test", *settings)
    return [part for setting in wanted for part in ("--set", f"device.{setting}")]


def valid(kind: str, payload: object) -> None:
    """The payload is what the schema in docs/ promises."""
    jsonschema.validate(payload, {"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]})


@needs_mosquitto
def test_a_picture_that_ends(mosquitto: Mosquitto, model: Path, tmp_path: Path) -> None:
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        with running(tmp_path, model, "--fast", *to(mosquitto.port)) as process:
            _, complaints = process.communicate(timeout=60)
            assert process.returncode == 0, complaints
        listener.wait_text(f"{ROOT}/availability", "offline")

    events = listener.objects(f"{ROOT}/events")
    assert [e["type"] for e in events if e["type"] != "update"] == ["start", "end"]
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    status = listener.objects(f"{ROOT}/status")
    assert [s["camera"] for s in status] == ["starting", "running", "ended"]
    assert (status[0]["model"]["name"], status[0]["purpose"], status[0]["purpose_note"]) == ("tiny", "test", "a test")
    states = listener.texts(f"{ROOT}/tracks/1/state")
    assert states[-1] == "" and len(states) >= 2
    for kind, topic in (("EmotionEvent", "events"), ("Status", "status"), ("Summary", "summary"), ("Health", "health")):
        for payload in listener.objects(f"{ROOT}/{topic}"):
            valid(kind, payload)
    valid("TrackState", json.loads(states[0]))
    health = listener.objects(f"{ROOT}/health")[0]
    stages = {"capture", "detect", "track", "check", "classify", "smooth", "publish", "total"}
    assert stages >= health["stages"].keys() > {"total"}
    assert listener.objects(f"{ROOT}/summary")[-1]["faces"] == 0


@needs_mosquitto
def test_mosquitto_sub_shows_the_promised_topics_and_sigkill_leaves_offline(
    mosquitto: Mosquitto, model: Path, tmp_path: Path
) -> None:
    tool = shutil.which("mosquitto_sub") or pytest.skip("mosquitto-clients is not installed")
    promised = {"availability", "status", "events", "tracks/1/state", "summary", "health"}
    with running(tmp_path, model, "--loop", *to(mosquitto.port)) as process:
        subscribe = [tool, "-h", "127.0.0.1", "-p", str(mosquitto.port), "-t", f"{ROOT}/#", "-F", "%t", "-R"]
        with subprocess.Popen(subscribe, stdout=subprocess.PIPE, text=True) as subscriber:
            assert subscriber.stdout is not None
            heard: set[str] = set()
            while not {"events", "tracks/1/state", "summary", "health"} <= heard:
                heard.add(subscriber.stdout.readline().strip().removeprefix(f"{ROOT}/"))
            subscriber.kill()
        assert heard <= promised
        kept = retained(mosquitto.port, f"{ROOT}/#")
        assert (kept[f"{ROOT}/availability"], json.loads(kept[f"{ROOT}/status"])["camera"]) == ("online", "running")
        process.send_signal(signal.SIGKILL)
        wait_for(lambda: retained(mosquitto.port, f"{ROOT}/availability")[f"{ROOT}/availability"] == "offline")


@needs_mosquitto
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_tracks_and_takes_leave(
    mosquitto: Mosquitto, model: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        with running(tmp_path, model, "--loop", *to(mosquitto.port)) as process:
            wait_for(lambda: [e for e in listener.objects(f"{ROOT}/events") if e["type"] == "start"], "a start")
            process.send_signal(stop)
            _, complaints = process.communicate(timeout=60)
            assert (process.returncode, "Traceback" in complaints) == (0, False), complaints
        listener.wait_text(f"{ROOT}/availability", "offline")
    assert listener.objects(f"{ROOT}/events")[-1]["type"] == "end"
    assert listener.texts(f"{ROOT}/tracks/1/state")[-1] == ""
    assert listener.objects(f"{ROOT}/status")[-1]["camera"] == "stopped"


@needs_mosquitto
def test_sigterm_while_the_broker_is_away_keeps_the_end_for_the_next_life(model: Path, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path).start()
    try:
        with running(tmp_path, model, "--loop", *to(broker.port)) as process:
            with Listener(broker.port, f"{ROOT}/#") as listener:
                wait_for(lambda: listener.objects(f"{ROOT}/events"), "a start")
                wait_for(lambda: listener.objects(f"{ROOT}/tracks/1/state"), "a face")
            broker.kill()
            process.send_signal(signal.SIGTERM)
            _, complaints = process.communicate(timeout=60)
            assert (process.returncode, "Traceback" in complaints) == (0, False), complaints
        broker.start()
        with Listener(broker.port, f"{ROOT}/#") as listener, running(tmp_path, model, "--loop", *to(broker.port)):
            late = wait_for(lambda: [e for e in listener.objects(f"{ROOT}/events") if e["type"] == "end"], "the end")
            assert late[0]["replayed"] and late[0]["track"] == 1
    finally:
        broker.kill()


@needs_mosquitto
def test_a_camera_that_is_not_there_is_told_of(mosquitto: Mosquitto, model: Path, tmp_path: Path) -> None:
    with running(tmp_path, model, "--source", "v4l2:///dev/video99", *to(mosquitto.port)) as process:
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    assert complaints.splitlines()[-1].startswith("device: /dev/video99: there is no such camera")
    kept = retained(mosquitto.port, f"{ROOT}/#")
    assert kept[f"{ROOT}/availability"] == "offline"
    assert json.loads(kept[f"{ROOT}/status"])["camera"] == "failed"


@needs_mosquitto
def test_a_signal_while_the_broker_is_silent_ends_it_at_once(model: Path, tmp_path: Path) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with running(tmp_path, model, *to(mute.getsockname()[1], "mqtt.connect_timeout_s=600")) as process:
            connection, _ = mute.accept()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
            assert process.returncode == 0
            connection.close()


def test_without_a_broker_events_are_lines_of_json_and_nothing_else_is(model: Path, tmp_path: Path) -> None:
    with running(tmp_path, model, "--fast") as process:
        lines, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")
    events = [json.loads(line) for line in lines.splitlines()]
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[-1]["type"]) == ("start", "end")
    for event in events:
        valid("EmotionEvent", event)
    assert not (tmp_path / "state").exists()


def test_a_reader_that_goes_away_is_one_sentence(model: Path, tmp_path: Path) -> None:
    with running(tmp_path, model, "--fast", "--loop") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        process.send_signal(signal.SIGTERM)  # its end event finds no reader
        complaints = process.stderr.read()
        assert process.wait(timeout=60) == 1
    assert complaints == "device: standard output is closed: the program that read the events has ended.\n"


def test_systemd_is_told_ready_with_the_first_frame_then_alive_then_stopping(model: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000"}
        said: list[str] = []
        with running(tmp_path, model, "--fast", **told):
            while said[-1:] != ["STOPPING"]:
                said.append(systemd.recv(4096).decode().partition("=")[0])
    assert said[0] == "READY"
    assert {"WATCHDOG", "STATUS"} <= set(said[1:-1])


def test_systemd_is_not_told_ready_without_a_frame(model: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with running(tmp_path, model, "--source", "nowhere.mp4", **told) as process:
            process.communicate(timeout=60)
        systemd.setblocking(False)
        assert systemd.recv(4096) == b"STOPPING=1"
