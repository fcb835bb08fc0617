"""What `device watch` draws."""

from __future__ import annotations

import io

import pytest

from device.watch.boards import SUMMARY_S, WatchedBoards
from device.watch.view import Screen, render
from tests.device.watch.helpers import send


def drawn(boards: WatchedBoards, screen: Screen, now_s: float = 0.0, trouble: str | None = None) -> list[str]:
    rich = pytest.importorskip("rich.console", reason="rich, which draws the live view, is not installed")
    console = rich.Console(width=screen.width, record=True, file=io.StringIO())
    console.print(render(boards, screen, now_s, trouble))
    return str(console.export_text()).splitlines()


def hall(faces: int = 2) -> WatchedBoards:
    boards = WatchedBoards("emotion/+")
    send(boards, "availability", "online")
    send(boards, "status", {"camera": "running"})
    send(boards, "health", {"fps": 14.94})
    send(boards, "summary", {"faces": faces, "counts": {"happy": faces}})
    for track in range(1, faces + 1):
        state = {"emotion": "happy", "confidence": 0.5, "attention": {"facing": 0.9, "looking_away": track == 2}}
        send(boards, f"tracks/{track}/state", state)
    send(boards, "events", {"type": "start", "track": 1, "emotion": "happy", "confidence": 0.5, "ts": 1.0})
    send(boards, "events", {"type": "attention", "track": 2, "alert": {"kind": "looking_away", "phase": "start"}})
    return boards


def test_one_board_with_faces_alerts_and_events() -> None:
    lines = drawn(hall(), Screen(100, 30))
    assert lines[0] == "hall  online, camera running  14.9 frames/s"
    assert lines[1] == "2 faces: 2 happy"
    assert any(line.startswith("1 ") and "█████░░░░░ 0.50" in line and "facing 0.90" in line for line in lines)
    assert any(line.startswith("2 ") and "looking away, facing 0.90" in line for line in lines)
    at = lines.index("alerts")
    assert lines[at + 1].endswith("hall  face 2: looking away")
    assert lines[lines.index("events") + 1].endswith("hall  face 1 appeared: happy 0.50")


def test_an_ascii_terminal_gets_ascii() -> None:
    text = "\n".join(drawn(hall(), Screen(40, 30, ascii_only=True)))
    assert text.isascii() and "#####----- 0.50" in text


@pytest.mark.parametrize("height", [24, 40])
def test_the_view_fits_the_screen(height: int) -> None:
    boards = hall(faces=60)
    for track in range(60):
        send(boards, "events", {"type": "end", "track": track, "emotion": "sad"})
        send(boards, "events", {"type": "attention", "track": track, "alert": {"kind": "yawn", "phase": "start"}})
    lines = drawn(boards, Screen(80, height), trouble="the connection to the broker is lost")
    assert len(lines) <= height and lines[0] == "the connection to the broker is lost; trying again"
    assert any(line.strip().endswith("more") for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_several_boards_and_a_summary_that_is_old() -> None:
    boards = hall()
    send(boards, "availability", "offline", board="porch")
    lines = drawn(boards, Screen(100, 30), now_s=SUMMARY_S)
    assert lines[0].split() == ["board", "state", "faces"]
    assert any(line.startswith("porch") and "offline" in line for line in lines)
    assert any(line.startswith("hall") and "no summary now" in line for line in lines)


def test_markup_and_control_characters_of_a_board_are_only_text() -> None:
    boards = hall()
    send(boards, "tracks/1/state", {"emotion": "[red]\x1b[2J", "confidence": None})
    text = "\n".join(drawn(boards, Screen(100, 30)))
    assert r"[red]\x1b[2J" in text and "\x1b" not in text


def test_nothing_heard_yet() -> None:
    assert drawn(WatchedBoards("emotion/hall"), Screen(80, 24))[0] == "no message on emotion/hall yet"
