"""Animated pictures and raw streams are films; what cannot be decoded is refused."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.camera.file_kind import kind_of
from device.camera.source import Source
from device.camera.sources.media_file import is_picture
from device.camera.sources.registry import find_source
from tests.support.cameras import config, error_of, frames_of
from tests.support.clips import number_of, numbered, write_clip
from tests.support.raw_h264 import write_raw_h264

GREYS = range(4, 10)
STARTS = (
    b"GIF89a" + b"\1\0\1\0\x80\0\0" + bytes(6),
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\x20\0\0\0WEBPVP8X",
    b"\0\0\0\1",
    b"\0\0\0\x1cftyp",
    b"\xff",
)  # of formats that are looked into


def animate(path: Path, durations_ms: list[int]) -> Path:
    """An animated picture of `numbered` frames, each shown so long."""
    if not hasattr(cv2, "imwriteanimation") or not cv2.haveImageWriter(str(path)):
        pytest.skip("this OpenCV writes no such animation")
    animation = cv2.Animation()
    animation.frames = [numbered(n + 3) for n in range(len(durations_ms))]
    animation.durations = durations_ms
    assert cv2.imwriteanimation(str(path), animation)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_is_played_at_its_own_times(tmp_path: Path, suffix: str) -> None:
    path = animate(tmp_path / f"film{suffix}", [100, 100, 500, 100, 100])
    frames = frames_of(path, fps=7.0)
    assert [number_of(frame.image) for frame in frames] == [3, 4, 5, 6, 7]
    assert [frame.time_s for frame in frames] == pytest.approx([0.0, 0.1, 0.2, 0.7, 0.8], abs=0.011)
    assert all(frame.image.shape == (48, 64, 3) for frame in frames)
    assert not is_picture(path)


def test_an_animated_png_is_played_at_its_rate(tmp_path: Path) -> None:
    path = animate(tmp_path / "film.png", [200] * 4)  # OpenCV 4.11 takes the mean of unequal times
    frames = frames_of(path, fps=15.0)
    assert [number_of(frame.image) for frame in frames] == [3, 4, 5, 6]
    assert [frame.time_s for frame in frames] == pytest.approx([0.0, 0.2, 0.4, 0.6], abs=0.011)
    assert not is_picture(path)


def test_an_animation_is_known_without_its_suffix(tmp_path: Path) -> None:
    path = animate(tmp_path / "film.webp", [100, 100]).rename(tmp_path / "download")
    assert len(frames_of(path)) == 2


def test_a_long_animation_is_read_in_parts(tmp_path: Path) -> None:
    path = animate(tmp_path / "film.webp", [40] * 3)
    from device.camera import decoding

    whole = [still.media_s for still in decoding.read_animation(path, 15.0)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "CHUNK_BYTES", 2 * numbered(0).nbytes)
        assert [still.media_s for still in decoding.read_animation(path, 15.0)] == whole
    assert len(whole) == 3


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_a_still_picture_of_the_same_format_is_a_picture(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"still{suffix}"
    if not cv2.haveImageWriter(str(path)):
        pytest.skip(f"this OpenCV writes no {suffix}")
    cv2.imwrite(str(path), numbered(5))
    assert is_picture(path)
    assert [number_of(frame.image) for frame in frames_of(path, fps=10.0, picture_s=0.4)] == [5] * 4


def test_an_animation_in_a_folder_of_pictures_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), numbered(1))
    animate(tmp_path / "2.png", [100, 100])
    assert "2.png: a folder is played picture by picture" in error_of(tmp_path)


@pytest.mark.parametrize("suffix", [".mjpeg", ".mjpg"])
def test_jpegs_in_a_row_are_played_at_the_rate_of_the_settings(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    path.write_bytes(b"".join(cv2.imencode(".jpg", numbered(n))[1].tobytes() for n in GREYS))
    frames = frames_of(path, fps=5.0)
    assert [number_of(frame.image) for frame in frames] == list(GREYS)
    assert [frame.time_s for frame in frames] == pytest.approx([n / 5 for n in range(len(GREYS))])
    assert "no clock" in str(source_of(path).note(config(path, fps=5.0)))


@pytest.mark.parametrize("name", ["film.h264", "film"])
def test_raw_h264_is_played_at_the_rate_of_the_settings(tmp_path: Path, name: str) -> None:
    path = write_raw_h264(tmp_path / name, [20 * n for n in GREYS])
    frames = frames_of(path, fps=15.0)
    assert len(frames) == len(GREYS)
    assert all(a.image.mean() < b.image.mean() for a, b in itertools.pairwise(frames))
    assert [frame.time_s for frame in frames] == pytest.approx([n / 15 for n in range(len(GREYS))])
    assert "played at device.camera.fps, 15 frames a second" in str(source_of(path).note(config(path)))


def test_a_video_with_a_clock_keeps_it_and_needs_no_note(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "film.avi", map(numbered, GREYS), fps=20)
    assert frames_of(path, fps=5.0)[1].time_s == pytest.approx(0.05)
    assert source_of(path).note(config(path)) is None


def source_of(path: Path) -> Source:
    return find_source(config(path))


@given(st.sampled_from(STARTS), st.binary(max_size=300))
def test_no_bytes_confuse_the_search_for_animations(start: bytes, rest: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(start + rest)
        assert kind_of(path) in ("picture", "animation", "raw", "video")


# ---- photos of phones

HEIC = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + b"\0" * 500


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "IMG_1.jpg", "IMG_1"])
def test_a_photo_that_cannot_be_decoded_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HEIC)
    assert "save it as JPEG or PNG" in error_of(tmp_path / name)


def test_a_folder_with_such_a_photo_is_refused_before_it_is_played(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), numbered(1))
    (tmp_path / "2.heic").write_bytes(HEIC)
    frames = find_source(config(tmp_path)).open_frames(str(tmp_path), config(tmp_path), lambda _: None)
    with pytest.raises(Exception, match=r"2\.heic: HEIC"):
        next(frames)


def test_avif_is_read_where_opencv_can(tmp_path: Path) -> None:
    path = tmp_path / "photo.avif"
    if not cv2.haveImageWriter(str(path)):
        pytest.skip("this OpenCV has no AVIF")
    cv2.imwrite(str(path), numbered(6))
    assert number_of(frames_of(path)[0].image) == 6
