"""No core dump of a process that holds frames: neither of the agent nor of the camera's process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

UNIT = Path(__file__).parents[3] / "systemd" / "emotion-device.service"

AGENT = """
import ctypes, dataclasses, resource, sys
from device.config.schema import load_config
from device.service.run import run

def watch(observation):
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
    children = open("/proc/self/task/%d/children" % __import__("os").getpid()).read().split()
    limits = [line for pid in ("self", *children) for line in open(f"/proc/{pid}/limits") if "core" in line]
    print(dumpable, resource.getrlimit(resource.RLIMIT_CORE), len(limits), set(" ".join(x.split()) for x in limits),
          file=sys.stderr)

resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
run(load_config(overrides=sys.argv[1:]), watch)
"""


def test_the_agent_and_its_camera_leave_no_core_dump(tmp_path: Path, model: Path) -> None:
    settings = (
        "device.purpose=test",
        "device.jurisdiction=elsewhere",
        f"device.model.path={model}",
        f"device.camera.source={Path(__file__).parents[3] / 'device' / 'assets' / 'astronaut.jpg'}",
        "device.camera.picture_s=0.2",
    )
    environment = os.environ | {"STATE_DIRECTORY": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", AGENT, *settings], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = {line for line in done.stderr.splitlines() if line.startswith(("0 (", "1 ("))}
    assert lines == {"0 (0, 0) 2 {'Max core file size 0 0 bytes'}"}, done.stderr


def test_the_unit_grants_none_either() -> None:
    assert "LimitCORE=0" in UNIT.read_text().splitlines()
