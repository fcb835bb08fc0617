"""Faults of device, broker, network and disk; the checker proves that nothing was lost.

Minutes as it stands; `SOAK=50 pytest tests/soak` attacks fifty times as often, which takes hours.
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

from tests.soak.backlog import away
from tests.soak.checker import Ledger
from tests.soak.crash_test import PATIENCE_S, Siege, besieged, storm
from tests.support.broker import needs_mosquitto, wait_for

TIMES = int(os.environ.get("SOAK", "1"))
pytestmark = [needs_mosquitto, pytest.mark.slow, pytest.mark.timeout(600 * TIMES)]


def is_well(siege: Siege) -> None:
    good, text = siege.finish()
    print(text)
    assert good, text + "\n" + siege.log.read_text()[-5000:]


def heard(siege: Siege, more: int) -> None:
    """Until so many more events came."""
    until = siege.checker.ledger.heard + more

    def came() -> bool:
        siege.keep_alive()
        return siege.checker.ledger.heard >= until

    wait_for(came, f"{more} more events", PATIENCE_S)


def has_lost(siege: Siege, times: int) -> bool:
    return siege.log.read_text().count("lost the MQTT broker") >= times


def is_gone(client: Client) -> bool:
    return not client.is_connected()


def test_agent_and_broker_killed_at_random_moments(tmp_path: Path) -> None:
    with besieged(tmp_path) as siege:
        storm(siege, 4 * TIMES, TIMES, random.Random(), longest_s=1.0)
        is_well(siege)


def test_a_network_that_is_cut_and_one_that_is_gone_without_a_word(tmp_path: Path) -> None:
    with besieged(tmp_path, "device.mqtt.keepalive_s=5") as siege:
        for _ in range(TIMES):
            heard(siege, 5)
            siege.door.slam()
            heard(siege, 5)
            siege.door.jammed = True
            lost = siege.log.read_text().count("lost the MQTT broker")
            wait_for(partial(has_lost, siege, lost + 1), "the device to notice", PATIENCE_S)
            siege.door.jammed = False
            heard(siege, 5)
        is_well(siege)


def test_a_slow_broker(tmp_path: Path) -> None:
    """A line of 4 kB a second, over which a second of events takes two."""
    with besieged(tmp_path) as siege:
        siege.door.bytes_per_s = 4000.0
        heard(siege, 20 * TIMES)
        siege.door.bytes_per_s = None
        is_well(siege)


def test_somebody_else_of_the_same_name(tmp_path: Path) -> None:
    with besieged(tmp_path) as siege:
        for _ in range(3 * TIMES):
            heard(siege, 3)
            thief = Client(CallbackAPIVersion.VERSION2, "emotion-edge-siege", reconnect_on_failure=False)
            thief.connect("127.0.0.1", siege.broker.port)
            thief.loop_start()
            wait_for(thief.is_connected, "the thief")
            wait_for(partial(is_gone, thief), "the device to take its name back", PATIENCE_S)
            thief.loop_stop()
        is_well(siege)


def test_a_disk_that_is_full_for_a_while(tmp_path: Path) -> None:
    """A limit on file sizes makes the kernel refuse writes, as a full disk does."""
    with besieged(tmp_path) as siege:
        for _ in range(TIMES):
            heard(siege, 5)
            resource.prlimit(siege.agents.pid, resource.RLIMIT_FSIZE, (16_384, resource.RLIM_INFINITY))
            wait_for(lambda: siege.checker.health.get("outbox", {}).get("trouble"), "the trouble in health", PATIENCE_S)
            wait_for(lambda: siege.checker.health["outbox"]["held"] > 5, "events that are held", PATIENCE_S)
            resource.prlimit(siege.agents.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            wait_for(lambda: siege.checker.health["outbox"]["trouble"] is None, "the end of it", PATIENCE_S)
            heard(siege, 5)
            siege.kill_agent()
        is_well(siege)


@pytest.mark.parametrize("room", [2000, 500])
def test_a_broker_that_is_away_for_long(tmp_path: Path, room: int) -> None:
    good, text = away(tmp_path, 2000, room)
    assert good, text


def test_the_checker_finds_what_is_wrong() -> None:
    def verdict(*said: object, last_seq: int = 3, dropped: int = 0) -> tuple[bool, str]:
        ledger = Ledger(window=2)
        for item in said:
            if isinstance(item, int):
                ledger.event({"seq": item, "id": f"event {item}", "replayed": False})
            elif isinstance(item, str):
                ledger.event({"seq": 3, "id": item, "replayed": False})
            else:
                ledger.online()
        return ledger.report(last_seq, dropped)

    online = None
    assert verdict(online, 1, 2, 3)[0]
    assert verdict(online, 1, 2, online, 2, 3)[0], "doubled after a connection broke"
    assert verdict(online, 2, 3, dropped=1)[0]
    for wrong, complaint in {
        (online, 1, 2): "missing                   1",
        (online, 1, 3): "3 came after 1 on one connection",
        (online, 1, 2, 2, 3): "2 came after 2 on one connection",
        (online, 1, 2, 3, online, 1, 2, 3): "1 came again after 3: more than the window of 2 back",
        (online, 1, 2, 3, online, "another"): "3 is two events: event 3 and another",
        (online, 1, 3, 2): "2 came after 3 on one connection",
    }.items():
        good, text = verdict(*wrong)
        assert not good and complaint in text
