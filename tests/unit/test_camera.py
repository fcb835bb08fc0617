"""Sources: every kind gives frames by the same rules, and says in one sentence why it cannot."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.camera import Camera, Frame, open_camera
from device.capture import Every, Newest
from device.config import CameraConfig
from device.errors import SourceError
from tests.fixtures.clips import number_of, numbered, write_clip
from tests.fixtures.picamera2_standin import Bench

PATIENCE_S = 20.0  # no test waits that long unless something is broken


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi", map(numbered, range(8)), fps=10)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench()
    monkeypatch.setitem(sys.modules, "picamera2", bench.module())
    yield bench
    bench.released.set()


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
from device.config import CameraConfig
from device.errors import SourceError
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


def test_picamera2_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    assert "apt install python3-picamera2" in refusal("picamera2://0")


# ---- picamera2, by a stand-in that obeys its rules


def test_picamera2_gives_bgr_and_is_freed(bench: Bench) -> None:
    for _ in range(2):  # a camera that was not freed cannot be opened again
        with open_camera(config("picamera2://0", width=64, height=48)) as camera:
            assert camera.live
            frames = list(itertools.islice(camera, 3))
        assert frames[0].image.shape == (48, 64, 3)
        assert frames[0].image[0, 0].tolist() == [255, 0, 0]
        assert [frame.index for frame in frames[1:]] == [a.index + b.skipped + 1 for a, b in itertools.pairwise(frames)]
    assert bench.opened == set()


def test_picamera2_without_a_camera(bench: Bench) -> None:
    bench.cameras = 0
    assert "ribbon cable" in refusal("picamera2://0")
    bench.cameras = 1
    assert "ribbon cable" in refusal("picamera2://1")


def test_picamera2_in_use(bench: Bench) -> None:
    with open_camera(config("picamera2://0")):
        assert "another program" in refusal("picamera2://0")


def test_a_camera_that_hangs_at_once(bench: Bench) -> None:
    bench.hangs_after = 0
    assert "no frame for 0.1 s" in refusal("picamera2://0", timeout_s=0.1)


def test_a_camera_that_hangs_later(bench: Bench) -> None:
    bench.hangs_after = 3
    assert "no frame for 0.1 s" in refusal("picamera2://0", timeout_s=0.1)


def test_a_camera_that_breaks(bench: Bench) -> None:
    bench.breaks_after = 3
    assert "frontend has timed out" in refusal("picamera2://0")


# ---- taking


def counted(last: int, drained: threading.Event, freed: threading.Event) -> Generator[int, None, None]:
    try:
        yield from range(last + 1)
        drained.set()
        freed.wait(PATIENCE_S)
    finally:
        freed.set()


def test_newest_drops_what_is_old_and_counts_it() -> None:
    drained, freed = threading.Event(), threading.Event()
    taker = Newest(counted(5, drained, freed))
    assert drained.wait(PATIENCE_S)
    assert taker.take(PATIENCE_S) == (5, 5)
    with pytest.raises(TimeoutError):
        taker.take(0.01)
    freed.set()
    assert taker.take(PATIENCE_S) is None
    assert not taker.ready(PATIENCE_S)


def test_closing_frees_the_source() -> None:
    freed = threading.Event()

    def endless() -> Generator[int, None, None]:
        try:
            yield from itertools.count()
        finally:
            freed.set()

    taker = Newest(endless())
    assert taker.ready(PATIENCE_S)
    taker.close()
    assert freed.wait(PATIENCE_S)
    taker.close()


def broken() -> Generator[int, None, None]:
    yield 1
    raise SourceError("the cable is out.")


def test_a_failure_comes_after_the_last_frame() -> None:
    for taker in (Newest(broken()), Every(broken())):
        assert taker.take(PATIENCE_S) == (1, 0)
        with pytest.raises(SourceError, match="cable"):
            taker.take(PATIENCE_S)


def test_every_drops_nothing() -> None:
    taker = Every(n for n in range(3))
    assert taker.ready(0.0)
    assert [taker.take(0.0) for _ in range(4)] == [(0, 0), (1, 0), (2, 0), None]
    taker.close()


def test_a_camera_is_closed_by_leaving_the_with(clip: Path) -> None:
    with open_camera(config(clip, fast=False, loop=True)) as camera:
        assert isinstance(camera, Camera)
        assert not camera.live
        next(camera)
    assert not any(thread.name == "capture" for thread in threading.enumerate())
