"""The same tests for every camera that this machine has; the others are skipped with the reason."""

from __future__ import annotations

import itertools
import os
import signal
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.camera.camera import Camera, open_camera
from device.camera.sources.registry import find_source
from device.camera.supervisor import CameraSupervisor
from device.config.schema import CameraConfig
from tests.support.clips import numbered, write_clip
from tests.support.processes import children

pytestmark = pytest.mark.hardware

DEVICES = [f"v4l2://{path}" for path in sorted(Path("/dev").glob("video*"))]
SOURCES = ["video", "picture", "folder", "picamera2://0", *(DEVICES or ["v4l2:///dev/video0"])]


@pytest.fixture(params=SOURCES)
def config(request: pytest.FixtureRequest, tmp_path: Path) -> CameraConfig:
    source = str(request.param)
    if source.startswith("picamera2"):
        _skip_without_picamera2()
    elif source.startswith("v4l2"):
        _skip_unless_it_captures(source)
    else:
        source = str(_made(source, tmp_path))
    return CameraConfig(source=source, width=320, height=240, fps=15.0, loop=True)


def _skip_without_picamera2() -> None:
    picamera2 = pytest.importorskip("picamera2", reason="picamera2 is not installed (apt install python3-picamera2)")
    if not picamera2.Picamera2.global_camera_info():
        pytest.skip("no camera is connected to the Pi's camera port")


def _skip_unless_it_captures(source: str) -> None:
    path = source.removeprefix("v4l2://")
    if not Path(path).is_char_device():
        pytest.skip("there is no /dev/video* on this machine")
    capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    opened = capture.isOpened()
    capture.release()
    if not opened:
        pytest.skip(f"{path} gives no pictures (a codec or an output, or this user may not open it)")


def _made(kind: str, folder: Path) -> Path:
    if kind == "video":
        return write_clip(folder / "clip.avi", [numbered(n, 320, 240) for n in range(15)], fps=15)
    for n in range(5):
        cv2.imwrite(str(folder / f"{n}.png"), numbered(n, 320, 240))
    return folder / "3.png" if kind == "picture" else folder


def test_frames_come_in_order_with_their_times(config: CameraConfig) -> None:
    before = time.time()
    with open_camera(config) as camera:
        frames = list(itertools.islice(camera, 10))
    assert len(frames) == 10
    for earlier, later in itertools.pairwise(frames):
        assert later.index == earlier.index + 1 + later.skipped
        assert later.time_s > earlier.time_s
        assert later.timestamp > earlier.timestamp
    assert frames[0].timestamp > before - 5  # no frame from before it was opened (clocks may differ a little)


def test_images_have_the_type_and_shape_that_the_pipeline_expects(config: CameraConfig) -> None:
    with open_camera(config) as camera:
        image = next(camera).image
    assert image.dtype == np.uint8
    assert image.ndim == 2 or image.shape[2] == 3
    assert min(image.shape[:2]) > 0


def test_a_slow_caller_skips_frames_and_gets_their_number(config: CameraConfig) -> None:
    with open_camera(config) as camera:
        frame = next(camera)
        while frame.skipped == 0:  # a test that hangs here has found a camera that queues old frames
            time.sleep(0.5)
            frame = next(camera)
        assert camera.skipped >= frame.skipped


def test_a_camera_can_be_closed_twice_and_opened_again(config: CameraConfig) -> None:
    for _ in range(2):
        camera: Camera = open_camera(config)
        next(camera)
        camera.close()
        camera.close()


def test_a_camera_whose_process_is_killed_is_opened_again(config: CameraConfig) -> None:
    if not find_source(config).live:
        pytest.skip("a file is not reopened")
    with closing(CameraSupervisor(config)) as camera:
        until(camera, "running")
        os.kill(children()[0], signal.SIGKILL)
        until(camera, "failed")
        until(camera, "running")
        assert camera.openings == 2


def until(camera: CameraSupervisor, state: str) -> None:
    """A test that hangs here has found a camera that must be unplugged."""
    while camera.state != state:
        camera.step()
