"""Frames from a camera or a file, taken in a process of their own where the source is live."""

from device.camera.camera import open_camera
from device.camera.frame import Frame
from device.camera.supervisor import CameraSupervisor

__all__ = [
    "CameraSupervisor",
    "Frame",
    "open_camera",
]
