"""`device cameras`, and the camera that `auto` chooses: simulated drivers, in this process."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from device.camera import discovery
from device.camera.discovery import choose_camera
from device.camera.source import FoundCamera
from device.camera.sources import v4l2
from device.cli.app import main
from device.config.schema import CameraConfig
from device.errors import SourceError
from tests.support.picamera2_standin import Bench
from tests.support.v4l2_driver import WEBCAM, SimulatedCamera, plug_in


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /dev, with one webcam."""
    (tmp_path / "video0").touch()
    monkeypatch.setattr(v4l2, "DEVICES", tmp_path)
    plug_in(monkeypatch, {"video0": WEBCAM})
    return tmp_path


@pytest.fixture
def sensors(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), monkeypatch)


def test_the_cameras_are_printed_with_their_modes(dev: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cameras"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"v4l2://{dev}/video0  ACME Camera"
    assert "  MJPG    640x480 30, 1280x720 30, 1920x1080 30" in lines
    assert all(len(line) <= 80 for line in lines[1:])


def test_a_long_list_of_sizes_is_wrapped_between_sizes(
    dev: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug_in(monkeypatch, {"video0": SimulatedCamera({"MJPG": {(16 * n, 9 * n): [30] for n in range(10, 40)}})})
    main(["cameras"])
    _, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert all(len(line) <= 80 and not line.endswith("x") for line in lines)
    assert "".join(lines).count("x") == 30  # no size was divided


def test_json_has_every_mode(dev: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cameras", "--json"]) == 0
    (camera,) = json.loads(capsys.readouterr().out)
    assert camera["uri"] == f"v4l2://{dev}/video0"
    assert {"pixel_format": "YUYV", "width": 1920, "height": 1080, "fps": 5.0} in camera["modes"]


def test_no_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(v4l2, "DEVICES", tmp_path)
    assert main(["cameras"]) == 1
    assert "no camera was found." in capsys.readouterr().out


def test_auto_takes_a_sensor_on_a_ribbon_cable_first(
    dev: Path, sensors: Bench, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        assert choose_camera(CameraConfig()).source == "picamera2://0"
    assert "the camera is picamera2://0 (imx708)" in caplog.text
    assert main(["cameras"]) == 0
    out = capsys.readouterr().out
    assert "picamera2://0  imx708\n  SRGGB10 1536x864 120.13\n" in out
    assert "USB camera" not in out  # libcamera lists it too; V4L2 opens it


def test_auto_takes_a_v4l2_camera_where_picamera2_has_none(
    dev: Path, sensors: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    sensors.set(cameras=0)
    with caplog.at_level(logging.INFO):
        assert choose_camera(CameraConfig(rotate=90)) == CameraConfig(source=f"v4l2://{dev}/video0", rotate=90)
    assert "ACME Camera" in caplog.text


def test_auto_without_a_camera_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v4l2, "DEVICES", tmp_path)
    with pytest.raises(SourceError, match=r"no camera was found; connect one .* --source clip\.mp4"):
        choose_camera(CameraConfig())


def test_auto_with_only_a_camera_that_may_not_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = FoundCamera("v4l2:///dev/video0", "unknown", problem="/dev/video0: this user may not open it.")
    monkeypatch.setattr(discovery, "find_cameras", lambda modes: iter([denied]))
    with pytest.raises(SourceError, match="this user may not open it"):
        choose_camera(CameraConfig())


def test_a_source_that_is_named_is_taken() -> None:
    assert choose_camera(CameraConfig(source="clip.mp4")) == CameraConfig(source="clip.mp4")
