"""`device dashboard` as a process, with a real broker: what it shows, and trouble of every kind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from device.cli import main
from device.messages.attention import GroupAttention
from tests.device.dashboard.helpers import Browser, alert, event, status, summary, track
from tests.support.broker import Listener, Mosquitto, free_port, needs_mosquitto, wait_for
from tests.support.command import DEVICE

ROOT = "emotion/hall"
Capture = pytest.CaptureFixture[str]


class Dashboard:
    """A running `device dashboard`, or another command that serves a page."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)/", line)
        assert found, line + (process.stderr.read() if process.stderr is not None else "")
        self.process, self.browser = process, Browser(int(found[1]))
        self.log = ""  # once it has ended

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        state: dict[str, Any] = self.browser.json("/api/state")
        return state

    def wait_connected(self, connected: bool = True) -> None:
        """Wait until it has the connection to the broker, or has none."""
        wait_for(lambda: self.state()["broker"]["connected"] == connected, f"connected to be {connected}")


@contextmanager
def running(folder: Path, port: int, *options: str, command: str = "dashboard") -> Iterator[Dashboard]:
    """Run a command that serves a page; it must end well."""
    broker = ["--set=device.mqtt.host=127.0.0.1", f"--set=device.mqtt.port={port}"]
    quick = ["--set=device.mqtt.reconnect_min_s=0.2", "--set=device.mqtt.reconnect_max_s=1"]
    topic = ["--topic", ROOT] if command == "dashboard" else []
    process = subprocess.Popen(
        [str(DEVICE), command, *topic, "--listen=127.0.0.1:0", *broker, *quick, *options],
        cwd=folder,
        env=os.environ | {"STATE_DIRECTORY": str(folder / "state")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        dashboard = Dashboard(process)
        yield dashboard
        process.send_signal(signal.SIGINT)
        _, dashboard.log = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in dashboard.log, dashboard.log
    finally:
        process.kill()
        process.communicate()


@needs_mosquitto
def test_a_board_live_and_its_history(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with running(tmp_path, mosquitto.port) as dashboard, Listener(mosquitto.port, "none") as board:
        dashboard.wait_connected()
        board.publish(f"{ROOT}/availability", "online", retain=True)
        board.publish(f"{ROOT}/status", status().to_json(), retain=True)
        board.publish(f"{ROOT}/tracks/1/state", track(1).to_json(), retain=True)
        board.publish(f"{ROOT}/events", event("start").to_json())
        board.publish(f"{ROOT}/events", alert("yawn").to_json())
        message = summary(3, happy=0.5, attention=GroupAttention(measured=3, facing=0.25))
        board.publish(f"{ROOT}/summary", message.to_json())
        state = wait_for(lambda: (found := dashboard.state())["summary"] and found, "the summary")
        assert state["availability"] == "online" and state["status"]["camera"] == "running"
        assert state["summary"] == json.loads(message.to_json()) and state["tracks"][0]["emotion"] == "happy"
        assert [entry["kind"] for entry in state["alerts"]] == ["yawn"] and len(state["events"]) == 1
        (row,) = wait_for(lambda: dashboard.browser.json("/api/history")["rows"], "the row")
        assert row["faces"] == 3 and row["valence"]["positive"] == 0.5 and row["attention"]["facing"] == 0.25
        lines = dashboard.browser.get("/api/history.csv")[2].decode().splitlines()
        assert (
            lines[0].startswith("time,faces,angry,happy,neutral,unknown,valence_positive")
            and ",3,0,3,0,0,0.5," in lines[1]
        )

    with running(tmp_path, mosquitto.port) as dashboard:  # again, with what was kept
        dashboard.wait_connected()
        assert dashboard.browser.json("/api/history")["rows"] == [row]
        assert [entry["kind"] for entry in dashboard.state()["alerts"]] == ["yawn"]
        wait_for(lambda: len(dashboard.state()["tracks"]) == 1, "the retained face")

    with running(tmp_path, mosquitto.port, "--no-history") as dashboard:
        assert dashboard.browser.get("/api/history")[0] == 404 and dashboard.state()["history_h"] == 0


@needs_mosquitto
def test_hostile_messages_do_not_break_it(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with running(tmp_path, mosquitto.port, "--no-history") as dashboard, Listener(mosquitto.port, "none") as attacker:
        dashboard.wait_connected()
        payloads = [
            "",
            "x",
            "[]",
            "[" * 30_000,
            '{"faces":1e999}',
            '{"counts":{"a":"<script>"}}',
            "\x00" * 60_000,
            "9" * 9000,
        ]
        channels = ["summary", "status", "health", "events", "tracks/1/state", "tracks/99999999999999999999/state",
                    "cmd/response/selftest", "availability"]  # fmt: skip
        for channel in channels:
            for payload in payloads:
                attacker.publish(f"{ROOT}/{channel}", payload)
        attacker.publish(f"{ROOT}/summary", summary(5).to_json())
        wait_for(lambda: (dashboard.state()["summary"] or {}).get("faces") == 5, "the good message")
        state = dashboard.state()
        assert state["skipped"] > 40 and state["broker"]["connected"] and state["tracks"] == state["events"] == []


@needs_mosquitto
def test_a_broker_that_goes_and_a_board_that_restarts(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path).start()
    try:
        with running(tmp_path, broker.port) as dashboard:
            dashboard.wait_connected()
            with Listener(broker.port, "none") as board:
                board.publish(f"{ROOT}/availability", "online", retain=True)
                board.publish(f"{ROOT}/tracks/1/state", track(1).to_json(), retain=True)
                wait_for(lambda: dashboard.state()["tracks"], "the face")
                board.publish(f"{ROOT}/availability", "offline", retain=True)  # the last will
                wait_for(lambda: dashboard.state()["availability"] == "offline", "the last will")
                assert dashboard.state()["tracks"] == []
                board.publish(f"{ROOT}/availability", "online", retain=True)
                board.publish(f"{ROOT}/tracks/2/state", track(2).to_json(), retain=True)
                wait_for(lambda: [face["track"] for face in dashboard.state()["tracks"]] == [2], "the new face")
            broker.kill()
            dashboard.wait_connected(False)
            error = dashboard.state()["broker"]["error"]
            assert error.startswith(("The connection to the broker is lost", "the MQTT broker at")) and error.endswith(
                "."
            )
            broker.start()
            dashboard.wait_connected()
            assert dashboard.state()["tracks"] == [] and dashboard.browser.get("/api/history")[0] == 200
    finally:
        broker.kill()


@needs_mosquitto
@pytest.mark.parametrize(("command", "options"), [("dashboard", ["--no-history"]), ("fleet", ["--web"])])
def test_the_log_tells_that_the_broker_is_lost_and_that_it_is_back(
    command: str, options: list[str], tmp_path: Path
) -> None:
    broker = Mosquitto(tmp_path).start()
    try:
        with running(tmp_path, broker.port, *options, command=command) as dashboard:
            dashboard.wait_connected()
            broker.kill()
            dashboard.wait_connected(False)
            broker.start()
            dashboard.wait_connected()
    finally:
        broker.kill()
    first, lost, *_, last = dashboard.log.splitlines()
    back = f"device: connected to the MQTT broker at 127.0.0.1:{broker.port} (MQTT 5)"
    assert first == last == back and dashboard.log.count(back) == 2
    assert lost.startswith(f"device: lost the MQTT broker at 127.0.0.1:{broker.port}")


@needs_mosquitto
def test_no_broker_at_the_start(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    with running(tmp_path, broker.port) as dashboard:
        wait_for(lambda: dashboard.state()["broker"]["error"], "the error")
        assert "cannot be reached" in dashboard.state()["broker"]["error"]
        broker.start()
        dashboard.wait_connected()
        broker.kill()


@needs_mosquitto
def test_all_boards(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with (
        Listener(mosquitto.port, "none") as boards,
        running(tmp_path, mosquitto.port, "--web", "--expect=2", command="fleet") as page,
    ):
        boards.publish("emotion/one/availability", "online", retain=True)
        boards.publish(
            "emotion/one/status", status(camera="failed", camera_error="no <b>camera</b>").to_json(), retain=True
        )
        report = wait_for(
            lambda: (found := page.browser.json("/api/fleet"))["boards"] and found["unhealthy"] and found, "the board"
        )
        (board,) = [entry for entry in report["boards"] if entry["board"] == "one"]
        assert "camera failed: no <b>camera</b>" in board["reasons"] and report["expected"] == 2
        state = page.state()
        assert state["views"] == ["fleet"] and state["device"] is None and state["topic"] == "emotion"
        assert page.browser.get("/")[1]["location"] == "/fleet"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which holds the state folder too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path


BROKER = ("--set", "device.mqtt.host=127.0.0.1", "--set", "device.id=hall")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--set", "device.id=hall"), 2, "device.mqtt.host is not set"),
        ((*BROKER, "--listen", "0.0.0.0:0"), 2, "0.0.0.0 can be reached from the network"),
        ((*BROKER, "--listen", "0.0.0.0:0", "--token-file", "none"), 2, "token_file: none cannot be read"),
        ((*BROKER, "--listen", "192.0.2.1:0", "--behind-proxy", "x"), 1, "192.0.2.1:0 cannot be listened on"),
        ((*BROKER, "--set", "device.mqtt.password_file=none"), 2, "device.mqtt.password_file"),
        ((*BROKER, "--set", "device.id=a/b"), 2, "device.id is 'a/b'"),
        ((*BROKER, "--set", "device.state_dir=/proc/nowhere"), 1, "the history cannot be used"),
    ],
)
def test_mistakes_are_one_sentence(
    options: tuple[str, ...], code: int, words: str, here: Path, capsys: Capture
) -> None:
    listen = () if "--listen" in options else ("--listen", "127.0.0.1:0")
    assert main(["dashboard", *options, *listen]) == code
    said = capsys.readouterr().err
    assert words in said and said.startswith("device: ") and said.endswith(".\n") and said.count("\n") == 1


@pytest.mark.parametrize(
    "option", ["--listen=8088", "--listen=a:b:1", "--listen=x:99999", "--topic=hall", "--topic=a/#"]
)
def test_wrong_options(option: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["dashboard", option])
    assert "is not " in capsys.readouterr().err


def test_a_port_in_use(here: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        assert main(["dashboard", *BROKER, "--no-history", "--listen", listen]) == 1
    assert "Address already in use; choose another with --listen HOST:PORT." in capsys.readouterr().err


def test_histories_of_boards_that_nobody_watches_are_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "dashboard"
    folder.mkdir(parents=True, mode=0o700)
    ages_s = {"old-12345678.db": 90_000, "old-12345678.db-wal": 90_000, "new-12345678.db": 7200}
    for name, age_s in ages_s.items():
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    with running(tmp_path, free_port(), "--set=device.dashboard.history_h=1"):  # the others keep a day
        left = {path.name for path in folder.iterdir() if not path.name.startswith("hall-")}
    assert left == {"new-12345678.db"}
