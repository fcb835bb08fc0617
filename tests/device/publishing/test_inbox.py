"""What the MQTT thread works through: in which order, and how much of it may wait."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.mqtt.connection import Acknowledged, Connection, ConnectionLost, MessageReceived
from device.publishing.inbox import MAX_BYTES, Close, FrameResult, Inbox
from device.publishing.rate_limit import RateLimit

LINE = cast(Connection, None)
ACKNOWLEDGED, LOST = Acknowledged(LINE, 1, True, ""), ConnectionLost(LINE, "")
FRAME, CLOSE = FrameResult(0.0, (), ()), Close(0.0)


def message(payload: bytes = b"{}") -> MessageReceived:
    return MessageReceived(LINE, "cmd/request/status", payload, False)


def taken(inbox: Inbox) -> list[object]:
    items: list[object] = []
    while (item := inbox.get(0.0)) is not None:
        items.append(item)
    return items


def test_acknowledgements_come_first_then_the_service_then_messages() -> None:
    inbox, request = Inbox(), message()
    for item in (request, FRAME, ACKNOWLEDGED, request, CLOSE, LOST):
        inbox.put(item)
    assert taken(inbox) == [ACKNOWLEDGED, LOST, FRAME, CLOSE, request, request]
    assert inbox.get(0.0) is None


def test_messages_that_are_too_much_are_dropped_and_nothing_else_is(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    for _ in range(1000):
        inbox.put(message(bytes(65_000)))
        inbox.put(FRAME)
        inbox.put(ACKNOWLEDGED)
    items = taken(inbox)
    assert items.count(FRAME) == items.count(ACKNOWLEDGED) == 1000
    assert 10 < len(items) - 2000 <= MAX_BYTES / 65_000
    assert caplog.text.count("messages arrive faster than they can be handled") == 1
    inbox.put(message())
    assert taken(inbox) == [message()], "there is room again"


@given(st.lists(st.floats(0, 3), max_size=200), st.integers(1, 10))
def test_a_limit_permits_no_more_than_its_rate_and_burst(pauses: list[float], burst: int) -> None:
    limit, now_s, permitted = RateLimit(2.0, burst), 0.0, []
    for pause_s in pauses:
        now_s += pause_s
        if limit.permits(now_s):
            permitted.append(now_s)
    for first in range(len(permitted)):
        for last in range(first, len(permitted)):
            assert last - first + 1 <= burst + 2.0 * (permitted[last] - permitted[first]) + 1e-6
    assert not pauses or permitted, "the first is always permitted"
