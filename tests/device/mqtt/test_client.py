"""The reconnecting client without a broker: what waits, in which order, and for how long."""

from __future__ import annotations

import itertools
from typing import cast

import pytest

from device.config.schema import load_config
from device.mqtt.client import ReconnectingClient, backoff
from device.mqtt.connection import Acknowledged, Connection
from device.mqtt.topics import Message


class Line:
    """A connection of two places that answers when the test says so."""

    version, window = 5, 2

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, message: Message) -> int:
        self.sent.append(message.payload)
        return len(self.sent)


def test_only_the_newest_retained_message_waits_and_responses_keep_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = cast(Connection, Line())
    monkeypatch.setattr("device.mqtt.client.connect", lambda *_: line)
    client = ReconnectingClient(load_config().mqtt, "porch", Message("will", "offline"), lambda _: None)
    client.publish(Message("status", "before there is a connection", qos=1, retain=True))
    client.open()
    assert (client.room, client.settled) == (2, True)
    for number in range(1, 6):
        client.publish(Message("status", f"status {number}", qos=1, retain=True))
        client.publish(Message("response", f"answer {number}", qos=1))
        client.publish(Message("summary", f"summary {number}"))
    sent = cast(Line, line).sent
    assert sent == ["status 1", "answer 1"]
    for number in range(1, 8):
        client.acknowledged(Acknowledged(line, number, True, ""))
        client.send_responses()
    assert sent[2:] == ["status 5", "answer 2", "answer 3", "answer 4", "answer 5"]
    assert (client.room, client.settled) == (2, True)


def test_waiting_times_double_up_to_the_limit_each_shortened_by_up_to_half() -> None:
    for delay_s, full_s in zip(backoff(1.0, 60.0), (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=False):
        assert full_s / 2 <= delay_s <= full_s
    assert max(itertools.islice(backoff(5.0, 2.0), 5)) <= 2.0
