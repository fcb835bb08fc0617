"""Sources: every kind gives frames by the same rules, and says in one sentence why it cannot."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.camera.camera import Camera, open_camera
from device.camera.frame import Frame, RawFrame
from device.camera.reader import SequentialReader, end_process
from device.config.schema import CameraConfig
from device.errors import SourceError, StuckError
from tests.support.clips import number_of, numbered, write_clip
from tests.support.picamera2_standin import Bench
from tests.support.processes import children, descriptors


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi", map(numbered, range(8)), fps=10)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    (tmp_path / "bench").mkdir()
    return Bench(tmp_path / "bench", monkeypatch)


def config(source: Path | str, **settings: Any) -> CameraConfig:
    return dataclasses.replace(CameraConfig(source=str(source), fast=True), **settings)


def frames_of(source: Path | str, **settings: Any) -> list[Frame]:
    with open_camera(config(source, **settings)) as camera:
        return list(camera)


def refusal(source: Path | str, **settings: Any) -> str:
    with pytest.raises(SourceError) as caught:
        frames_of(source, **settings)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


# ---- files


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_video_gives_every_frame_at_its_media_time(tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"clip{suffix}", map(numbered, range(8)), fps=10)
    frames = frames_of(path)
    assert [number_of(frame.image) for frame in frames] == list(range(8))
    assert [frame.index for frame in frames] == list(range(8))
    assert [frame.time_s for frame in frames] == pytest.approx([n / 10 for n in range(8)])
    assert all(frame.skipped == 0 for frame in frames)
    assert np.diff([frame.timestamp for frame in frames]) == pytest.approx(0.1, abs=1e-3)


def test_real_time_keeps_the_media_times_and_says_what_it_skipped(clip: Path) -> None:
    frames = frames_of(clip, fast=False)
    assert frames[-1].time_s == pytest.approx(0.7)
    assert [frame.time_s for frame in frames] == pytest.approx([frame.index / 10 for frame in frames])
    assert [frame.index for frame in frames[1:]] == [a.index + b.skipped + 1 for a, b in itertools.pairwise(frames)]
    with open_camera(config(clip, fast=False)) as camera:
        assert sum(frame.skipped for frame in camera) == camera.skipped


def test_loop_goes_on_in_time(clip: Path) -> None:
    with open_camera(config(clip, loop=True, fps=10.0)) as camera:
        frames = list(itertools.islice(camera, 20))
    assert [number_of(frame.image) for frame in frames] == [n % 8 for n in range(20)]
    assert [frame.time_s for frame in frames] == pytest.approx([n / 10 for n in range(20)])


def test_a_picture_stands_still_for_a_while(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "face.png"), numbered(5))
    frames = frames_of(tmp_path / "face.png", fps=10.0, picture_s=1.5)
    assert [number_of(frame.image) for frame in frames] == [5] * 15
    assert frames[-1].time_s == pytest.approx(1.4)


def picture(kind: str) -> NDArray[np.uint8 | np.uint16]:
    rng = np.random.default_rng(0)
    shapes = {"grey": (40, 30), "bgr": (40, 30, 3), "bgra": (40, 30, 4), "pixel": (1, 1, 3), "odd": (3, 501, 3)}
    if kind == "deep":
        return rng.integers(0, 65536, (40, 30, 3), dtype=np.uint16)
    return rng.integers(0, 256, shapes[kind], dtype=np.uint8)


@pytest.mark.parametrize("kind", ["grey", "bgr", "bgra", "deep", "pixel", "odd"])
def test_pictures_of_any_colour_depth_and_size_become_bgr(tmp_path: Path, kind: str) -> None:
    drawn = picture(kind)
    cv2.imwrite(str(tmp_path / "picture.png"), drawn)
    image = frames_of(tmp_path / "picture.png")[0].image
    assert image.dtype == np.uint8
    assert image.shape == (*drawn.shape[:2], 3)


def test_a_picture_is_known_by_its_bytes_too(tmp_path: Path) -> None:
    (tmp_path / "snapshot").write_bytes(cv2.imencode(".png", numbered(3))[1].tobytes())
    assert number_of(frames_of(tmp_path / "snapshot")[0].image) == 3


def test_a_folder_plays_its_pictures_in_natural_order(tmp_path: Path) -> None:
    for n in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"frame-{n}.png"), numbered(n, width=20 + n))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_text("a file manager's")
    frames = frames_of(tmp_path, fps=5.0)
    assert [number_of(frame.image) for frame in frames] == [1, 2, 10]
    assert [frame.time_s for frame in frames] == pytest.approx([0.0, 0.2, 0.4])


# ---- refusals


def test_absent_file(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "absent.mp4")


@pytest.mark.parametrize("name", ["empty.mp4", "empty.png"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert "the file is empty" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["text.mp4", "text.png", "text"])
def test_a_file_that_is_no_picture(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("this is prose, and no picture\n" * 50)
    assert str(tmp_path / name) in refusal(tmp_path / name)


def test_a_video_cut_short_is_told_in_our_words_alone(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", map(numbered, range(20)))
    path.write_bytes(path.read_bytes()[:1000])
    assert "cut short" in refusal(path)
    # In a process of its own: FFmpeg reads how loud it may be only once, and the test has written a video already.
    script = f"""
