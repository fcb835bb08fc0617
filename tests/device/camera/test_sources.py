"""Live cameras: picamera2 (a stand-in), V4L2 without a device, unknown schemes."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from device.camera import sources
from device.camera.camera import open_camera
from device.camera.sources.registry import find_source, open_source, schemes
from device.config.schema import CameraConfig
from tests.support.cameras import config, error_of
from tests.support.picamera2_standin import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    (tmp_path / "bench").mkdir()
    return Bench(tmp_path / "bench", monkeypatch)


@pytest.mark.parametrize("scheme", ["rtmp", "ftp", "registry", "media_file", ""])
def test_an_unknown_scheme_is_an_error_that_lists_the_known_ones(scheme: str) -> None:
    text = error_of(f"{scheme}://camera/1")
    assert all(example in text for example in ("picamera2://0", "v4l2:///dev/video0", "or the path"))


@pytest.mark.parametrize("number", ["front", "-1", "1000"])
def test_picamera2_needs_a_number(number: str) -> None:
    assert "write picamera2://0" in error_of(f"picamera2://{number}")


def test_every_module_but_the_registry_is_a_source() -> None:
    for scheme in schemes():
        source = find_source(CameraConfig(source=f"{scheme}://"))
        assert source.example.startswith(f"{scheme}://")


NEW_SOURCE = """
from device.camera.source import Source
SOURCE = Source(lambda address, config, pause: iter([address]), "new_kind://0", module="cv2")
"""


def test_a_new_module_is_a_new_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new_kind.py").write_text(NEW_SOURCE)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    assert list(open_source(CameraConfig(source="new_kind://garden/1"), lambda _: None)) == ["garden/1"]
    assert "new_kind://0, picamera2://0, " in error_of("unknown://0")


def test_a_fault_makes_a_file_a_live_camera() -> None:
    assert not find_source(CameraConfig(source="clip.mp4")).live
    assert find_source(CameraConfig(source="clip.mp4", fault="stall")).live


@pytest.mark.parametrize("path", ["/dev/video0", "/dev/v4l/by-id/usb-ACME_Camera-video-index0"])
def test_a_bare_path_of_a_camera_is_v4l2(path: str) -> None:
    assert find_source(CameraConfig(source=path)) is find_source(CameraConfig(source=f"v4l2://{path}"))
    assert find_source(CameraConfig(source=path)).live


def test_a_bare_path_of_an_absent_camera_is_a_sentence() -> None:
    assert "/dev/video987: there is no such camera" in error_of("/dev/video987")


def test_absent_v4l2_camera(tmp_path: Path) -> None:
    assert "no such camera" in error_of("v4l2:///dev/video987")
    assert "no such camera" in error_of(f"v4l2://{tmp_path}")


def test_a_device_that_is_not_a_camera() -> None:
    assert "gives no pictures" in error_of("v4l2:///dev/null")
    assert "v4l2:///dev/null" in error_of("/dev/null")


def test_picamera2_not_installed(bench: Bench) -> None:
    bench.set(absent=True)
    assert "apt install python3-picamera2" in error_of("picamera2://0")


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
    assert "ribbon cable" in error_of("picamera2://0")
    bench.set(cameras=1)
    assert "ribbon cable" in error_of("picamera2://1")


def test_picamera2_in_use(bench: Bench) -> None:
    with open_camera(config("picamera2://0")):
        assert "another program" in error_of("picamera2://0")


def test_a_camera_that_hangs_at_once(bench: Bench) -> None:
    bench.set(hangs_after=0)
    assert "no frame for 0.5 s" in error_of("picamera2://0", timeout_s=0.5)


def test_a_camera_that_hangs_later(bench: Bench) -> None:
    bench.set(hangs_after=3)
    assert "no frame for 0.5 s" in error_of("picamera2://0", timeout_s=0.5)


def test_a_camera_that_breaks(bench: Bench) -> None:
    bench.set(breaks_after=3)
    assert "frontend has timed out" in error_of("picamera2://0")
