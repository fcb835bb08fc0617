"""Chooses the camera where none is named: `device.camera.source: auto`."""

from __future__ import annotations

import dataclasses
import logging

from device.camera.source import FoundCamera
from device.camera.sources.registry import find_cameras
from device.config.schema import CameraConfig
from device.config.source_address import without_user
from device.errors import SourceError

AUTO = "auto"

log = logging.getLogger(__name__)


def choose_camera(config: CameraConfig) -> CameraConfig:
    """The settings with a source that can be opened and shown.

    Of `auto` that is the first camera of picamera2, else of V4L2.

    Raises:
        SourceError: there is no camera, or this user may open none.
    """
    if config.source != AUTO:
        return dataclasses.replace(config, source=without_user(config.source))
    problem: str | None = None
    for camera in find_cameras(modes=False):
        if camera.problem is None:
            return _chosen(config, camera)
        problem = problem or camera.problem
    raise SourceError(
        problem
        or "no camera was found; connect one (a Raspberry Pi's own needs python3-picamera2), or name a source: "
        "--source clip.mp4."
    )


def _chosen(config: CameraConfig, camera: FoundCamera) -> CameraConfig:
    log.info("device.camera.source is auto: the camera is %s (%s)", camera.uri, camera.name)
    return dataclasses.replace(config, source=camera.uri)
