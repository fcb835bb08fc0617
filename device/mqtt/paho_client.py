"""paho's client, bounded: no packet of any size fills the memory, and none kills its thread."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:  # paho is imported where it is used: `device --help` does without
    from paho.mqtt.client import Client
    from paho.mqtt.enums import MQTTErrorCode

MAX_PACKET_BYTES = 65_536  # received; MQTT 5 brokers are told, others are disconnected


@dataclass
class Trouble:
    """What the client met.

    Attributes:
        too_large: the broker sent a packet of more than MAX_PACKET_BYTES; the connection ends.
        on_unreadable: called on paho's thread if a packet cannot be parsed; the socket is closed.
    """

    too_large: bool = False
    on_unreadable: Callable[[], None] | None = None


def make_client(trouble: Trouble, *arguments: Any, **options: Any) -> Client:
    """A client of paho, with paho's arguments, that tells what `trouble` it meets."""
    client = _client_class()(*arguments, **options)
    client.trouble = trouble
    return cast("Client", client)


@functools.cache
def _client_class() -> Any:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import MQTTErrorCode

    class BoundedClient(Client):
        trouble: Trouble

        def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
            """Read until the connection ends. An error of paho's parser ends it too."""
            try:
                return super().loop_forever(timeout, retry_first_connection)
            except Exception:
                self._sock_close()
                if self.trouble.on_unreadable is not None:
                    self.trouble.on_unreadable()
                return MQTTErrorCode.MQTT_ERR_PROTOCOL

        def _sock_recv(self, bufsize: int) -> bytes:
            """Read; paho asks for the rest of a packet, whose length the broker chose."""
            if bufsize > MAX_PACKET_BYTES:
                self.trouble.too_large = True
                raise ConnectionError("the packet is too large")
            return super()._sock_recv(bufsize)

    return BoundedClient
