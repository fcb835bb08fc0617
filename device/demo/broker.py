"""Runs a real MQTT broker on a free loopback port while the demo runs."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from device.errors import BrokerError

# Debian installs Mosquitto in /usr/sbin, which is not on a user's PATH.
PATHS = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
START_S = 10.0  # timeout for the broker to accept connections


class Broker(NamedTuple):
    """Address, name and protocol of a running broker."""

    host: str
    port: int
    name: str  # shown to the user
    protocol: str  # a value of device.mqtt.protocol


@contextmanager
def open_broker(folder: Path, kind: str = "auto") -> Iterator[Broker]:
    """Run a broker that accepts anonymous clients, from this machine only.

    Args:
        folder: an empty folder for its config.
        kind: "mosquitto", "amqtt", or "auto": Mosquitto if it is installed, else amqtt.

    Raises:
        BrokerError: neither is installed, or the broker does not start.
    """
    path = shutil.which("mosquitto", path=PATHS)
    if kind == "mosquitto" and path is None:
        raise BrokerError(
            "Mosquitto is not installed: run `sudo apt install mosquitto`, or use `device demo --broker amqtt`."
        )
    running = _mosquitto(path, folder) if path and kind != "amqtt" else _amqtt()
    with running as broker:
        yield broker


def free_port() -> int:
    """Return a TCP port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _mosquitto(path: str, folder: Path) -> Iterator[Broker]:
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\n")
    process = subprocess.Popen(
        [path, "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C is for us: the broker must outlive the last message
    )
    try:
        _wait_for_port(port, process)
        yield Broker("127.0.0.1", port, "Mosquitto", "v5")
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _amqtt() -> Iterator[Broker]:
    """Run amqtt in a thread with its own event loop.

    With MQTT 3.1.1: amqtt cannot parse the last will of MQTT 5, and then stops answering.
    """
    broker_class = _amqtt_class()
    port = free_port()
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    config = {"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}, "plugins": plugins}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="amqtt", daemon=True)
    thread.start()
    broker = _run_in(loop, _create(broker_class, config))
    try:
        _run_in(loop, broker.start())
        yield Broker("127.0.0.1", port, "amqtt (embedded)", "v3.1.1")
    finally:
        with suppress(Exception):  # the broker may not have started
            _run_in(loop, broker.shutdown())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _amqtt_class() -> Any:
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    try:
        from amqtt.broker import Broker as Amqtt
    except ImportError as error:
        raise BrokerError(
            "The demo needs a broker: run `sudo apt install mosquitto` or `pip install 'emotion-edge[demo]'`."
        ) from error
    return Amqtt


async def _create(broker_class: Any, config: dict[str, Any]) -> Any:
    """Create the broker inside the event loop, which its constructor looks for."""
    return broker_class(config)


def _run_in(loop: asyncio.AbstractEventLoop, work: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(work, loop).result(timeout=START_S)


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the port accepts connections."""
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BrokerError(f"Mosquitto did not start on 127.0.0.1:{port}; try `device demo --broker amqtt`.")
