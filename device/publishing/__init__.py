"""From an observation to MQTT messages or JSON lines."""

from device.publishing.command_inbox import Request
from device.publishing.protocols import Publisher, Remote
from device.publishing.publisher import open_publisher
from device.publishing.reports import CameraReport, ConfigReport, ModelReport, Progress, Report

__all__ = [
    "CameraReport",
    "ConfigReport",
    "ModelReport",
    "Progress",
    "Publisher",
    "Remote",
    "Report",
    "Request",
    "open_publisher",
]
