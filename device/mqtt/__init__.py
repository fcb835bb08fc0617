"""One MQTT connection and its replacement after a loss: topics, credentials, client."""

from device.mqtt.client import Link
from device.mqtt.connection import Acknowledged, Heard, Lost, Unheard, dial
from device.mqtt.topics import (
    AVAILABILITY,
    EVENTS,
    HEALTH,
    OFFLINE,
    ONLINE,
    REQUEST,
    RESPONSE,
    STATUS,
    SUMMARY,
    TRACK_STATE,
    Message,
    Topics,
    checked,
    device_id,
)

__all__ = [
    "AVAILABILITY",
    "EVENTS",
    "HEALTH",
    "OFFLINE",
    "ONLINE",
    "REQUEST",
    "RESPONSE",
    "STATUS",
    "SUMMARY",
    "TRACK_STATE",
    "Acknowledged",
    "Heard",
    "Link",
    "Lost",
    "Message",
    "Topics",
    "Unheard",
    "checked",
    "device_id",
    "dial",
]
