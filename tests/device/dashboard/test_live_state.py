"""What the page shows of a board's messages."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from device.dashboard.live_state import MAX_EVENTS, MAX_TRACKS
from tests.device.dashboard.helpers import Board, alert, event, status, summary, track
from tests.device.fleet.helpers import JSON


def test_before_any_message() -> None:
    shown = Board().shown()
    assert shown["broker"] == {"connected": False, "error": None} and shown["device"] == "hall"
    assert [shown[name] for name in ("availability", "status", "health", "summary", "selftest")] == [None] * 5
    assert shown["tracks"] == shown["alerts"] == shown["events"] == [] and shown["skipped"] == 0


def test_the_latest_of_each_message() -> None:
    board = Board()
    board.send("availability", "online")
    board.send("status", status())
    board.send("tracks/2/state", track(2))
    board.send("tracks/1/state", track(1))
    board.send("tracks/1/state", track(1, "neutral"))
    board.send("summary", summary(faces=2))
    board.send("cmd/response/selftest", '{"status":"ok","data":{"passed":true},"error":null,"transaction":null}')
    shown = board.shown()
    assert shown["availability"] == "online" and shown["status"]["camera"] == "running"
    assert [(face["track"], face["emotion"]) for face in shown["tracks"]] == [(1, "neutral"), (2, "happy")]
    assert shown["summary"] == json.loads(summary(faces=2).to_json()) and shown["selftest"]["data"] == {"passed": True}
    board.send("tracks/1/state", "")
    board.send("status", "")
    assert [face["track"] for face in board.shown()["tracks"]] == [2] and board.shown()["status"] is None


def test_what_is_too_old_is_not_shown() -> None:
    board = Board()
    board.send("summary", summary())
    board.send("tracks/1/state", track(1))
    board.state.tick(board.now_s + 4)
    assert board.shown()["summary"] is not None
    board.state.tick(board.now_s + 6)
    assert board.shown()["summary"] is None and len(board.shown()["tracks"]) == 1
    board.state.tick(board.now_s + 61)
    assert board.shown()["tracks"] == []


def test_a_board_that_is_offline_sees_nobody() -> None:
    board = Board()
    for message in (summary(),):
        board.send("summary", message)
    board.send("tracks/1/state", track(1))
    board.send("availability", "offline")
    shown = board.shown()
    assert (shown["availability"], shown["summary"], shown["tracks"]) == ("offline", None, [])
    board.send("availability", "online")
    board.send("tracks/1/state", track(1))
    assert len(board.shown()["tracks"]) == 1


def test_a_new_connection_forgets_faces_that_left_meanwhile() -> None:
    board = Board()
    board.state.set_broker(True)
    board.send("tracks/1/state", track(1))
    board.state.set_broker(False, "The connection to the broker is lost: x.")
    assert len(board.shown()["tracks"]) == 1 and board.shown()["broker"]["error"].startswith("The connection")
    board.state.set_broker(True)
    assert board.shown()["tracks"] == []


def test_events_and_alerts_are_the_last_ones_newest_first_and_each_once() -> None:
    board = Board()
    first, second = event("start"), event("end")
    for message in (first, second, first):
        board.send("events", message)
    warning = alert("drowsy", duration_s=1.5)
    assert board.send("events", warning) is not None
    assert board.send("events", warning) is None
    shown = board.shown()
    assert [entry["id"] for entry in shown["events"]] == [second.id, first.id]
    (only,) = shown["alerts"]
    assert only == {
        "id": warning.id, "ts": round(warning.ts, 3), "track": 1, "replayed": False, "kind": "drowsy", "phase": "start",
        "duration_s": 1.5,
    }  # fmt: skip
    for _ in range(MAX_EVENTS + 5):
        board.send("events", event("update"))
    assert len(board.shown()["events"]) == MAX_EVENTS and len(board.shown()["alerts"]) == 1


def test_alerts_of_groups_only_are_not_kept() -> None:
    assert Board(groups_only=True).send("events", alert()) is None
    board = Board()
    assert board.send("events", alert()) is not None
    board.send("status", status(aggregate=True))
    assert board.send("events", alert()) is None
    assert board.send("summary", summary())[0] == "summary"


def test_the_version_changes_with_what_is_shown() -> None:
    board = Board()
    before = board.state.etag()
    assert board.state.etag() == before and not board.state.wait(board.state.version, 0)
    version = board.state.version
    board.send("summary", summary())
    assert board.state.etag() != before and board.state.wait(version, 0)
    version = board.state.version
    board.send("summary", summary())
    board.state.set_broker(False)
    board.state.tick(board.now_s)
    assert board.state.version == version, "nothing has changed"


def test_strange_messages_are_counted_and_change_nothing_else() -> None:
    board = Board()
    board.send("availability", "online")
    before = board.shown()
    strange = [
        ("availability", "maybe"), ("availability", "ONLINE"), ("status", "[]"), ("summary", '{"faces":"<b>"}'),
        ("summary", ""), ("events", "{}"), ("tracks/1/state", "{"), ("tracks/x/state", "{}"), ("other", "{}"),
        ("cmd/response/selftest", "1"), ("health", "NaN"),
    ]  # fmt: skip
    for channel, payload in strange:
        assert board.send(channel, payload) is None
    after = board.shown()
    assert after["skipped"] == len(strange)
    assert {**after, "skipped": 0, "now": 0} == {**before, "now": 0}


def test_silence_means_an_empty_room_only_where_it_can_mean_nothing_else() -> None:
    board = Board()
    board.state.set_broker(True)
    board.send("availability", "online")
    board.send("status", status())
    assert board.state.empty_room() is None, "no summary yet"
    board.send("summary", summary(0))
    board.state.tick(board.now_s + 3600)
    assert (board.state.empty_room() or {})["faces"] == 0
    board.send("status", status(camera="stalled"))
    assert board.state.empty_room() is None
    board.send("status", status(aggregate=True))
    assert board.state.empty_room() is None
    board.send("status", status())
    board.send("summary", summary(1))
    assert board.state.empty_room() is None
    board.send("summary", summary(0))
    board.state.set_broker(False)
    assert board.state.empty_room() is None
    board.state.set_broker(True)
    assert board.state.empty_room() is None, "of the time without a connection nothing is known"
    board.send("summary", summary(0))
    board.send("availability", "offline")
    board.send("availability", "online")
    assert board.state.empty_room() is None, "it has started again"


def test_a_flood_of_faces_is_bounded() -> None:
    board = Board()
    for number in range(1, MAX_TRACKS + 50):
        board.send(f"tracks/{number}/state", track(number))
    assert len(board.shown()["tracks"]) == MAX_TRACKS and board.shown()["skipped"] == 49


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["availability", "status", "summary", "events", "tracks/1/state", "health", "x"]),
            JSON.map(json.dumps) | st.text(max_size=30),
        ),
        max_size=8,
    )
)
def test_any_messages_leave_a_valid_document(messages: list[tuple[str, Any]]) -> None:
    board = Board()
    for channel, payload in messages:
        board.send(channel, payload)
    board.state.tick(board.now_s)
    assert board.shown()["device"] == "hall"
