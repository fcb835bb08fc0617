"""Writes, flushes and renames that fail while events flow, beneath SQLite and Python alike.

Nothing is lost, nothing comes twice without `replayed`, and the agent goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.faults.file_layer import FLUSHES, RENAMES, WRITES, FileLayer, needs_compiler
from tests.soak.checker import EventChecker, Subscriber
from tests.soak.crash_test import WAIT_S, crash_test
from tests.support.broker import needs_mosquitto, wait_for

pytestmark = [needs_compiler, pytest.mark.timeout(600)]

ALL = WRITES | FLUSHES | RENAMES
# Every n-th call. A transaction makes about ten, so with 3 none succeeds and events wait in memory.
FAULTS = [(3, ALL), (2, FLUSHES)]
LONG_FAULTS = [(nth, kinds) for kinds in (ALL, WRITES, FLUSHES, RENAMES) for nth in (1, 2, 3, 5, 7, 11, 13, 29, 101)]
EVENTS = 10  # that are recorded while calls fail


@needs_mosquitto
@pytest.mark.parametrize(
    "faults", [pytest.param(FAULTS, id="few"), pytest.param(LONG_FAULTS, id="many", marks=pytest.mark.long)]
)
def test_calls_fail_while_events_flow(
    tmp_path: Path, faults: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = FileLayer(tmp_path, tmp_path / "state")
    for name, value in layer.environment.items():
        monkeypatch.setenv(name, value)
    with crash_test(tmp_path) as test:
        checker = test.subscriber.checker
        for nth, kinds in faults:
            wait_for(partial(_more, checker, checker.received + 5), "events", WAIT_S)
            layer.fail_every(nth, kinds)
            wait_for(partial(_recorded, test.subscriber, _written(test.subscriber) + EVENTS), "recorded events", WAIT_S)
            layer.fail_every(0)
            wait_for(partial(_untroubled, test.subscriber), "the end of the trouble", WAIT_S)
            assert not test.agents.has_exited, test.log.read_text()
        assert layer.failed > len(faults), "calls did fail"
        good, text = test.finish()
        assert good, text + "\n" + test.log.read_text()[-5000:]
        assert test.agents.started == 1, "the agent went on"
        assert checker.connections == 1 and checker.duplicates == 0, "so no event came twice"
        assert "Traceback" not in test.log.read_text()


def _more(checker: EventChecker, count: int) -> bool:
    return checker.received >= count


def _written(subscriber: Subscriber) -> int:
    """About how many events the agent has recorded, on disk or in memory."""
    return int(subscriber.health.get("frames", 0)) // 2  # a face comes and goes with every other frame


def _recorded(subscriber: Subscriber, count: int) -> bool:
    return _written(subscriber) >= count


def _untroubled(subscriber: Subscriber) -> bool:
    return subscriber.health["outbox"]["trouble"] is None


WRITER = """
import sys
from pathlib import Path
from device.host.atomic_file import write_file

path, failures = Path(sys.argv[1]), 0
for number in range(200):
    before = path.read_bytes() if path.exists() else None
    try:
        write_file(path, b"%d" % number * 1000)
    except OSError:
        failures += 1
        assert path.read_bytes() in (before, b"%d" % number * 1000) if before else True
    else:
        assert path.read_bytes() == b"%d" % number * 1000
assert not list(path.parent.glob("*.tmp")), "nothing is left behind"
print(failures)
"""


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 7])
def test_an_atomic_write_keeps_the_old_content_or_has_the_new_one(tmp_path: Path, nth: int) -> None:
    layer = FileLayer(tmp_path, tmp_path / "state")
    (tmp_path / "state").mkdir()
    layer.fail_every(nth)
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / "state" / "file")],
        env=os.environ | layer.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) <= layer.failed, "closing a file tries once more"
