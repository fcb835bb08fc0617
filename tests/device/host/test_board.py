"""Temperature, throttling, name and memory, as different boards show them."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.host import board
from device.messages import Throttling


def test_a_raspberry_pi_tells_its_temperature_and_what_holds_it_back(tmp_path: Path) -> None:
    files = {
        "sys/class/thermal/thermal_zone0/type": "gpu",
        "sys/class/thermal/thermal_zone0/temp": "40000",
        "sys/class/thermal/thermal_zone1/type": "cpu-thermal",
        "sys/class/thermal/thermal_zone1/temp": "48312",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005",
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/self/statm": "9000 1000 500 1 0 4000 0",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert board.temperature_c(tmp_path) == 48.312
    held = ("under-voltage", "throttled")
    assert board.throttling(tmp_path) == Throttling(now=held, since_boot=held)
    assert board.model(tmp_path) == "Raspberry Pi 5 Model B Rev 1.0"
    assert (board.memory_mb(tmp_path) or 0) > 4


def test_another_machine_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert board.temperature_c(tmp_path) is None
    assert board.throttling(tmp_path) is None
    assert board.model(tmp_path) is None
    assert board.memory_mb(tmp_path) is None
    (tmp_path / "vcgencmd").write_text("#!/bin/sh\necho throttled=0x20000\n")
    (tmp_path / "vcgencmd").chmod(0o755)
    assert board.throttling(tmp_path) == Throttling(now=(), since_boot=("frequency-capped",))


@pytest.mark.parametrize(
    ("text", "held"), [("4\n", True), ("50001", True), ("50000", False), ("0", False), ("", False), ("none", False)]
)
def test_what_is_held_back_now_counts_and_what_was_since_boot_does_not(tmp_path: Path, text: str, held: bool) -> None:
    assert not board.held_back(tmp_path)  # no such file
    path = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert board.held_back(tmp_path) is held
