"""`device fleet` with 24 boards that use real publishers, on a Mosquitto with a site's config."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.soak.board_process import AvailabilityMonitor, BoardProcess
from tests.soak.boards import name
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, wait_for
from tests.support.command import DEVICE, device, refusal
from tests.support.site_broker import PASSWORD, SiteBroker

pytestmark = needs_mosquitto
HOLDERS, EACH = 3, 8
RECONNECT_S = 90.0  # the retry delays are random, and a busy machine adds to them
NAMES = [name(number) for number in range(HOLDERS * EACH)]


class Site:
    """A broker, boards in three processes, a subscriber to availability, and the command."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        for file, text in {"password": PASSWORD, "user": "viewer", "boards.txt": "\n".join(NAMES)}.items():
            (folder / file).write_text(text)
        self.broker = SiteBroker(folder / "broker", ["site.conf"], [*NAMES, "viewer"])
        self.broker.start()
        stack.callback(self.broker.kill)
        self.watch = stack.enter_context(AvailabilityMonitor(self.broker.port))
        settings = ["device.report.health_s=1", "device.mqtt.keepalive_s=5"]
        self.holders = [
            stack.enter_context(BoardProcess(first, EACH, self.broker.port, folder, settings))
            for first in range(0, HOLDERS * EACH, EACH)
        ]
        for holder in self.holders:
            holder.ready()
        for holder in self.holders:
            holder.go()
        for holder in self.holders:
            assert holder.connected()["connected"] == EACH
        self.watch.wait_online(NAMES)

    def settings(self) -> list[str]:
        """The command's options for the broker, user and password."""
        files = {"username_file": self.folder / "user", "password_file": self.folder / "password"}
        mqtt = {"host": "127.0.0.1", "port": self.broker.port, **files}
        return [f"--set=device.mqtt.{key}={value}" for key, value in mqtt.items()]

    def fleet(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Run the command; returns its exit code and its JSON document."""
        done = device("fleet", "--seconds", "4", "--json", *self.settings(), *options, cwd=self.folder)
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("site"), stack)


def reasons(document: dict[str, Any]) -> dict[str, list[str]]:
    return {board["board"]: board["reasons"] for board in document["boards"] if not board["healthy"]}


def test_a_healthy_fleet(site: Site) -> None:
    code, document = site.fleet("--inventory", "boards.txt")
    assert (code, reasons(document)) == (0, {})
    assert document["ok"] and document["online"] == document["known"] == len(NAMES)
    first = document["boards"][0]
    assert first["board"] == NAMES[0] and first["online"] and first["heard_s_ago"] < 60
    assert first["status"]["model"] == "simulated 1" and first["status"]["camera"] == "running"
    assert first["health"]["fps"] == 15 and first["health"]["p95_ms"] == 25


def test_expected_boards_without_a_message(site: Site) -> None:
    (site.folder / "more.txt").write_text(f"# ours\n{NAMES[0]}\n\n  cellar  # the new one\n")
    code, document = site.fleet("--inventory", "more.txt")
    assert code == 1 and reasons(document) == {"cellar": ["no message received"]}
    assert "not in the inventory" in document["boards"][2]["notes"]
    code, document = site.fleet("--expect", "25")
    assert code == 1 and not document["ok"] and document["absent"] == 1 and document["unhealthy"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_live_table_on_a_terminal(site: Site, number: int) -> None:
    """A signal to stop ends it; the exit code is that of the state at this moment."""
    pytest.importorskip("rich")
    terminal, child_side = pty.openpty()
    size = {"TERM": "xterm", "COLUMNS": "160", "LINES": "40"}
    command = [str(DEVICE), "fleet", *site.settings(), "--inventory=boards.txt"]
    process = subprocess.Popen(command, cwd=site.folder, env=os.environ | size, stdout=child_side, stderr=child_side)
    os.close(child_side)
    shown = ""
    while "24 boards, 0 unhealthy, 24 online; listened" not in shown:
        shown += os.read(terminal, 65536).decode()
    process.send_signal(number)
    with contextlib.suppress(OSError):  # how reading ends when the terminal is closed
        while more := os.read(terminal, 65536):
            shown += more.decode()
    os.close(terminal)
    assert process.wait() == 0 and "Traceback" not in shown
    assert "\x1b[?1049l" in shown  # the screen as it was before
    assert "simulated 1" in shown and NAMES[0] in shown and "health" in shown


@pytest.mark.slow
def test_boards_that_are_killed_and_others_that_hang(site: Site) -> None:
    """The broker notices killed boards at once: their connections close.

    It notices boards that hang by the keepalive.
    """
    killed, frozen, others = site.holders
    before_s = time.monotonic()
    killed.kill()
    frozen.freeze()
    site.watch.wait_online(others.names)
    changes = site.watch.since(before_s)
    assert sorted(word.board for word in changes) == sorted(killed.names + frozen.names)  # each once, and no others
    assert not any(word.online for word in changes)

    code, document = site.fleet("--inventory", "boards.txt")
    assert code == 1 and reasons(document).keys() == set(killed.names + frozen.names)
    assert {why for each in reasons(document).values() for why in each} == {"offline"}

    frozen.thaw()
    site.watch.wait_online(frozen.names + others.names)


def test_boards_reconnect_to_a_broker_that_was_down(site: Site) -> None:
    dead, *living = site.holders
    dead.kill()  # unless the test before did so
    names = [board for holder in living for board in holder.names]
    site.watch.wait_online(names)
    site.broker.kill()
    wait_for(lambda: not site.watch.subscribed.is_set(), "the watch to notice")
    before_s = time.monotonic()
    site.broker.start()
    clients = {f"emotion-edge-{name}" for name in names}
    wait_for(lambda: {client for _, client in site.broker.connections()} >= clients, "all to connect", RECONNECT_S)
    wait_for(site.watch.subscribed.is_set, "the watch to reconnect", RECONNECT_S)

    def all_online() -> bool:
        return site.watch.online() == set(names) and any(word.at_s > before_s for word in site.watch.changes)

    wait_for(all_online, "all to be online again", patience_s=RECONNECT_S)
    _, document = site.fleet("--expect", str(len(names)))
    assert reasons(document).keys() <= set(site.holders[0].names)  # killed before the broker
    assert {board["board"] for board in document["boards"] if board["online"] and board["health"]} == set(names)


def test_invalid_messages_neither_stop_the_report_nor_count_as_healthy(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, "nothing") as client:
        client.publish("emotion/mad/availability", "online", retain=True)
        for payload in ("[1, 2", '{"model": 7, "camera": ["x"]}', "[" * 50_000):
            client.publish("emotion/mad/status", payload, retain=True)
        client.publish("emotion/odd/status", json.dumps({"camera": "\x1b[2J", "model": {"name": "[red]"}}), retain=True)
        client.publish("emotion/not a name/status", "{}", retain=True)
        done = device("fleet", "--seconds", "1", f"--set=device.mqtt.port={mosquitto.port}",
                      "--set=device.mqtt.host=127.0.0.1", cwd=tmp_path)  # fmt: skip
        for topic in ("mad/availability", "mad/status", "odd/status", "not a name/status"):
            client.publish(f"emotion/{topic}", "", retain=True)
    assert done.returncode == 1 and done.stderr == "" and "\x1b[2J" not in done.stdout
    assert "its status message cannot be parsed" in done.stdout
    assert "no availability message received" in done.stdout and r"\x1b[2J" in done.stdout and "[red]" in done.stdout
    assert "2 boards, 2 unhealthy, 1 online; 2 without health yet; 1 messages on unknown topics" in done.stdout


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        (["--seconds=1"], 2, "device.mqtt.host is not set"),
        ([], 2, "the live table needs a terminal; use --seconds S"),
        (["--json"], 2, "the live table needs a terminal; use --seconds S"),
        (["--seconds=1", "--inventory=none.txt"], 2, "none.txt: the inventory cannot be read: No such file"),
        (["--seconds=1", "--inventory=wrong.txt"], 2, "wrong.txt, line 2: 'a/b' is not a board's name"),
        (["--seconds=1", "--inventory=empty.txt"], 2, "empty.txt: the inventory names no board"),
        (["--seconds=1", "--set=device.mqtt.host=127.0.0.1", "--set=device.mqtt.port=9"], 1, "cannot be reached"),
        (["--seconds=1", "--set=device.mqtt.host=127.0.0.1", "--set=device.mqtt.base_topic=a/#"], 2, "base_topic"),
    ],
)
def test_wrong_usage_is_reported_in_one_sentence(options: list[str], code: int, part: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.txt").write_text("hall\na/b\n")
    (tmp_path / "empty.txt").write_text("# no board\n")
    assert part in refusal(device("fleet", *options, cwd=tmp_path), code)


@pytest.mark.parametrize("option", ["--seconds=0", "--seconds=x", "--seconds=nan", "--expect=0", "--expect=many"])
def test_an_invalid_number_is_wrong_usage(option: str, tmp_path: Path) -> None:
    done = device("fleet", option, cwd=tmp_path)
    assert done.returncode == 2 and "usage: device fleet" in done.stderr and "Traceback" not in done.stderr
