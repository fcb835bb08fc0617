"""What classroom.py and driver.py share: options, connection, alarms, a webhook."""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import sys
import urllib.request
from collections.abc import Iterator

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

LOST, END = "lost", "end"  # in place of a channel: the connection is gone; Ctrl-C


class Alarm:
    """On when the reason lasted `on_s` seconds, off when it was gone for `off_s`: no flicker."""

    def __init__(self, on_s: float, off_s: float) -> None:
        self.on, self._on_s, self._off_s = False, on_s, off_s
        self._since_s: float | None = None  # when the reason came, or went

    def changed(self, reason: bool | None, now_s: float) -> bool:
        """Take in whether there is a reason, None if nobody knows; True: it went on or off."""
        if reason is None or reason == self.on:
            self._since_s = None
            return False
        self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - self._since_s < (self._off_s if self.on else self._on_s):
            return False
        self.on, self._since_s = reason, None
        return True


def options(description: str, topic: str) -> argparse.ArgumentParser:
    """The options that both have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--broker", type=address, default="localhost", metavar="HOST[:PORT]", help="port 8883 means TLS (%(default)s)"
    )
    parser.add_argument("--topic", type=device, default=topic, help="<base topic>/<device> (%(default)s)")
    parser.add_argument("--webhook", metavar="URL", help="gets each alert as JSON, by POST")
    return parser


def address(text: str) -> tuple[str, int]:
    """Host and port of a broker."""
    host, _, port = text.partition(":")
    if not host.encode("idna") or not 0 < int(port or 1883) < 65536:  # of a name that is none, it raises a ValueError
        raise ValueError
    return host, int(port or 1883)


def device(topic: str) -> str:
    """The topic of one device."""
    if "+" in topic or "#" in topic:
        raise argparse.ArgumentTypeError("it must name one device, without + and #")
    return topic


def listen(broker: tuple[str, int], topic: str, channels: list[str], tick_s: float) -> Iterator[tuple[str, bytes]]:
    """Channel and payload of each message, until Ctrl-C, which is the last.

    The channel is "" if no message came for `tick_s`, LOST when the connection is lost, and END.
    """
    inbox: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    where = f"{broker[0]}:{broker[1]}"
    filters = [(f"{topic}/{channel}", 1) for channel in channels]
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(os.environ.get("MQTT_USER"), os.environ.get("MQTT_PASSWORD"))
    if broker[1] == 8883:
        client.tls_set()  # SSL_CERT_FILE names the certificate of a broker's own authority

    @client.connect_callback()
    def connected(client: Client, _data: object, _flags: object, reason: ReasonCode, _properties: object) -> None:
        if reason.is_failure:
            say(f"broker: {where} refuses the connection: {reason}; trying again")
            return
        say(f"connected to {where}")
        client.subscribe(filters)  # again on each connection

    client.on_subscribe = lambda *_: say(f"listening to {topic}")
    client.on_connect_fail = lambda *_: say(f"broker: {where} cannot be reached; trying again")
    client.on_disconnect = lambda *_: inbox.put((LOST, b""))
    client.on_message = lambda _, _data, message: inbox.put((message.topic[len(topic) + 1 :], bytes(message.payload)))
    client.connect_async(*broker)
    client.loop_start()  # a thread, which also connects again
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: inbox.put((END, b"")))
    channel = ""
    while channel != END:
        try:
            channel, payload = inbox.get(timeout=tick_s)
        except queue.Empty:
            channel, payload = "", b""
        yield channel, payload


def post(webhook: str | None, **alert: object) -> None:
    """Print an alert, and send it; a webhook that fails ends nothing."""
    say(json.dumps(alert))
    if webhook is None:
        return
    try:
        request = urllib.request.Request(webhook, json.dumps(alert).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=5).close()
    except Exception as error:
        say(f"webhook: {error}")


def say(text: str) -> None:
    """Print to standard error; standard output is for data."""
    print(text, file=sys.stderr, flush=True)
