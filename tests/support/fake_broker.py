"""A broker that does what a test's script says, packet by packet, right or wrong."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.support.broker import PATIENCE_S

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
MAXIMUM_PACKET_SIZE, RETAIN_AVAILABLE, SERVER_KEEP_ALIVE = 0x27, 0x25, 0x13
MAXIMUM_QOS = 0x24
SESSION_TAKEN_OVER = 0x8E


@dataclass(frozen=True)
class Packet:
    """One packet of the client: its type, flags, and what follows the length."""

    kind: int
    flags: int
    body: bytes

    @property
    def topic(self) -> str:
        """Of a PUBLISH."""
        (length,) = struct.unpack_from(">H", self.body)
        return self.body[2 : 2 + length].decode()

    @property
    def number(self) -> int:
        """The packet identifier of a PUBLISH of QoS 1, or of a SUBSCRIBE."""
        at = 2 + len(self.topic.encode()) if self.kind == PUBLISH else 0
        return int(struct.unpack_from(">H", self.body, at)[0])

    @property
    def qos(self) -> int:
        """Of a PUBLISH."""
        return self.flags >> 1 & 3

    @property
    def retain(self) -> bool:
        """Of a PUBLISH."""
        return bool(self.flags & 1)


class Line:
    """One connection of the client, as the script sees it."""

    def __init__(self, line: socket.socket, packets: list[Packet]) -> None:
        self.socket = line
        self._packets = packets
        self.connect = self.read()
        self.mqtt5 = self.connect.body[6] == 5

    def read(self) -> Packet:
        """Read the client's next packet; EOFError if it has gone."""
        first = self._exactly(1)[0]
        length, shift = 0, 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        packet = Packet(first >> 4, first & 15, self._exactly(length))
        self._packets.append(packet)
        return packet

    def connack(self, properties: bytes = b"", code: int = 0) -> None:
        """Accept the client; `properties` of MQTT 5 as bytes, see `announce`."""
        self.socket.sendall(packet(CONNACK, bytes([0, code]) + self._properties(properties)))

    def suback(self, number: int, count: int, code: int = 1) -> None:
        """Acknowledge a subscription to `count` topics, or refuse it with a code from 0x80."""
        self.socket.sendall(packet(SUBACK, struct.pack(">H", number) + self._properties() + bytes([code]) * count))

    def puback(self, number: int) -> None:
        """Acknowledge a message."""
        self.socket.sendall(puback(number))

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Send a message of QoS 0."""
        self.socket.sendall(packet(PUBLISH, text(topic) + self._properties() + payload, int(retain)))

    def serve(self, until: Callable[[Packet], bool] = lambda _: False) -> Packet:
        """Behave well until a packet comes for which this holds; that one is not answered."""
        while True:
            item = self.read()
            if until(item):
                return item
            if item.kind == PUBLISH and item.qos:
                self.puback(item.number)
            elif item.kind == SUBSCRIBE:
                self.suback(item.number, item.body.count(b"emotion/") + item.body.count(b"homeassistant/"))
            elif item.kind == PINGREQ:
                self.socket.sendall(packet(PINGRESP))

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            if not (more := self.socket.recv(count - len(found))):
                raise EOFError
            found += more
        return found

    def _properties(self, properties: bytes = b"") -> bytes:
        return bytes([len(properties)]) + properties if self.mqtt5 else b""


Script = Callable[[Line, int], None]


class FakeBroker:
    """Runs the script for each connection, on a thread of its own. A context manager.

    Args:
        script: gets the connection, after its CONNECT was read, and its number from 0. When it
            returns, or the client goes, the connection is closed.
        tls: the certificate for each connection; None for none.
    """

    def __init__(self, script: Script, tls: Callable[[int], ssl.SSLContext] | None = None) -> None:
        self.connections: list[list[Packet]] = []  # of each connection, the packets read so far
        self.errors: list[BaseException] = []  # of scripts
        self._script = script
        self._tls = tls
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._lines: list[socket.socket] = []

    def __enter__(self) -> FakeBroker:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        for line in self._lines:
            line.close()
        assert not self.errors, self.errors

    def packets(self, kind: int) -> list[Packet]:
        """All packets of a type, over all connections."""
        return [item for packets in list(self.connections) for item in list(packets) if item.kind == kind]

    def _accept(self) -> None:
        number = 0
        with suppress(OSError):
            while True:
                line, _ = self._door.accept()
                threading.Thread(target=self._run, args=(line, number), daemon=True).start()
                number += 1

    def _run(self, line: socket.socket, number: int) -> None:
        line.settimeout(PATIENCE_S)
        self._lines.append(line)
        packets: list[Packet] = []
        try:
            if self._tls is not None:
                line = self._tls(number).wrap_socket(line, server_side=True)
                self._lines.append(line)
            self.connections.append(packets)
            self._script(Line(line, packets), number)
        except (EOFError, OSError):  # the client has gone, or does not trust us
            pass
        except BaseException as error:
            self.errors.append(error)
        finally:
            line.close()


def packet(kind: int, body: bytes = b"", flags: int = 0) -> bytes:
    """The bytes of a packet."""
    length, digits = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        digits += bytes([digit | (128 if length else 0)])
        if not length:
            return bytes([kind << 4 | flags]) + digits + body


def puback(number: int) -> bytes:
    """The bytes of a PUBACK."""
    return packet(PUBACK, struct.pack(">H", number))


def text(value: str) -> bytes:
    """A string with its length, as MQTT writes it."""
    return struct.pack(">H", len(value.encode())) + value.encode()


def announce(
    *, packet_bytes: int | None = None, retain: bool = True, keepalive_s: int | None = None, qos: int = 2
) -> bytes:
    """Properties of a CONNACK."""
    properties = b"" if qos == 2 else bytes([MAXIMUM_QOS, qos])
    properties += b"" if packet_bytes is None else bytes([MAXIMUM_PACKET_SIZE]) + struct.pack(">I", packet_bytes)
    if keepalive_s is not None:
        properties += bytes([SERVER_KEEP_ALIVE]) + struct.pack(">H", keepalive_s)
    return properties if retain else properties + bytes([RETAIN_AVAILABLE, 0])
