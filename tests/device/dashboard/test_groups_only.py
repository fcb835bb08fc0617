"""Where only groups are published, page and history show nobody whom the group does not hide."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from device.config.schema import DeviceConfig, PrivacyConfig
from device.dashboard.history import History
from device.dashboard.live_state import LiveState
from device.dashboard.routes import Request, Routes
from device.mqtt.topics import STATUS, Topics
from device.publishing.face_states import open_face_states
from tests.device.dashboard.helpers import LABELS, alert, event, status, track

MIN_GROUP = 5
CONFIG = DeviceConfig(id="hall", purpose="audience", privacy=PrivacyConfig(min_group=MIN_GROUP))


class Hall:
    """A board with the real publisher of faces, and its page; seconds go by as the test says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_800_000_000.0
        monkeypatch.setattr("device.dashboard.routes.time.time", lambda: self.now_s)
        topics = Topics(CONFIG)
        self.state = LiveState(topics, 5.0, 60.0, groups_only=True)
        self.history = History(folder / "hall.db", 24, lambda: self.now_s)
        self.routes = Routes(self.state, self.history)
        self._faces = open_face_states(CONFIG, topics, LABELS)
        self._seen: set[int] = set()
        self.state.set_broker(True)
        self._receive(topics.of(STATUS), status(aggregate=True).to_json())
        self._receive(f"{topics.root}/availability", "online")

    def see(self, count: int, seconds: int = 3) -> None:
        """So many faces are in view for some seconds."""
        for _ in range(seconds):
            numbers = set(range(1, count + 1))
            for message in self._faces.observe([track(n) for n in numbers], self._seen - numbers, self.now_s):
                self._receive(message.topic, message.payload)
            self._seen = numbers
            if (empty := self.state.empty_room()) is not None:
                self.history.add_summary(empty, repeated=True)
            self.now_s += 1
            self.state.tick(self.now_s)

    def _receive(self, topic: str, payload: str) -> None:
        kept = self.state.handle_message(topic, payload.encode(), self.now_s)
        if kept is not None:
            (self.history.add_alert if kept[0] == "alert" else self.history.add_summary)(kept[1])

    def answers(self) -> dict[str, Any]:
        """What each path says."""
        span = {"from": str(self.now_s - 3600), "to": str(self.now_s)}
        found: dict[str, Any] = {}
        for path in ("/api/state", "/api/history", "/api/alerts"):
            body = self.routes.respond(Request(path, span)).body
            assert isinstance(body, bytes)
            found[path] = json.loads(body)
        found["/api/state"].pop("now")
        csv_parts = self.routes.respond(Request("/api/history.csv", span)).body
        assert not isinstance(csv_parts, bytes)
        found["/api/history.csv"] = list(csv.DictReader(io.StringIO(b"".join(csv_parts).decode())))
        return found


@pytest.mark.parametrize("count", range(1, MIN_GROUP))
def test_few_faces_look_like_nobody(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody, few = Hall(tmp_path / "nobody", monkeypatch), Hall(tmp_path / "few", monkeypatch)
    nobody.see(0)
    few.see(count)
    assert few.answers() == nobody.answers()
    assert few.answers()["/api/history"]["rows"] == [] == few.answers()["/api/history.csv"]
    few.history.close()
    nobody.history.close()


@pytest.mark.parametrize("count", range(MIN_GROUP, 8))
def test_a_group_is_shown_as_a_group(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(tmp_path, monkeypatch)
    hall.see(count)
    answers = hall.answers()
    state = answers["/api/state"]
    assert state["summary"]["faces"] == count and state["tracks"] == state["events"] == state["alerts"] == []
    assert {row["faces"] for row in answers["/api/history"]["rows"]} == {count} and answers["/api/alerts"][
        "alerts"
    ] == []
    assert {line["faces"] for line in answers["/api/history.csv"]} == {str(count)}
    hall.history.close()


def test_a_group_that_becomes_too_small_leaves_no_row_of_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(tmp_path, monkeypatch)
    for count in (7, 4, 0, 1, 6, 0, 5, 3):
        hall.see(count, seconds=8)
    rows = hall.answers()["/api/history"]["rows"]
    assert {row["faces"] for row in rows} == {5, 6, 7} and hall.answers()["/api/state"]["summary"] is None
    hall.history.close()


def test_an_alert_that_somebody_else_publishes_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(tmp_path, monkeypatch)
    hall._receive("emotion/hall/events", alert().to_json())
    hall._receive("emotion/hall/tracks/1/state", track(1).to_json())
    answers = hall.answers()
    assert answers["/api/alerts"]["alerts"] == answers["/api/state"]["alerts"] == answers["/api/state"]["tracks"] == []
    hall.history.close()


def test_what_was_seen_of_single_faces_before_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device was started again with privacy.aggregate; its history has the alerts of before."""
    hall = Hall(tmp_path, monkeypatch)
    hall._receive(Topics(CONFIG).of(STATUS), status(aggregate=False).to_json())
    for channel, message in (("events", alert()), ("events", event()), ("tracks/1/state", track(1))):
        hall._receive(f"emotion/hall/{channel}", message.to_json())
    hall.now_s += 1
    before = hall.answers()
    assert len(before["/api/alerts"]["alerts"]) == 1 and before["/api/state"]["tracks"] != []
    hall._receive(Topics(CONFIG).of(STATUS), status(aggregate=True).to_json())
    hall.state.add_alerts(hall.history.alerts(0, hall.now_s + 1))
    answers = hall.answers()
    assert answers["/api/alerts"]["alerts"] == []
    assert [answers["/api/state"][name] for name in ("tracks", "events", "alerts")] == [[], [], []]
    hall.history.close()
