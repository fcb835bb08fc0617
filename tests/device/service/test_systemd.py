"""What systemd is told, over a real socket; and the unit file, checked by systemd's own tools."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.camera.reader import EXIT_S
from device.config.schema import DeviceConfig, load_config
from device.errors import ConfigError
from device.publishing.mqtt_publisher import JOIN_GRACE_S
from device.service.systemd import Notifier

UNIT = Path(__file__).parents[3] / "systemd" / "emotion-device.service"
UNITS = {
    "emotion-device.service": UNIT,
    "emotion-device@door.service": UNIT.with_name("emotion-device@.service"),
    "emotion-dashboard.service": UNIT.with_name("emotion-dashboard.service"),
}
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
EXPOSURE_TENTHS = 14


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.setblocking(False)
        yield end


def heard(systemd: socket.socket) -> list[str]:
    said = []
    while True:
        try:
            said.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return said


def test_each_state_is_one_datagram(systemd: socket.socket) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": systemd.getsockname()})
    notifier.ready()
    notifier.status("3 faces")
    notifier.alive()  # nobody asked for a watchdog
    notifier.stopping()
    assert heard(systemd) == ["READY=1", "STATUS=3 faces", "STOPPING=1"]


def test_the_watchdog_is_fed_twice_an_interval_at_most(systemd: socket.socket) -> None:
    now = [0.0]
    notifier = Notifier(systemd.getsockname(), watchdog_s=10.0, clock=lambda: now[0])
    fed = []
    for tenth in range(300):  # a frame every tenth of a second, for half a minute
        now[0] = tenth / 10
        notifier.alive()
        fed += [now[0]] * len(heard(systemd))
    assert fed == [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]


def test_a_watchdog_meant_for_another_process_is_not_fed(systemd: socket.socket) -> None:
    told = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1000000"}
    Notifier.from_environment(told | {"WATCHDOG_PID": "1"}).alive()
    assert heard(systemd) == []
    Notifier.from_environment(told | {"WATCHDOG_PID": str(os.getpid())}).alive()
    assert heard(systemd) == ["WATCHDOG=1"]


def test_an_abstract_socket_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0emotion-edge-test-{os.getpid()}")
        end.setblocking(False)
        Notifier(f"@emotion-edge-test-{os.getpid()}").ready()
        assert heard(end) == ["READY=1"]


def test_outside_systemd_and_without_its_socket_nothing_happens(tmp_path: Path) -> None:
    Notifier.from_environment({}).ready()
    Notifier(str(tmp_path / "gone")).ready()


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_the_unit_is_valid(tmp_path: Path, name: str) -> None:
    unit = tmp_path / name  # with a program that is there, for systemd asks for one
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNITS[name].read_text(), flags=re.MULTILINE))
    shutil.copytree(f"{UNIT}.d", f"{unit}.d")
    verify = [str(ANALYZE), "--man=no", "--recursive-errors=yes", "verify", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_the_unit_is_hardened(tmp_path: Path, name: str) -> None:
    unit = str(shutil.copy(UNITS[name], tmp_path / name))
    measure = [str(ANALYZE), "--no-pager", "security", "--offline=true", f"--threshold={EXPOSURE_TENTHS}", unit]
    done = subprocess.run(measure, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_the_units_times_fit_the_settings() -> None:
    seconds = {key: int(value) for key, value in re.findall(r"^(\w+Sec)=(\d+)$", UNIT.read_text(), flags=re.MULTILINE)}
    config = DeviceConfig()
    assert seconds["WatchdogSec"] > 2 * config.camera.timeout_s
    assert seconds["TimeoutStartSec"] > config.mqtt.connect_timeout_s + config.camera.timeout_s
    assert seconds["TimeoutStopSec"] > 2 * config.shutdown_s
    longest_s = load_config(overrides=["device.shutdown_s=10"]).shutdown_s
    assert seconds["TimeoutStopSec"] > longest_s + JOIN_GRACE_S + EXIT_S, "then systemd would kill it"
    with pytest.raises(ConfigError, match="at most 10"):
        load_config(overrides=["device.shutdown_s=10.1"])
