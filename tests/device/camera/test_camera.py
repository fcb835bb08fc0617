"""An open camera: its readers, its worker process, and how both end."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest

from device.camera.camera import Camera, open_camera
from device.camera.frame import RawFrame
from device.camera.reader import SequentialReader, end_process
from device.errors import SourceError, StuckError
from tests.support.cameras import config
from tests.support.clips import number_of, numbered, write_clip
from tests.support.processes import children, descriptors


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi", map(numbered, range(8)), fps=10)


def test_the_sequential_reader_drops_nothing_and_fails_after_the_last_frame() -> None:
    def frames() -> Generator[RawFrame, None, None]:
        for n in range(3):
            yield RawFrame(numbered(n), float(n), 0.0)
        raise SourceError("the cable is out.")

    reader = SequentialReader(frames())
    assert [number_of(taken[0].image) for taken in (reader.take(0.0) for _ in range(3)) if taken] == [0, 1, 2]
    with pytest.raises(SourceError, match="cable"):
        reader.take(0.0)
    assert (reader.take(0.0), reader.over) == (None, True)
    reader.close()


def test_closing_ends_the_process_and_frees_descriptors(clip: Path) -> None:
    before = descriptors()
    with open_camera(config(clip, fast=False, loop=True)) as camera:
        assert isinstance(camera, Camera)
        assert not camera.live
        next(camera)
        assert len(children()) == 1
    assert (descriptors(), children()) == (before, [])


def test_signals_that_stop_the_agent_do_not_end_the_worker(clip: Path) -> None:
    with open_camera(config(clip, fast=False, loop=True)) as camera:
        (pid,) = children()
        assert os.getpgid(pid) != os.getpgid(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        assert [frame.skipped >= 0 for frame in itertools.islice(camera, 5)] == [True] * 5
        assert children() == [pid]


def test_a_killed_worker_is_one_sentence(clip: Path) -> None:
    with open_camera(config(clip, fast=False, loop=True)) as camera:
        os.kill(children()[0], signal.SIGKILL)
        with pytest.raises(SourceError, match=r"the camera's process was killed by SIGKILL\.$"):
            list(camera)


AGENT = """
import sys, time
from device.camera import open_camera
from device.config import CameraConfig
camera = open_camera(CameraConfig(source=sys.argv[1], loop=True, fault=sys.argv[2] or None, fault_frame=2))
print(camera._reader._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("fault", ["", "stall"])
def test_killing_the_agent_ends_the_worker(clip: Path, fault: str) -> None:
    with subprocess.Popen([sys.executable, "-c", AGENT, str(clip), fault], stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        camera = Path("/proc", agent.stdout.readline().strip())
        assert camera.exists()
        agent.kill()
    while camera.exists() and "Z" not in state(camera):  # a test that hangs here has found an orphan
        time.sleep(0.01)


def test_a_process_that_cannot_be_killed_is_one_sentence() -> None:
    class InTheKernel:
        pid = 7

        def wait(self, timeout: float) -> int:
            raise subprocess.TimeoutExpired("camera", timeout)

        def kill(self) -> None:
            pass

    with pytest.raises(StuckError, match=r"^picamera2://0: the camera's process 7 .* cannot be killed; .*\.$"):
        end_process(cast("subprocess.Popen[bytes]", InTheKernel()), 0.0, "picamera2://0")


def state(process: Path) -> str:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"
