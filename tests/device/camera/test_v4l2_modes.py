"""The pixel format that a V4L2 camera is asked for, and the list of what it can give."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from device.camera.source import Mode
from device.camera.sources import v4l2
from device.camera.sources.v4l2 import fourcc_name
from device.camera.v4l2_modes import choose_format, open_driver
from device.config.schema import CameraConfig
from tests.support.v4l2_driver import CAPTURE, META, WEBCAM, SimulatedCamera, plug_in


def chosen(folder: Path, **settings: object) -> str | None:
    """The format that the settings lead to with the camera video0 of a folder."""
    (folder / "video0").touch()
    with open_driver(folder / "video0") as driver:
        return choose_format(driver, CameraConfig(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width", "height", "fps", "wanted"),
    [
        (640, 480, 15.0, None),  # YUYV is fast enough, and needs no decoding
        (640, 480, 30.0, None),
        (1280, 720, 10.0, None),
        (1280, 720, 15.0, "MJPG"),
        (1920, 1080, 15.0, "MJPG"),
        (1920, 1080, 5.0, None),
    ],
)
@pytest.mark.parametrize("stepwise", [False, True])
def test_mjpg_is_asked_for_where_yuyv_is_too_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, height: int, fps: float, wanted: str, stepwise: bool
) -> None:
    plug_in(monkeypatch, {"video0": SimulatedCamera(WEBCAM.formats, stepwise)})
    assert chosen(tmp_path, width=width, height=height, fps=fps) == wanted


def test_a_format_that_is_set_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, {"video0": WEBCAM})
    assert chosen(tmp_path, pixel_format="MJPG") == "MJPG"
    assert chosen(tmp_path, pixel_format="YUYV", width=1920, height=1080) == "YUYV"


@pytest.mark.parametrize(
    ("formats", "wanted"),
    [
        ({"MJPG": {(1280, 720): [30]}}, "MJPG"),  # it gives nothing else
        ({"YUYV": {(1280, 720): [10]}}, None),  # slower than asked, but MJPG is not there
        ({"YUYV": {(1280, 720): [10]}, "MJPG": {(1280, 720): [5]}}, None),  # MJPG is slower still
    ],
)
def test_the_faster_of_what_is_there_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formats: dict[str, dict[tuple[int, int], list[int]]], wanted: str
) -> None:
    plug_in(monkeypatch, {"video0": SimulatedCamera(formats)})
    assert chosen(tmp_path, width=1280, height=720, fps=15.0) == wanted


def test_a_driver_that_says_nothing_is_asked_for_what_usb_can_carry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(monkeypatch, {})
    assert chosen(tmp_path, width=640, height=480, fps=30.0) is None
    assert chosen(tmp_path, width=1920, height=1080, fps=15.0) == "MJPG"


def test_cameras_are_listed_with_modes_and_a_lasting_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("video0", "video1", "video2", "video10", "video11", "video12"):
        (tmp_path / name).touch()
    (tmp_path / "v4l" / "by-id").mkdir(parents=True)
    lasting = tmp_path / "v4l" / "by-id" / "usb-ACME_Camera-video-index0"
    lasting.symlink_to(tmp_path / "video10")
    plug_in(
        monkeypatch,
        {
            "video0": SimulatedCamera(WEBCAM.formats, device=META),  # the second device of a webcam
            "video1": SimulatedCamera({"pBAA": {(640, 480): [30]}}, driver="unicam", card="raw sensor"),
            "video2": WEBCAM,
            "video10": SimulatedCamera({"MJPG": {(1280, 720): [60, 30]}}, card="Other", device=CAPTURE),
            "video11": SimulatedCamera(WEBCAM.formats, driver="bcm2835-isp", card="bcm2835-isp"),
        },
    )
    monkeypatch.setattr(v4l2, "DEVICES", tmp_path)
    first, second = v4l2.find(modes=True)
    assert (first.uri, first.name, first.path) == (f"v4l2://{tmp_path}/video2", "ACME Camera", None)
    assert Mode("YUYV", 1280, 720, 10.0) in first.modes
    assert (second.uri, second.path) == (f"v4l2://{tmp_path}/video10", str(lasting))
    assert second.modes == (Mode("MJPG", 1280, 720, 60.0),)


def test_a_camera_that_may_not_be_opened_is_listed_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "video0").touch(mode=0o000)
    if os.access(tmp_path / "video0", os.R_OK):
        pytest.skip("root may open everything")
    monkeypatch.setattr(v4l2, "DEVICES", tmp_path)
    (camera,) = v4l2.find(modes=False)
    assert "usermod -aG video" in str(camera.problem)


@pytest.mark.parametrize(("number", "name"), [(1196444237.0, "MJPG"), (1448695129.0, "YUYV"), (0.0, ""), (-1.0, "")])
def test_the_name_of_a_format(number: float, name: str) -> None:
    assert fourcc_name(number) == name
