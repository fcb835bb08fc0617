"""The device's id and topics, with QoS and retain flag of each."""

from __future__ import annotations

import dataclasses
import re
import socket
from dataclasses import dataclass

from device.config.schema import DeviceConfig
from device.errors import ConfigError
from device.messages import Answer, EmotionEvent, Health, Request, Status, Summary, TrackState

ONLINE, OFFLINE = "online", "offline"
SWITCH_VERB, SWITCH_ON, SWITCH_OFF = "camera", "on", "off"


@dataclass(frozen=True)
class Message:
    """One MQTT publication. An empty payload that is retained clears its topic."""

    topic: str
    payload: str
    qos: int = 0
    retain: bool = False
    expiry_s: int | None = None  # seconds until the broker deletes it; ignored with MQTT 3.1.1


@dataclass(frozen=True)
class Channel:
    """One topic under `<base>/<device>/`.

    `payload` is the dataclass whose JSON is sent there, or the allowed words; str is any text.
    """

    name: str
    address: str
    payload: type | tuple[str, ...]
    qos: int
    retain: bool
    doc: str
    subscribed: bool = False  # the device receives here, and others publish


AVAILABILITY = Channel(
    "availability",
    "availability",
    (ONLINE, OFFLINE),
    1,
    True,
    "Whether the device is there. `online` on every connect; `offline` at its end, and by the broker as the last will.",
)
STATUS = Channel("status", "status", Status, 1, True, "What the device is and runs, on every connect and every change.")
EVENTS = Channel(
    "events",
    "events",
    EmotionEvent,
    1,
    False,
    "A face appeared, changed its expression, left; or an alert on its attention.",
)
TRACK_STATE = Channel(
    "trackState",
    "tracks/{track}/state",
    TrackState,
    1,
    True,
    "How one face reads, while it is there; cleared with an empty payload when it leaves.",
)
SUMMARY = Channel("summary", "summary", Summary, 0, False, "Everybody who is seen, once a second while somebody is.")
HEALTH = Channel("health", "health", Health, 0, False, "How the device is doing, every 30 seconds.")
REQUEST = Channel(
    "request",
    "cmd/request/{verb}",
    Request,
    1,
    False,
    "Something to do: pause, resume, selftest or status. A retained one is passed over.",
    subscribed=True,
)
SWITCH = Channel(
    "cameraSwitch",
    REQUEST.address.format(verb=SWITCH_VERB),
    (SWITCH_ON, SWITCH_OFF),
    1,
    False,
    "Home Assistant's switch: `on` is resume, `off` is pause, and is answered as such.",
    subscribed=True,
)
RESPONSE = Channel("response", "cmd/response/{verb}", Answer, 1, False, "What came of a request.")
SELFTEST = Channel(
    "selftest",
    "selftest",
    str,
    1,
    False,
    "A random text of the self-test, which subscribes to see whether the broker delivers it.",
)
CHANNELS = (AVAILABILITY, STATUS, EVENTS, TRACK_STATE, SUMMARY, HEALTH, REQUEST, SWITCH, RESPONSE, SELFTEST)


class Topics:
    """The topics of one device.

    Raises:
        ConfigError: device.id or mqtt.base_topic cannot be part of a topic.
    """

    def __init__(self, config: DeviceConfig) -> None:
        self.device = device_id(config)
        self.root = f"{checked('base_topic', config.mqtt.base_topic)}/{self.device}"

    def of(self, channel: Channel, track: int | str = "+", verb: str = "+") -> str:
        """The full topic; without a track or verb, the filter for all of them."""
        return f"{self.root}/{channel.address.format(track=track, verb=verb)}"

    def message(
        self,
        channel: Channel,
        payload: str | EmotionEvent | TrackState | Summary | Health | Status | Answer,
        track: int | str = "+",
        verb: str = "+",
        expiry_s: int | None = None,
    ) -> Message:
        """A message with the QoS and retain flag of its channel; its JSON names the device."""
        if not isinstance(payload, str):
            named = payload if isinstance(payload, Answer) else dataclasses.replace(payload, device=self.device)
            payload = named.to_json()
        return Message(self.of(channel, track, verb), payload, channel.qos, channel.retain, expiry_s)

    def track_of(self, topic: str) -> int | None:
        """The track whose state has this topic; None for other topics."""
        match = re.fullmatch(re.escape(self.root) + r"/tracks/([0-9]{1,16})/state", topic)
        return int(match[1]) if match else None

    def verb_of(self, topic: str) -> str | None:
        """The command of a request's topic; None for other topics."""
        prefix = self.of(REQUEST, verb="")
        return topic.removeprefix(prefix) if topic.startswith(prefix) else None


def device_id(config: DeviceConfig) -> str:
    """The device's name in topics: the configured one, else the host name, with `-` for other
    characters.

    Raises:
        ConfigError: the configured name contains other characters than letters, digits, - and _.
    """
    if config.id is None:
        host = socket.gethostname().split(".")[0]
        return re.sub(r"[^A-Za-z0-9_-]", "-", host) or "device"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", config.id):
        raise ConfigError(f"device.id is {config.id!r}, but must be 1 to 64 letters, digits, - or _.")
    return config.id


def checked(name: str, topic: str) -> str:
    """The start of a topic, from a setting of `device.mqtt`.

    Raises:
        ConfigError: it cannot start a topic.
    """
    if not re.fullmatch(r"[^+#\x00-\x1f/$][^+#\x00-\x1f]*(?<!/)", topic):
        raise ConfigError(
            f"device.mqtt.{name} is {topic!r}, but must be a topic without + and #, "
            "which neither begins with / or $ nor ends with /."
        )
    return topic
