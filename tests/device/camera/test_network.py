"""Network cameras: MJPEG over HTTP by a real server on loopback, with a password in files only."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest

from device.camera.camera import open_camera
from device.camera.supervisor import CameraSupervisor
from device.config.schema import CameraConfig
from device.config.source_address import without_user
from device.errors import SourceError, without_secrets
from tests.support.broker import free_port, wait_for
from tests.support.cameras import config, error_of
from tests.support.clips import number_of, numbered
from tests.support.mjpeg_camera import mjpeg_camera
from tests.support.rtsp_camera import rtsp_camera

IMAGES = [numbered(n, 96, 64) for n in (5, 12)]
USER, PASSWORD = "viewer", "p@ss/w:rd?%20"  # what an address must escape


def secrets(folder: Path, user: str = USER, password: str = PASSWORD) -> dict[str, str]:
    """Settings that name files with user and password."""
    for name, text in (("user", user), ("password", password)):
        (folder / name).write_text(text + "\n")
    return {"username_file": str(folder / "user"), "password_file": str(folder / "password")}


def test_frames_come_as_from_a_live_camera() -> None:
    with mjpeg_camera(IMAGES) as server, open_camera(config(server.url)) as camera:
        assert camera.live
        frames = [next(camera) for _ in range(4)]
    assert {number_of(frame.image) for frame in frames} == {5, 12}
    assert all(frame.image.shape == (64, 96, 3) for frame in frames)


def test_a_password_comes_from_files(tmp_path: Path) -> None:
    with mjpeg_camera(IMAGES, f"{USER}:{PASSWORD}") as server:
        with open_camera(config(server.url, **secrets(tmp_path))) as camera:
            assert number_of(next(camera).image) in (5, 12)
        sentence = error_of(server.url, timeout_s=5.0)
        assert "sends no video" in sentence and "device.camera.username_file" in sentence
        wrong = error_of(server.url, **secrets(tmp_path, password="guess"))
        assert "user and password" in wrong and "guess" not in wrong


def test_a_password_comes_from_systemd_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "camera-username").write_text(USER)
    (tmp_path / "camera-password").write_text(PASSWORD)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with mjpeg_camera(IMAGES, f"{USER}:{PASSWORD}") as server, open_camera(config(server.url)) as camera:
        assert number_of(next(camera).image) in (5, 12)


def test_a_camera_that_is_killed_is_opened_again() -> None:
    with mjpeg_camera(IMAGES) as server:
        settings = CameraConfig(source=server.url, timeout_s=5.0, reopen_min_s=0.1, reopen_max_s=0.3)
        with closing(CameraSupervisor(settings)) as camera:
            wait_for(camera.step, "the first frame")
            server.kill()
            wait_for(lambda: camera.step() is None and camera.state == "failed", "the fault")
            assert "stopped sending" in str(camera.error) or "cannot be reached" in str(camera.error)
            server.start()
            wait_for(camera.step, "a frame again")


def test_rtsp_with_a_password_is_played_and_a_still_scene_is_not_frozen(tmp_path: Path) -> None:
    with rtsp_camera(120, f"{USER}:{PASSWORD}") as url:
        with open_camera(config(url, frozen_s=0.3, **secrets(tmp_path))) as camera:
            frames = [next(camera)]
            while frames[-1].time_s < frames[0].time_s + 0.6:  # longer than frozen_s, every pixel the same
                frames.append(next(camera))
        assert "user and password" in error_of(url, **secrets(tmp_path, password="guess"))
    assert frames[0].image.shape == (64, 64, 3)
    assert frames[-1].image.mean() == pytest.approx(121, abs=2)  # as full-range grey


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_a_camera_that_is_not_there(scheme: str) -> None:
    sentence = error_of(f"{scheme}://user:hidden@127.0.0.1:{free_port()}/stream?token=hidden")
    assert "cannot be reached" in sentence
    assert "hidden" not in sentence


def test_a_camera_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert f"rtsp://127.0.0.1:{port}/stream" in error_of(f"rtsp://127.0.0.1:{port}/stream", timeout_s=1.5)


@pytest.mark.parametrize("address", ["rtsp://", "http:///stream", "rtsp://host:port/", "rtsp://host:0/"])
def test_an_address_that_is_none(address: str) -> None:
    assert "this is no address of a camera" in error_of(address)


@pytest.mark.parametrize(
    ("given", "public"),
    [
        ("rtsp://u:p@host:554/s", "rtsp://host:554/s"),
        ("rtsp://u:p@ss@host/s", "rtsp://host/s"),
        ("rtsp://u:p/ss@host/s", "rtsp://host/s"),
        ("RTSP://u@host", "RTSP://host"),
        ("http://host/cam@2", "http://host/cam@2"),
        ("http://[fe80::1]:80/cam@2", "http://[fe80::1]:80/cam@2"),
        ("v4l2:///dev/v4l/by-id/usb-a@b", "v4l2:///dev/v4l/by-id/usb-a@b"),
        ("clips/ada@home.mp4", "clips/ada@home.mp4"),
    ],
)
def test_a_user_is_taken_out_of_an_address(given: str, public: str) -> None:
    assert without_user(given) == public


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://u:p@host/s: it failed.", "http://host/s: it failed."),
        ("http://host/s?user=u&pwd=p:q: it failed.", "http://host/s: it failed."),
        ("rtsps://u:p/q@host/s?x=1", "rtsps://host/s"),
        ("it failed at http://host/s?pwd=p.", "it failed at http://host/s."),
        ("mail ada@example.org", "mail ada@example.org"),
    ],
)
def test_an_error_never_shows_secrets_of_an_address(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert str(SourceError(text)) == shown
