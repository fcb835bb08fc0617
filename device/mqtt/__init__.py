"""One MQTT connection and its replacement after a loss: topics, credentials, client."""

from device.mqtt.client import ReconnectingClient
from device.mqtt.connection import Acknowledged, ConnectionLost, MessageReceived, SubscribeRefused, connect
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
    "ConnectionLost",
    "Message",
    "MessageReceived",
    "ReconnectingClient",
    "SubscribeRefused",
    "Topics",
    "checked",
    "connect",
    "device_id",
]
