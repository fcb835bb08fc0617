"""From an observation to MQTT messages or JSON lines."""

from device.publishing.base import Publisher
from device.publishing.command_inbox import Request
from device.publishing.publisher import open_publisher
from device.publishing.status import Progress

__all__ = [
    "Progress",
    "Publisher",
    "Request",
    "open_publisher",
]