from device.camera import open_camera
from device.config.schema import CameraConfig
from device.errors import SourceError, StuckError
try:
    open_camera(CameraConfig(source={str(path)!r}))
except SourceError:
    print("refused")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("refused\n", "")


def test_a_picture_cut_short(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    (tmp_path / "cut.png").write_bytes(cv2.imencode(".png", noise)[1].tobytes()[:60])
    assert "cut short" in refusal(tmp_path / "cut.png")


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    assert "no picture" in refusal(tmp_path)


def test_a_damaged_picture_in_a_folder_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), numbered(1))
    (tmp_path / "2.png").write_text("damaged")
    assert "2.png" in refusal(tmp_path)


@pytest.mark.parametrize("source", ["rtsp://camera/1", "picamera2://front", "http://host/clip.mp4"])
def test_unknown_scheme(source: str) -> None:
    assert "v4l2:///dev/video0" in refusal(source)


def test_absent_v4l2_camera(tmp_path: Path) -> None:
    assert "no such camera" in refusal("v4l2:///dev/video987")
    assert "no such camera" in refusal(f"v4l2://{tmp_path}")


def test_a_device_that_is_no_camera() -> None:
    assert "gives no pictures" in refusal("v4l2:///dev/null")
    assert "v4l2:///dev/null" in refusal("/dev/null")


def test_picamera2_not_installed(bench: Bench) -> None:
    bench.set(absent=True)
    assert "apt install python3-picamera2" in refusal("picamera2://0")


# ---- picamera2, by a stand-in that obeys its rules


def test_picamera2_gives_bgr_and_is_freed(bench: Bench) -> None:
    for _ in range(2):  # a camera that was not freed cannot be opened again
        with open_camera(config("picamera2://0", width=64, height=48)) as camera:
            assert camera.live
            frames = list(itertools.islice(camera, 3))
        assert frames[0].image.shape == (48, 64, 3)
        assert frames[0].image[0, 1].tolist() == [255, 0, 0]
        assert [frame.index for frame in frames[1:]] == [a.index + b.skipped + 1 for a, b in itertools.pairwise(frames)]
        assert not bench.in_use
    assert bench.closed


def test_picamera2_without_a_camera(bench: Bench) -> None:
    bench.set(cameras=0)
    assert "ribbon cable" in refusal("picamera2://0")
    bench.set(cameras=1)
    assert "ribbon cable" in refusal("picamera2://1")


def test_picamera2_in_use(bench: Bench) -> None:
    with open_camera(config("picamera2://0")):
        assert "another program" in refusal("picamera2://0")


def test_a_camera_that_hangs_at_once(bench: Bench) -> None:
    bench.set(hangs_after=0)
    assert "no frame for 0.5 s" in refusal("picamera2://0", timeout_s=0.5)


def test_a_camera_that_hangs_later(bench: Bench) -> None:
    bench.set(hangs_after=3)
    assert "no frame for 0.5 s" in refusal("picamera2://0", timeout_s=0.5)


def test_a_camera_that_breaks(bench: Bench) -> None:
    bench.set(breaks_after=3)
    assert "frontend has timed out" in refusal("picamera2://0")


# ---- taking


def test_every_drops_nothing_and_fails_after_the_last_shot() -> None:
    def shots() -> Generator[RawFrame, None, None]:
        for n in range(3):
            yield RawFrame(numbered(n), float(n), 0.0)
        raise SourceError("the cable is out.")

    taker = SequentialReader(shots())
    assert [number_of(taken[0].image) for taken in (taker.take(0.0) for _ in range(3)) if taken] == [0, 1, 2]
    with pytest.raises(SourceError, match="cable"):
        taker.take(0.0)
    assert (taker.take(0.0), taker.over) == (None, True)
    taker.close()


def test_leaving_the_with_leaves_nothing_behind(clip: Path) -> None:
    before = descriptors()
    with open_camera(config(clip, fast=False, loop=True)) as camera:
        assert isinstance(camera, Camera)
        assert not camera.live
        next(camera)
        assert len(children()) == 1
    assert (descriptors(), children()) == (before, [])


def test_a_signal_for_the_terminal_or_the_service_does_not_reach_the_camera(clip: Path) -> None:
    with open_camera(config(clip, fast=False, loop=True)) as camera:
        (pid,) = children()
        assert os.getpgid(pid) != os.getpgid(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        assert [frame.skipped >= 0 for frame in itertools.islice(camera, 5)] == [True] * 5
        assert children() == [pid]


def test_a_camera_whose_process_is_killed_says_so(clip: Path) -> None:
    with open_camera(config(clip, fast=False, loop=True)) as camera:
        os.kill(children()[0], signal.SIGKILL)
        with pytest.raises(SourceError, match=r"the camera's process was killed by SIGKILL\.$"):
            list(camera)


AGENT = """
import sys, time
from device.camera import open_camera
from device.config.schema import CameraConfig
camera = open_camera(CameraConfig(source=sys.argv[1], loop=True, fault=sys.argv[2] or None, fault_frame=2))
print(camera._reader._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("fault", ["", "stall"])
def test_killing_the_agent_leaves_no_camera_behind(clip: Path, fault: str) -> None:
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
