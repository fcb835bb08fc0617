"""What boards say, however odd, and when they count as healthy."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config.schema import DeviceConfig, FleetConfig, MqttConfig
from device.errors import UsageError
from device.fleet import read_inventory
from device.fleet.boards import Boards
from device.fleet.health_rules import Verdict, judge
from device.fleet.live_table import picture, watch
from device.fleet.monitor import Listener
from device.fleet.parsing import LONGEST, number, text, to_health, to_status
from device.fleet.report import HEAD, Report, report

LIMITS = FleetConfig()
GOOD: dict[str, Any] = {
    "uptime_s": 600.0,
    "fps": 15.0,
    "last_frame_age_s": 0.1,
    "stages": {"total": {"p95_ms": 25.0}},
    "temperature_c": 50.5,
    "throttling": {"now": [], "since_boot": []},
    "outbox": {"depth": 0, "dropped": 0, "oldest_age_s": None, "trouble": None},
}
UPDATE = {"state": "rolled_back", "new": {"name": "student", "version": "8"}, "reason": "It is too slow.", "since": 1.0}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


class Hall:
    """One board, `hall`, that says what it is told to; the time is what it is told to be."""

    def __init__(self, *named: str) -> None:
        self.boards = Boards("emotion", named)
        self.now_s = 1000.0

    def say(self, channel: str, payload: Any, retained: bool = False) -> Hall:
        body = payload if isinstance(payload, str) else json.dumps(payload)
        self.boards.hear(f"emotion/hall/{channel}", body.encode(), retained, self.now_s)
        return self

    def well(self, camera: str = "running", **status: Any) -> Hall:
        said = {"camera": camera, "model": {"name": "student", "version": "7", "digest": "ab" * 32}, **status}
        return self.say("availability", "online").say("status", said).say("health", GOOD)

    def health(self, **values: Any) -> Hall:
        return self.say("health", GOOD | values)

    def outbox(self, **values: Any) -> Hall:
        return self.health(outbox=GOOD["outbox"] | values)

    def verdict(self, since_s: float = 0.0) -> Verdict:
        (board,) = (board for board in self.boards.all() if board.name == "hall")
        named = not self.boards.named or "hall" in self.boards.named
        return judge(board, LIMITS, self.now_s, since_s, named)


def test_a_board_that_is_well() -> None:
    verdict = Hall().well().verdict()
    assert verdict.healthy and verdict.notes == () and str(verdict) == "good"


@pytest.mark.parametrize(
    ("hall", "reason"),
    [
        (Hall("hall"), "never spoke"),
        (Hall().say("availability", "offline", retained=True), "offline"),
        (Hall().well().say("availability", "offline"), "offline for 0 s"),
        (Hall().health(), "says nothing on availability"),
        (Hall().well("stalled", camera_error="No frame for 10 s."), "camera stalled: No frame for 10 s."),
        (Hall().well("frozen"), "camera frozen"),
        (Hall().well("failed"), "camera failed"),
        (Hall().well("starting").health(last_frame_age_s=None), "camera gives no frame since the start, 600 s ago"),
        (Hall().well().health(last_frame_age_s=200.0), "no frame for 200 s"),
        (Hall().well().health(throttling={"now": ["under-voltage", "throttled"]}), "under-voltage, throttled"),
        (Hall().well().outbox(depth=7, oldest_age_s=61.0), "7 events wait, the oldest 61 s"),
        (Hall().well().outbox(dropped=3), "gave up 3 events"),
        (Hall().well().outbox(trouble="the disk is full."), "state folder: the disk is full."),
        (Hall().well().outbox(depth=3).outbox(depth=9), "outbox grows: 9 events"),
        (Hall().well().say("status", "{"), "its status cannot be read"),
        (Hall().well().say("health", "[]"), "its health cannot be read"),
        (Hall().well().health(uptime_s=3.0).health(uptime_s=60.0).health(uptime_s=2.0), "restarted 2 times in 10 min"),
    ],
)
def test_a_board_that_is_not(hall: Hall, reason: str) -> None:
    assert hall.verdict().reasons == (reason,)


@pytest.mark.parametrize(
    ("hall", "note"),
    [
        (Hall().well("paused"), "camera paused"),
        (Hall().well("ended"), "camera ended"),
        (Hall().well(config_error="camera.fps is 0."), "settings not in force: camera.fps is 0."),
        (Hall().well(model_update=UPDATE), "model update: rolled_back student 8: It is too slow."),
        (Hall().well(model_update={"state": "trial"}), "model update: trial"),
        (Hall().well().health(throttling={"now": [], "since_boot": ["throttled"]}), "before: throttled"),
        (Hall("porch").well(), "not in the inventory"),
        (Hall().say("availability", "online").say("status", {}), "no health yet"),
        (Hall().say("availability", "online").health(), "no status yet"),
        (Hall().say("availability", "online").say("status", {}).outbox(dropped=3), "gave up 3 events before"),
    ],
)
def test_what_is_merely_worth_knowing(hall: Hall, note: str) -> None:
    verdict = hall.verdict()
    assert verdict.healthy and verdict.notes == (note,) and str(verdict) == f"good ({note})"


@pytest.mark.parametrize(
    "hall",
    [
        Hall().well("starting").health(last_frame_age_s=None, uptime_s=20.0),
        Hall().well().outbox(depth=5).outbox(depth=5).outbox(depth=2),  # a burst that passes
        Hall().well().health(uptime_s=3.0),  # restarted once, as after an update
        Hall().well().say("status", "{").well(),  # readable again
        Hall().well(model_update={"state": "accepted", "new": {"name": "student", "version": "8"}}),
    ],
)
def test_what_is_no_fault(hall: Hall) -> None:
    assert hall.verdict().reasons == ()


def test_silence_counts_from_when_somebody_listens() -> None:
    hall = Hall().well()
    hall.now_s += 90
    assert hall.verdict().healthy
    hall.now_s += 1
    assert hall.verdict().reasons == ("online, but silent for 91 s",)
    assert hall.verdict(since_s=hall.now_s - 5).healthy


def test_what_the_broker_repeats_is_no_sign_of_life() -> None:
    hall = Hall().say("availability", "online", retained=True).say("status", {}, retained=True)
    hall.now_s += 100
    assert hall.verdict(since_s=1000.0).reasons == ("online, but silent for 100 s",)


def test_the_last_will_is_no_sign_of_life() -> None:
    hall = Hall().well()
    hall.now_s += 50
    hall.say("availability", "offline")
    (board,) = hall.boards.all()
    assert board.heard_s == 1000.0


def test_a_board_that_comes_and_goes_until_the_window_has_passed() -> None:
    hall = Hall().well()
    for _ in range(2):
        assert hall.verdict().healthy
        hall.say("availability", "offline").say("availability", "online")
    assert hall.verdict().reasons == ("went offline 2 times in 10 min",)
    hall.now_s += LIMITS.window_s + 1
    assert hall.well().verdict().healthy


def test_an_announcement_said_again_is_no_coming_and_going() -> None:
    """Boards repeat `online` whenever Home Assistant starts."""
    hall = Hall().well()
    for _ in range(9):
        hall.say("availability", "online")
    assert hall.verdict().healthy


def test_a_board_whose_topics_are_cleared_is_forgotten_unless_it_is_named() -> None:
    for named, left in ((), []), (("hall",), ["hall"]):
        hall = Hall(*named).well()
        for channel in ("availability", "status", "health"):
            hall.say(channel, "")
        assert [board.name for board in hall.boards.all()] == left


@pytest.mark.parametrize(
    "topic",
    ["emotion/hall/events", "emotion/a b/status", "emotion//status", "emotion/x/y/status", "other/hall/status",
     "emotion/hall/status\n", "emotion/" + "x" * 65 + "/status"],
)  # fmt: skip
def test_topics_that_are_no_boards_are_counted_and_passed_over(topic: str) -> None:
    boards = Boards("emotion")
    boards.hear(topic, b"{}", False, 0.0)
    assert boards.all() == [] and boards.strange == 1


@given(
    st.sampled_from(["availability", "status", "health"]),
    st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()),
)
def test_no_payload_stops_the_view(channel: str, payload: bytes) -> None:
    hall = Hall("hall").well()
    hall.boards.hear(f"emotion/hall/{channel}", payload, False, 1.0)
    found = report(hall.boards, LIMITS, 2.0, 0.0, None, None)
    json.loads(found.to_json())
    assert found.table().isprintable() or "\n" in found.table()


@given(JSON, JSON, JSON)
def test_no_value_of_a_field_stops_the_view(model: Any, outbox: Any, value: Any) -> None:
    status = {"model": model, "camera": value, "camera_error": value, "model_update": model, "config_error": value}
    health = {"outbox": outbox, "stages": model, "throttling": outbox} | dict.fromkeys(("fps", "uptime_s"), value)
    hall = Hall().say("availability", "online")
    hall.say("status", status).say("health", health).say("health", health)
    found = report(hall.boards, LIMITS, 2.0, 0.0, None, None)
    assert all(line.isprintable() for line in found.table().split("\n"))


@pytest.mark.parametrize(
    "payload", ["[" * 50_000, '{"fps": 1e999}', '{"fps": ' + "9" * 5000 + "}", '"' + "x" * 200_000]
)
def test_payloads_made_to_hurt(payload: str) -> None:
    hall = Hall().say("availability", "online").say("health", payload)
    (board,) = hall.boards.all()
    assert board.health is None or board.health.fps is None


def test_fields_of_the_wrong_kind_are_as_good_as_absent() -> None:
    health = to_health({"fps": "15", "uptime_s": True, "stages": [], "throttling": {"now": "hot"}, "outbox": None})
    assert (health.fps, health.uptime_s, health.p95_ms, health.throttled, health.depth) == (None, None, None, (), None)
    status = to_status({"model": "student", "camera": 3, "model_update": 5})
    assert (status.model, status.camera, status.update) == (None, None, None)
    assert number(float("nan")) is None and number(10**400) is None


def test_text_from_outside_cannot_move_the_cursor_or_fill_the_screen() -> None:
    assert text("a\x1b[2Jb\nc\u202e") == "a?[2Jb?c?"
    assert len(text("x" * 1000) or "") == LONGEST


def fleet(*halls: tuple[str, str]) -> Iterator[Boards]:
    boards = Boards("emotion")
    for name, word in halls:
        boards.hear(f"emotion/{name}/availability", word.encode(), True, 0.0)
    yield boards


def test_the_unhealthy_stand_first_and_the_sentence_counts() -> None:
    (boards,) = fleet(("attic", "online"), ("porch", "offline"), ("barn", "offline"))
    found = report(boards, LIMITS, 30.0, 0.0, 5, None)
    assert [cells[0] for _, cells in found.rows()] == ["barn", "porch", "attic"]
    assert not found.ok and found.sentence() == (
        "3 boards, 2 unhealthy, 1 online; 2 of 5 never spoke; 3 without health yet; listened for 30 s"
    )
    lines = found.table().splitlines()
    assert lines[0].split()[:2] == ["board", "online"] and lines[1].startswith("barn   no")
    assert json.loads(found.to_json())["boards"][0]["reasons"] == ["offline"]


def test_a_fleet_of_nobody_is_not_well() -> None:
    assert not report(Boards("emotion"), LIMITS, 1.0, 0.0, None, None).ok


def test_a_lost_broker_is_not_well() -> None:
    (boards,) = fleet(("attic", "online"))
    assert report(boards, LIMITS, 1.0, 0.0, None, None).ok
    found = report(boards, LIMITS, 1.0, 0.0, None, "the broker is lost")
    assert not found.ok and "the broker is lost" in found.sentence()


def drawn(found: Report, width: int, room: int) -> str:
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=width, record=True, file=io.StringIO())
    console.print(picture(found, width, room))
    return str(console.export_text())


def test_the_live_table_shows_what_fits_and_takes_no_markup_from_boards() -> None:
    (boards,) = fleet(*((f"b{number:03d}", "online") for number in range(50)), ("bad", "offline"))
    boards.hear("emotion/bad/status", b'{"camera": "[red]x", "model": {"name": "[/]"}}', True, 0.0)
    text = drawn(report(boards, LIMITS, 1.0, 0.0, None, None), 160, 10)
    assert "offline" in text and "[red]x" in text and "[/]" in text and "b008" in text and "b009" not in text
    assert "41 more below; --seconds S prints all" in text and "51 boards, 1 unhealthy" in text
    assert all(head in text for head in HEAD)


def test_a_narrow_terminal_does_without_some_columns() -> None:
    (boards,) = fleet(("board-0001", "offline"))
    boards.hear("emotion/board-0001/status", b'{"camera": "running", "model": {"digest": "abcdef0123"}}', True, 0.0)
    text = drawn(report(boards, LIMITS, 1.0, 0.0, None, None), 80, 10)
    assert all(word in text for word in ("board-0001", "abcdef01", "running", "offline")) and "oldest" not in text


def test_a_live_table_without_rich_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(UsageError, match=r"needs rich: pip install 'emotion-edge\[fleet\]'; or say --seconds S"):
        watch(Listener(DeviceConfig(mqtt=MqttConfig(host="127.0.0.1")), Boards("emotion"), None))


def test_an_inventory(tmp_path: Path) -> None:
    (tmp_path / "boards.txt").write_text("hall\n  porch   # by the door\n\n# cellar\n")
    assert read_inventory(tmp_path / "boards.txt") == ["hall", "porch"]
    (tmp_path / "wrong.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="it is not UTF-8 text"):
        read_inventory(tmp_path / "wrong.txt")
