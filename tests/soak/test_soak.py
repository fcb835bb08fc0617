"""Faults of device, broker, network and disk; the checker finds lost and reordered events.

Takes about a minute; `SOAK=50 pytest tests/soak` repeats each fault fifty times as often (hours).
"""

from __future__ import annotations

import os
import random
import resource
from functools import partial
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.soak.backlog import run_outage
from tests.soak.checker import EventChecker
from tests.soak.crash_test import WAIT_S, CrashTest, crash_test, kill_at_random
from tests.support.broker import needs_mosquitto, wait_for

TIMES = int(os.environ.get("SOAK", "1"))
pytestmark = [needs_mosquitto, pytest.mark.slow, pytest.mark.timeout(600 * TIMES)]


def assert_nothing_lost(test: CrashTest) -> None:
    good, text = test.finish()
    print(text)
    assert good, text + "\n" + test.log.read_text()[-5000:]


def wait_for_events(test: CrashTest, more: int) -> None:
    """Wait for so many more events."""
    until = test.subscriber.checker.received + more

    def arrived() -> bool:
        test.restart_if_exited()
        return test.subscriber.checker.received >= until

    wait_for(arrived, f"{more} more events", WAIT_S)


def has_lost_connection(test: CrashTest, times: int) -> bool:
    return test.log.read_text().count("lost the MQTT broker") >= times


def is_disconnected(client: Client) -> bool:
    return not client.is_connected()


def test_agent_and_broker_are_killed_at_random_moments(tmp_path: Path) -> None:
    with crash_test(tmp_path) as test:
        kill_at_random(test, 4 * TIMES, TIMES, random.Random(), max_pause_s=1.0)
        assert_nothing_lost(test)


def test_connections_are_aborted_and_stall(tmp_path: Path) -> None:
    with crash_test(tmp_path, "device.mqtt.keepalive_s=5") as test:
        for _ in range(TIMES):
            wait_for_events(test, 5)
            test.proxy.drop_connections()
            wait_for_events(test, 5)
            test.proxy.stalled = True
            lost = test.log.read_text().count("lost the MQTT broker")
            wait_for(partial(has_lost_connection, test, lost + 1), "the device to lose its connection", WAIT_S)
            test.proxy.stalled = False
            wait_for_events(test, 5)
        assert_nothing_lost(test)


def test_a_slow_connection(tmp_path: Path) -> None:
    """A connection of 4 kB a second, on which a second of events takes two."""
    with crash_test(tmp_path) as test:
        test.proxy.bytes_per_s = 4000.0
        wait_for_events(test, 20 * TIMES)
        test.proxy.bytes_per_s = None
        assert_nothing_lost(test)


def test_another_client_with_the_same_client_id(tmp_path: Path) -> None:
    with crash_test(tmp_path) as test:
        for _ in range(3 * TIMES):
            wait_for_events(test, 3)
            other = Client(CallbackAPIVersion.VERSION2, "emotion-edge-crash-test", reconnect_on_failure=False)
            other.connect("127.0.0.1", test.broker.port)
            other.loop_start()
            wait_for(other.is_connected, "the other client")
            wait_for(partial(is_disconnected, other), "the device to connect again", WAIT_S)
            other.loop_stop()
        assert_nothing_lost(test)


def test_a_disk_that_is_full_for_a_while(tmp_path: Path) -> None:
    """A limit on file sizes makes the kernel refuse writes, like a full disk."""
    with crash_test(tmp_path) as test:
        for _ in range(TIMES):
            wait_for_events(test, 5)
            resource.prlimit(test.agents.pid, resource.RLIMIT_FSIZE, (16_384, resource.RLIM_INFINITY))
            wait_for(
                lambda: test.subscriber.health.get("outbox", {}).get("trouble"),
                "the error in the health message",
                WAIT_S,
            )
            wait_for(lambda: test.subscriber.health["outbox"]["held"] > 5, "events held in memory", WAIT_S)
            resource.prlimit(test.agents.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            wait_for(lambda: test.subscriber.health["outbox"]["trouble"] is None, "the error to end", WAIT_S)
            wait_for_events(test, 5)
            test.kill_agent()
        assert_nothing_lost(test)


@pytest.mark.parametrize("max_events", [2000, 500])
def test_a_long_outage_of_the_broker(tmp_path: Path, max_events: int) -> None:
    good, text = run_outage(tmp_path, 2000, max_events)
    assert good, text


def test_the_checker_finds_each_kind_of_error() -> None:
    def check(*received: object, last_seq: int = 3, dropped: int = 0) -> tuple[bool, str]:
        checker = EventChecker(window=2)
        for item in received:
            if isinstance(item, int):
                checker.event({"seq": item, "id": f"event {item}", "replayed": False})
            elif isinstance(item, str):
                checker.event({"seq": 3, "id": item, "replayed": False})
            else:
                checker.online()
        return checker.report(last_seq, dropped)

    online = None
    assert check(online, 1, 2, 3)[0]
    assert check(online, 1, 2, online, 2, 3)[0], "duplicates after a reconnect are allowed"
    assert check(online, 2, 3, dropped=1)[0]
    for received, message in {
        (online, 1, 2): "missing                   1",
        (online, 1, 3): "3 follows 1 on one connection",
        (online, 1, 2, 2, 3): "2 follows 2 on one connection",
        (online, 1, 2, 3, online, 1, 2, 3): "1 is repeated after 3: more than the window of 2",
        (online, 1, 2, 3, online, "another"): "3 belongs to two events: event 3 and another",
        (online, 1, 3, 2): "2 follows 3 on one connection",
    }.items():
        good, text = check(*received)
        assert not good and message in text
