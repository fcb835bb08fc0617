"""Chooses the publisher: MQTT on a thread of its own, or JSON lines on standard output.

The main thread writes events to the outbox and everything else to an inbox; only the MQTT thread
uses the connection. So a slow or absent broker never blocks the main loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from device.config import usage_policy
from device.config.schema import DeviceConfig
from device.messages import ModelInfo, ModelUpdate
from device.mqtt.topics import device_id
from device.publishing.json_lines import JsonLinesPublisher, SummaryLinesPublisher
from device.publishing.mqtt_publisher import MqttPublisher
from device.publishing.protocols import Publisher


def open_publisher(
    config: DeviceConfig,
    model: ModelInfo,
    update: ModelUpdate | None = None,
    commands: Collection[str] = (),
    seq: Iterator[int] | None = None,
) -> Publisher:
    """The publisher that the settings ask for.

    Args:
        config: the settings.
        model: the network, as `status` describes it.
        update: result of the last model installation.
        commands: verbs that are accepted over MQTT, beside `status`.
        seq: numbers of events that are printed; default: from 1.

    Raises:
        BrokerError: there is no broker at device.mqtt.host, or it refuses the connection.
        ConfigError: a setting cannot be part of a topic; a password or certificate cannot be read.
        StateError: the state folder cannot be written.
    """
    if config.mqtt.host is not None:
        return MqttPublisher(config, model, update, commands)
    return (
        SummaryLinesPublisher(config, model)
        if usage_policy.aggregate(config)
        else JsonLinesPublisher(device_id(config), seq)
    )
