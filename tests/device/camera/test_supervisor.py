"""Reopening a camera: every fault, injected into a real worker process."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import pytest

from device.camera import supervisor
from device.camera.frame import Frame
from device.camera.supervisor import CameraSupervisor
from device.config.schema import CameraConfig
from device.errors import SourceError
from tests.support.clips import number_of, numbered, write_clip
from tests.support.processes import children, descriptors


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi", map(numbered, range(10)), fps=20)


def config(source: Path | str, **settings: Any) -> CameraConfig:
    quick = CameraConfig(source=str(source), loop=True, timeout_s=2.0, frozen_s=1.0, reopen_min_s=0.1, fault_frame=5)
    return dataclasses.replace(quick, **settings)


def states(camera: CameraSupervisor) -> Iterator[tuple[str, Frame | None]]:
    """State and frame after each step."""
    while True:
        frame = camera.step()
        yield camera.state, frame


def seen(camera: CameraSupervisor, *wanted: str) -> list[Frame]:
    """Step until the camera was in each of these states in this order; all frames on the way."""
    frames = []
    for state in wanted:
        for now, frame in states(camera):
            frames += [frame] if frame is not None else []
            if now == state:
                break
    return frames


@pytest.mark.parametrize(
    ("fault", "state", "error"),
    [
        ("stall", "stalled", "no frame for 2 s"),
        ("repeat", "frozen", "the same frame for 1 s"),
        ("die", "failed", "killed by SIGSEGV"),
        ("garbage", "failed", "something that is not a picture"),
    ],
)
def test_every_fault_is_reported_and_repaired_and_leaves_no_process_behind(
    clip: Path, fault: str, state: str, error: str
) -> None:
    before = descriptors()
    with closing(CameraSupervisor(config(clip, fault=fault))) as camera:
        frames = seen(camera, "running", state)
        assert error in str(camera.error)
        assert str(camera.error).endswith(".")
        assert children() == []
        frames += seen(camera, "running", state, "running")
        assert camera.error is None
        assert camera.openings == 3
        assert len(children()) == 1
    assert descriptors() <= before and children() == []  # a library may have closed its own meanwhile
    for earlier, later in itertools.pairwise(frames):
        assert later.index == earlier.index + 1 + later.skipped
        assert later.time_s > earlier.time_s
        assert later.timestamp > earlier.timestamp
    assert camera.skipped == sum(frame.skipped for frame in frames)


def test_a_slow_camera_is_not_reopened(clip: Path) -> None:
    with closing(CameraSupervisor(config(clip, fault="slow", timeout_s=30.0))) as camera:
        frames = [frame for _, frame in itertools.islice(states(camera), 30) if frame is not None]
        assert (camera.state, camera.openings) == ("running", 1)
    assert frames[-1].index > 5


def test_a_camera_that_is_frozen_again_after_reopening_stays_frozen(clip: Path) -> None:
    with closing(CameraSupervisor(config(clip, fault="repeat", frozen_s=0.5))) as camera:
        seen(camera, "running", "frozen")
        camera._asked = dataclasses.replace(camera._asked, fault_frame=1)  # as if covered: always the same frame
        frames = [frame for _, frame in itertools.islice(states(camera), 60)]
        assert camera.openings >= 2
        assert (camera.state, set(frames)) == ("frozen", {None})


def test_without_frozen_s_a_still_camera_is_not_reopened(clip: Path) -> None:
    with closing(CameraSupervisor(config(clip, fault="repeat", frozen_s=None))) as camera:
        frames = [frame for _, frame in itertools.islice(states(camera), 60) if frame is not None]
        assert (camera.state, camera.openings) == ("running", 1)
    assert frames[-1].still_s > 1.0


def test_before_the_first_frame_a_fault_is_an_error(clip: Path, tmp_path: Path) -> None:
    for settings in ({"fault_frame": 0, "fault": "die"}, {"source": str(tmp_path / "absent.avi")}):
        camera = CameraSupervisor(dataclasses.replace(config(clip), **settings))
        with pytest.raises(SourceError):
            seen(camera, "running")
        assert children() == []


def test_an_absent_camera_is_reopened_until_it_is_back(clip: Path) -> None:
    away = clip.with_suffix(".away")
    with closing(CameraSupervisor(config(clip, fault="die"))) as camera:
        seen(camera, "running")
        clip.rename(away)
        seen(camera, "failed")
        while camera.openings < 3:
            assert camera.step() is None
        while "there is no such file" not in str(camera.error):
            assert camera.step() is None
        away.rename(clip)
        seen(camera, "running")


def test_a_fault_of_a_file_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), numbered(1))
    (folder / "2.png").write_text("damaged")
    camera = CameraSupervisor(CameraConfig(source=str(folder)))
    with pytest.raises(SourceError, match=r"2\.png"):
        seen(camera, "failed")
    assert children() == []


def test_the_end_of_a_clip_is_not_a_fault(clip: Path) -> None:
    with closing(CameraSupervisor(config(clip, loop=False))) as camera:
        frames = seen(camera, "ended")
    assert number_of(frames[-1].image) == 9
    assert frames[-1].time_s == pytest.approx(0.45)


def test_a_pause_closes_the_camera(clip: Path) -> None:
    with closing(CameraSupervisor(config(clip))) as camera:
        before = seen(camera, "running")
        camera.pause()
        assert children() == []
        assert [camera.step() for _ in range(2)] == [None, None]
        assert camera.state == "paused"
        camera.resume()
        after = seen(camera, "running")
    assert after[0].index > before[-1].index
    assert after[0].time_s > before[-1].time_s


def test_waits_between_openings_double_from_the_minimum_to_the_maximum() -> None:
    usb = CameraConfig(reopen_min_s=5.0, reopen_max_s=60.0)
    for attempts, least_s in enumerate((5, 10, 20, 40, 60, 60, 60)):
        for _ in range(20):
            assert least_s <= supervisor._wait_s(usb, attempts) <= least_s * 1.25
    assert supervisor._wait_s(dataclasses.replace(usb, reopen_max_s=1.0), 3) >= 5.0
