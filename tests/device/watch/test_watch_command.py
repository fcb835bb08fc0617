"""`device watch` beside a real publisher and a real Mosquitto."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from device.messages import AttentionAlert, EmotionEvent
from tests.device.mqtt.porch import OPEN, event, face, publish
from tests.support.broker import Listener, Mosquitto, needs_mosquitto
from tests.support.command import DEVICE, device, refusal

pytestmark = needs_mosquitto


@pytest.fixture(autouse=True)
def leave_none_open() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    running = Mosquitto(tmp_path).start()
    yield running
    running.kill()


def command(port: int, *options: str) -> list[str]:
    return [str(DEVICE), "watch", f"--set=device.mqtt.port={port}", "--set=device.mqtt.host=127.0.0.1", *options]


def alert(phase: str) -> EmotionEvent:
    told = AttentionAlert(kind="drowsy", phase="start" if phase == "start" else "end", duration_s=2.5)
    return EmotionEvent(type="attention", track=1, ts=1.0, emotion="happy", confidence=0.8, scores={}, alert=told)


@contextmanager
def watching(port: int, folder: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The command with its output in a pipe."""
    line = command(port, "--set=device.mqtt.reconnect_min_s=0.1", "--set=device.mqtt.reconnect_max_s=0.2", *options)
    around = os.environ | environment
    with subprocess.Popen(
        line, cwd=folder, env=around, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as it:
        try:
            yield it
        finally:
            it.kill()


def read_until(process: subprocess.Popen[str], part: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if part in line:
            return lines
    raise AssertionError(f"it ended without {part!r}: {lines}")


def test_lines_of_states_events_and_alerts_and_a_broker_that_is_away(tmp_path: Path, broker: Mosquitto) -> None:
    publisher = publish(broker.port, tmp_path)
    with watching(broker.port, tmp_path) as process:
        read_until(process, "porch  state   online")
        publisher.publish([event("start")], [face()])
        read_until(process, "porch  event   face 1 appeared: happy 0.80")
        publisher.publish([alert("start"), alert("end")], [face()])
        lines = read_until(process, "drowsy ended after 2.5 s")
        assert any("porch  alert   face 1: drowsy" in line for line in lines)
        broker.stop()
        read_until(process, "the connection to the broker is lost")
        broker.start()
        read_until(process, "connected to the broker again")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr is not None and "Traceback" not in process.stderr.read()


def test_hostile_text_reaches_no_terminal(tmp_path: Path, broker: Mosquitto) -> None:
    with watching(broker.port, tmp_path, PYTHONIOENCODING="ascii") as process, Listener(broker.port, "no") as client:
        client.publish("emotion/porch/availability", "online", retain=True)
        read_until(process, "porch  state   online")
        client.publish("emotion/porch/summary", '{"faces": 1e999, "counts": {"\\u001b[2J\\u202e": 3}}')
        client.publish("emotion/porch/events", '{"type": "end", "track": [], "emotion": "\\u001b]0;x\\u0007\\u00e9"}')
        (line,) = [line for line in read_until(process, "left") if "left" in line]
        assert line.endswith(r"face ? left: \x1b]0;x\x07\xe9")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_live_view_on_a_terminal(number: int, tmp_path: Path, broker: Mosquitto) -> None:
    pytest.importorskip("rich")
    publisher = publish(broker.port, tmp_path)
    publisher.publish([event("start")], [face()])
    terminal, child_side = pty.openpty()
    size = {"TERM": "xterm", "COLUMNS": "100", "LINES": "30", "PYTHONIOENCODING": "utf-8"}
    line = command(broker.port, "--topic", "emotion/porch")
    process = subprocess.Popen(line, cwd=tmp_path, env=os.environ | size, stdout=child_side, stderr=child_side)
    os.close(child_side)
    shown = ""
    while "████████░░ 0.80" not in shown:
        shown += os.read(terminal, 65536).decode(errors="replace")
    process.send_signal(number)
    with contextlib.suppress(OSError):  # how reading ends when the terminal is closed
        while more := os.read(terminal, 65536):
            shown += more.decode(errors="replace")
    os.close(terminal)
    assert process.wait(30) == 0 and "Traceback" not in shown
    assert "\x1b[?1049l" in shown  # the screen as it was before


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        ([], 2, "device.mqtt.host is not set"),
        (["--topic=emotion/#", "--set=device.mqtt.host=127.0.0.1"], 2, "--topic is 'emotion/#', but must be"),
        (["--set=device.mqtt.host=127.0.0.1", "--set=device.mqtt.port=9"], 1, "cannot be reached"),
    ],
)
def test_wrong_usage_is_reported_in_one_sentence(options: list[str], code: int, part: str, tmp_path: Path) -> None:
    assert part in refusal(device("watch", *options, cwd=tmp_path), code)


def test_without_rich_lines_are_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from device.watch import command as module

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert module._console() is None
    assert "only lines, because rich is missing: pip install 'emotion-edge[fleet]'" in capsys.readouterr().err
