"""How it is said: the session with the broker on a thread of its own, or JSON lines on standard output.

The main thread writes events into the outbox and leaves the rest in an inbox; the session's thread alone speaks MQTT.
So a broker that is slow, away or back never holds up the chain.
"""

from __future__ import annotations

from device.config import usage_policy
from device.config.schema import DeviceConfig
from device.messages import ModelInfo, ModelUpdate
from device.publishing.base import Publisher
from device.publishing.json_lines import JsonLinesPublisher, SummaryLinesPublisher
from device.publishing.mqtt_publisher import MqttPublisher


def open_publisher(config: DeviceConfig, model: ModelInfo, update: ModelUpdate | None = None) -> Publisher:
    """The publisher that the settings ask for.

    Args:
        config: the settings.
        model: what `status` says about the network.
        update: ... and of the last one that was to be installed.

    Raises:
        BrokerError: there is no broker at device.mqtt.host, or it refuses us.
        ConfigError: a setting cannot stand in a topic; the password or the certificate authority cannot be read.
        StateError: the state folder cannot be written.
    """
    if config.mqtt.host is None:
        return SummaryLinesPublisher(config, model) if usage_policy.aggregate(config) else JsonLinesPublisher()
    return MqttPublisher(config, model, update)
