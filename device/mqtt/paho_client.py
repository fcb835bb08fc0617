"""paho's client, bounded: no packet of any size fills the memory, and none kills its thread.

Imported only when a connection is made, as paho is.
"""

from __future__ import annotations

from collections.abc import Callable

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

MAX_PACKET_BYTES = 65_536  # received; MQTT 5 brokers are told, others are disconnected


class BoundedClient(Client):
    """A paho client that ends the connection where paho would read on or stop without a word.

    `on_unreadable` is called on paho's thread if a packet cannot be parsed; the socket is closed.
    """

    too_large = False  # the broker sent a packet of more than MAX_PACKET_BYTES
    on_unreadable: Callable[[], None] | None = None

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        """Read until the connection ends. An error of paho's parser ends it too."""
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception:
            self._sock_close()
            if self.on_unreadable is not None:
                self.on_unreadable()
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _sock_recv(self, bufsize: int) -> bytes:
        """Read; paho asks for the rest of a packet, whose length the broker chose."""
        if bufsize > MAX_PACKET_BYTES:
            self.too_large = True
            raise ConnectionError("the packet is too large")
        return super()._sock_recv(bufsize)
