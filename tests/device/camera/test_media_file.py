"""Videos, pictures and folders as a camera: their frames and times, and why a path is rejected."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.camera.camera import open_camera
from device.camera.sources.media_file import SOURCE
from device.errors import SourceError
from tests.support.cameras import config, error_of, frames_of
from tests.support.clips import number_of, numbered, write_clip
from tests.support.files import LONG_NAME


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi", map(numbered, range(8)), fps=10)


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


@pytest.mark.parametrize("kind", ["video", "picture", "folder"])
def test_fast_frames_know_the_time_in_the_file_and_are_never_from_the_future(kind: str, tmp_path: Path) -> None:
    path = tmp_path / {"video": "clip.avi", "picture": "face.png", "folder": ""}[kind]
    if kind == "video":
        write_clip(path, [numbered(n % 8) for n in range(90)], fps=10)
    else:
        for n in range(3):
            cv2.imwrite(str(tmp_path / f"face{'' if kind == 'picture' else n}.png"), numbered(n))
    opened = time.time()
    frames = frames_of(path, fps=10.0)
    assert [frame.media_s for frame in frames] == [frame.time_s for frame in frames]
    assert np.diff([frame.timestamp for frame in frames]) == pytest.approx(0.1, abs=1e-3)
    assert frames[-1].timestamp < opened + 0.1  # although the video plays for 9 s


def test_real_time_keeps_the_media_times_and_counts_skipped_frames(clip: Path) -> None:
    frames = frames_of(clip, fast=False)
    assert frames[-1].time_s == pytest.approx(0.7)
    assert [frame.time_s for frame in frames] == pytest.approx([frame.index / 10 for frame in frames])
    assert [frame.index for frame in frames[1:]] == [a.index + b.skipped + 1 for a, b in itertools.pairwise(frames)]
    with open_camera(config(clip, fast=False)) as camera:
        assert sum(frame.skipped for frame in camera) == camera.skipped


def test_loop_continues_the_media_time(clip: Path) -> None:
    with open_camera(config(clip, loop=True, fps=10.0)) as camera:
        frames = list(itertools.islice(camera, 20))
    assert [number_of(frame.image) for frame in frames] == [n % 8 for n in range(20)]
    assert [frame.time_s for frame in frames] == pytest.approx([n / 10 for n in range(20)])


def test_a_picture_is_shown_for_picture_s(tmp_path: Path) -> None:
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


def test_a_picture_is_recognised_by_its_bytes_too(tmp_path: Path) -> None:
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


# ---- errors


def test_absent_file(tmp_path: Path) -> None:
    assert "there is no such file" in error_of(tmp_path / "absent.mp4")


@pytest.mark.parametrize("fast", [True, False])
def test_a_path_that_cannot_be_looked_at(tmp_path: Path, fast: bool) -> None:
    sentence = f"{tmp_path / LONG_NAME}: it cannot be read: File name too long."
    assert error_of(tmp_path / LONG_NAME, fast=fast) == sentence
    with pytest.raises(SourceError, match="File name too long"):
        SOURCE.note(config(tmp_path / LONG_NAME))


@pytest.mark.parametrize("name", ["empty.mp4", "empty.png"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert "the file is empty" in error_of(tmp_path / name)


def test_a_format_that_opencv_knows_but_has_turned_off(tmp_path: Path) -> None:
    path = tmp_path / "render.exr"
    path.write_bytes(b"v/1\x01\2\0\0\0" + bytes(50))
    assert "cannot be decoded" in error_of(path)


@pytest.mark.parametrize("name", ["text.mp4", "text.png", "text"])
def test_a_file_that_is_not_a_picture(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("this is prose, and no picture\n" * 50)
    assert str(tmp_path / name) in error_of(tmp_path / name)


def test_a_video_cut_short_is_one_sentence_without_output_of_ffmpeg(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", map(numbered, range(20)))
    path.write_bytes(path.read_bytes()[:1000])
    assert "cut short" in error_of(path)
    # In a new process: FFmpeg reads its log level once, and this test has written a video already.
    script = f"""
from device.camera import open_camera
from device.config import CameraConfig
from device.errors import SourceError
try:
    open_camera(CameraConfig(source={str(path)!r}))
except SourceError:
    print("rejected")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("rejected\n", "")


def test_a_picture_cut_short(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    (tmp_path / "cut.png").write_bytes(cv2.imencode(".png", noise)[1].tobytes()[:60])
    assert "cut short" in error_of(tmp_path / "cut.png")


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    assert "no picture" in error_of(tmp_path)


def test_a_damaged_picture_in_a_folder_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), numbered(1))
    (tmp_path / "2.png").write_text("damaged")
    assert "2.png" in error_of(tmp_path)
