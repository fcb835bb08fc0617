"""Settings of the camera; `device.config.schema` has the others."""

from __future__ import annotations

from dataclasses import dataclass

from device.config.loader import setting


@dataclass(frozen=True)
class CameraConfig:
    """Where frames come from."""

    source: str = setting(
        "auto", "auto (the first camera), or a URI such as picamera2://0, or the path of a file or folder"
    )
    width: int = setting(640, "of the frames to ask a live camera for, pixels", ge=64, le=4096)
    height: int = setting(480, "of the frames to ask a live camera for, pixels", ge=64, le=4096)
    fps: float = setting(
        15.0,
        "frames a second, also of folders and raw streams",
        gt=0,
        le=120,
    )
    pixel_format: str = setting(
        "auto",
        "of a V4L2 camera; auto: MJPG where YUYV is slower than fps",
        choices=("auto", "MJPG", "YUYV"),
        advanced=True,
    )
    rotate: int = setting(0, "turn the frames clockwise by this angle, degrees", choices=(0, 90, 180, 270))
    flip: str | None = setting(
        None, "then mirror the frames in this direction", choices=("horizontal", "vertical"), advanced=True
    )
    username_file: str | None = setting(
        None,
        "network camera: file whose first line is the user name; null takes systemd's credential camera-username, "
        "if there is one",
        advanced=True,
    )
    password_file: str | None = setting(
        None, "the same for the password, and the credential camera-password", advanced=True
    )
    fast: bool = setting(False, "play files as fast as possible instead of in real time", advanced=True)
    loop: bool = setting(False, "play a file again when it ends", advanced=True)
    picture_s: float = setting(3.0, "a single picture is shown for this long", gt=0, le=3600, advanced=True)
    max_pixels: int = setting(
        25_000_000,
        "a picture or video with more pixels is refused before it takes memory; 25 million take 75 MB",
        ge=4096,
        le=1_000_000_000,
        advanced=True,
    )
    timeout_s: float = setting(
        10.0, "without a frame for this long the camera counts as failed", gt=0, le=600, advanced=True
    )
    frozen_s: float | None = setting(
        10.0,
        "a live camera whose pixels do not change for this long counts as failed; null turns this off",
        gt=0,
        le=3600,
        advanced=True,
    )
    reopen_min_s: float = setting(
        5.0,
        "shortest time between two attempts to open a live camera; USB cameras need 5 or more",
        ge=0.1,
        le=600,
        advanced=True,
    )
    reopen_max_s: float = setting(
        60.0, "longest such time; it doubles after each failed attempt", ge=0.1, le=3600, advanced=True
    )
    fault: str | None = setting(
        None,
        "for tests: a file acts as a live camera that fails in this way",
        choices=("stall", "repeat", "die", "garbage", "slow"),
        advanced=True,
    )
    fault_frame: int = setting(
        50, "the fault begins after this many frames, counted from each opening", ge=0, advanced=True
    )
