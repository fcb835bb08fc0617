"""The state of watched boards, from their messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.errors import UsageError
from device.watch.boards import MAX_BOARDS, MAX_ENTRIES, MAX_FACES, SUMMARY_S, WatchedBoards
from tests.device.watch.helpers import send, texts


@pytest.mark.parametrize("topic", ["", "emotion", "emotion/#", "+/hall", "a/#/hall", "emotion/a b", "emotion/"])
def test_a_topic_that_names_no_boards_is_refused(topic: str) -> None:
    with pytest.raises(UsageError, match="must be <base>/<device> or <base>/"):
        WatchedBoards(topic)


def test_what_is_subscribed_to() -> None:
    filters = WatchedBoards("site/a/+").filters()
    assert {"site/a/+/availability", "site/a/+/events", "site/a/+/tracks/+/state"} <= set(filters)
    assert not any("cmd" in topic or topic.endswith("#") for topic in filters)


def test_availability_and_camera_are_told_when_they_change() -> None:
    boards = WatchedBoards("emotion/hall")
    assert send(boards, "status", {"camera": "running"}) == []  # not known yet whether that is old
    assert texts(send(boards, "availability", "online")) == [("state", "online, camera running")]
    assert send(boards, "status", {"camera": "running"}) == []
    failed = {"camera": "failed", "camera_error": "it was unplugged"}
    assert texts(send(boards, "status", failed)) == [("state", "online, camera failed: it was unplugged")]
    assert texts(send(boards, "availability", "offline")) == [("state", "offline")]


def test_faces_come_change_and_go() -> None:
    boards = WatchedBoards("emotion/+")
    send(boards, "availability", "online")
    for track in (1, 2):
        send(boards, f"tracks/{track}/state", {"emotion": "happy", "confidence": 0.5})
    send(boards, "tracks/1/state", {"emotion": "sad"})
    (hall,) = boards.all()
    assert {track: face.emotion for track, face in hall.faces.items()} == {1: "sad", 2: "happy"}
    send(boards, "tracks/1/state", "")
    assert hall.faces.keys() == {2}
    send(boards, "summary", {"faces": 0})
    assert not hall.faces
    send(boards, "tracks/3/state", {"emotion": "sad"})
    send(boards, "availability", "offline")
    assert not hall.faces
    send(boards, "tracks/3/state", {"emotion": "sad"})
    boards.forget_faces()
    assert not hall.faces


def test_a_summary_is_told_when_the_counts_change_and_becomes_old() -> None:
    boards = WatchedBoards("emotion/hall")
    first = {"faces": 2, "counts": {"sad": 2}, "valence": {"positive": 0.1, "negative": 0.9}}
    assert texts(send(boards, "summary", first)) == [("summary", "2 faces: 2 sad; mood -0.80")]
    assert send(boards, "summary", first | {"valence": {"positive": 0.2, "negative": 0.8}}, now_s=1.0) == []
    assert send(boards, "summary", first | {"faces": 3, "counts": {"sad": 3}}, now_s=2.0)
    (hall,) = boards.all()
    assert hall.fresh_summary(2.0 + SUMMARY_S - 1) is not None and hall.fresh_summary(2.0 + SUMMARY_S) is None


def test_too_few_faces_for_a_summary() -> None:
    boards = WatchedBoards("emotion/hall")
    send(boards, "availability", "online")
    send(boards, "status", {"camera": "running", "below_min_group": True})
    assert boards.all()[0].describe() == "online, camera running; too few faces for a summary, or none"


def test_events_and_alerts_are_kept_apart() -> None:
    boards = WatchedBoards("emotion/hall")
    send(boards, "events", {"type": "start", "track": 1, "emotion": "sad", "ts": 0.0})
    told = send(boards, "events", {"type": "attention", "track": 1, "alert": {"kind": "yawn", "phase": "start"}})
    assert texts(told) == [("alert", "face 1: yawn")]
    assert [entry.text for entry in boards.log] == ["face 1 appeared: sad"]
    assert [entry.text for entry in boards.alerts] == ["face 1: yawn"]
    assert str(told[0]).endswith(" hall  alert   face 1: yawn")


@pytest.mark.parametrize("ts", ["NaN", "1e300", "-1", '"now"', "null"])
def test_an_impossible_time_is_replaced_by_that_of_the_message(ts: str) -> None:
    (entry,) = send(WatchedBoards("emotion/hall"), "events", f'{{"type": "end", "track": 1, "ts": {ts}}}')
    assert len(entry.time) == 8 and entry.ts > 1_700_000_000


def test_memory_is_bounded() -> None:
    boards = WatchedBoards("emotion/+")
    for number in range(MAX_BOARDS + 5):
        send(boards, "availability", "online", board=f"b{number}")
    assert len(boards.all()) == MAX_BOARDS and boards.left_out == 5
    for track in range(MAX_FACES + 50):
        send(boards, f"tracks/{track}/state", {"emotion": "sad"}, board="b0")
        send(boards, "events", {"type": "attention", "track": track}, board="b0")
    assert len(boards.all()[0].faces) == MAX_FACES and len(boards.alerts) == MAX_ENTRIES


CHANNELS = (
    "availability", "status", "health", "summary", "events", "tracks/1/state", "tracks/x/state", "no",
    f"tracks/{'9' * 60_000}/state", "x/" * 30_000,
)  # fmt: skip


@given(
    st.sampled_from(CHANNELS),
    st.binary(max_size=50) | st.just(b"[" * 50_000) | st.just(b'{"track": 1e400, "faces": 1e400}'),
)
def test_any_payload_is_survived(channel: str, payload: bytes) -> None:
    boards = WatchedBoards("emotion/+")
    for entry in boards.handle_message(f"emotion/hall/{channel}", payload, True, 0.0):
        assert str(entry).isprintable()
    assert boards.handle_message(f"emotion/\x1b[2J/{channel}", payload, True, 0.0) == []
