"""The rules by which a board is healthy or not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.device.fleet.helpers import LIMITS, Hall

UPDATE: dict[str, Any] = {
    "state": "rolled_back",
    "new": {"name": "student", "version": "8"},
    "reason": "It is too slow.",
    "since": 1.0,
}


def test_a_healthy_board() -> None:
    assessment = Hall().good().assess()
    assert assessment.healthy and assessment.notes == () and str(assessment) == "good"


@pytest.mark.parametrize(
    ("hall", "reason"),
    [
        (Hall("hall"), "no message received"),
        (Hall().send("availability", "offline", retained=True), "offline"),
        (Hall().good().send("availability", "offline"), "offline for 0 s"),
        (Hall().health(), "no availability message received"),
        (Hall().good("stalled", camera_error="No frame for 10 s."), "camera stalled: No frame for 10 s."),
        (Hall().good("frozen"), "camera frozen"),
        (Hall().good("failed"), "camera failed"),
        (Hall().good("starting").health(last_frame_age_s=None), "no frame since the start 600 s ago"),
        (Hall().good().health(last_frame_age_s=200.0), "no frame for 200 s"),
        (Hall().good().health(throttling={"now": ["under-voltage", "throttled"]}), "under-voltage, throttled"),
        (Hall().good().outbox(depth=7, oldest_age_s=61.0), "7 events waiting, the oldest for 61 s"),
        (Hall().good().outbox(dropped=3), "dropped 3 events"),
        (Hall().good().outbox(trouble="the disk is full."), "state folder: the disk is full."),
        (Hall().good().outbox(depth=3).outbox(depth=9), "outbox grows: 9 events"),
        (Hall().good().send("status", "{"), "its status message cannot be parsed"),
        (Hall().good().send("health", "[]"), "its health message cannot be parsed"),
        (Hall().good().health(uptime_s=3.0).health(uptime_s=60.0).health(uptime_s=2.0), "restarted 2 times in 10 min"),
    ],
)
def test_an_unhealthy_board(hall: Hall, reason: str) -> None:
    assert hall.assess().reasons == (reason,)


def test_the_old_status_and_health_of_an_offline_board_are_not_evaluated() -> None:
    hall = Hall().good("failed").outbox(trouble="the disk is full.").send("status", "{")
    assert hall.send("availability", "offline").assess().reasons == ("offline for 0 s",)


@pytest.mark.parametrize(
    ("hall", "note"),
    [
        (Hall().good("paused"), "camera paused"),
        (Hall().good("ended"), "camera ended"),
        (Hall().good(config_error="camera.fps is 0."), "changed config not used: camera.fps is 0."),
        (Hall().good(model_update=UPDATE), "model update: rolled_back student 8: It is too slow."),
        (Hall().good(model_update={"state": "trial"}), "model update: trial"),
        (Hall().good().health(throttling={"now": [], "since_boot": ["throttled"]}), "since boot: throttled"),
        (Hall("porch").good(), "not in the inventory"),
        (Hall().send("availability", "online").send("status", {}), "no health yet"),
        (Hall().send("availability", "online").health(), "no status yet"),
        (Hall().send("availability", "online").send("status", {}).outbox(dropped=3), "dropped 3 events earlier"),
    ],
)
def test_notes_do_not_make_a_board_unhealthy(hall: Hall, note: str) -> None:
    assessment = hall.assess()
    assert assessment.healthy and assessment.notes == (note,) and str(assessment) == f"good ({note})"


@pytest.mark.parametrize(
    "hall",
    [
        Hall().good("starting").health(last_frame_age_s=None, uptime_s=20.0),
        Hall().good().outbox(depth=5).outbox(depth=5).outbox(depth=2),  # a short burst
        Hall().good().health(uptime_s=3.0),  # restarted once, as after an update
        Hall().good().send("status", "{").good(),  # valid again
        Hall().good(model_update={"state": "accepted", "new": {"name": "student", "version": "8"}}),
    ],
)
def test_normal_operation_is_healthy(hall: Hall) -> None:
    assert hall.assess().reasons == ()


def test_silence_counts_from_the_start_of_the_subscription() -> None:
    hall = Hall().good()
    hall.now_s += 90
    assert hall.assess().healthy
    hall.now_s += 1
    assert hall.assess().reasons == ("online, but no message for 91 s",)
    assert hall.assess(since_s=hall.now_s - 5).healthy


def test_retained_messages_do_not_end_the_silence() -> None:
    hall = Hall().send("availability", "online", retained=True).send("status", {}, retained=True)
    hall.now_s += 100
    assert hall.assess(since_s=1000.0).reasons == ("online, but no message for 100 s",)


def test_connection_losses_count_until_the_window_has_passed() -> None:
    hall = Hall().good()
    for _ in range(2):
        assert hall.assess().healthy
        hall.send("availability", "offline").send("availability", "online")
    assert hall.assess().reasons == ("went offline 2 times in 10 min",)
    hall.now_s += LIMITS.window_s + 1
    assert hall.good().assess().healthy


def test_a_repeated_online_message_is_no_connection_loss() -> None:
    """Boards repeat `online` whenever Home Assistant starts."""
    hall = Hall().good()
    for _ in range(9):
        hall.send("availability", "online")
    assert hall.assess().healthy
