"""A real MQTT broker on a free loopback port, for as long as the demo lasts."""

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

PATHS = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"  # Debian keeps Mosquitto out of a user's PATH
START_S = 10.0  # a broker that does not answer by then has failed


class Broker(NamedTuple):
    """Where it listens, and what it is."""

    host: str
    port: int
    name: str
    protocol: str  # as device.mqtt.protocol names it


@contextmanager
def open_broker(folder: Path, kind: str = "auto") -> Iterator[Broker]:
    """Run a broker that takes anonymous clients from this machine only.

    Args:
        folder: an empty folder for its config.
        kind: "mosquitto", "amqtt", or "auto": Mosquitto where it is installed, else amqtt.

    Raises:
        BrokerError: neither is installed, or it does not start.
    """
    path = shutil.which("mosquitto", path=PATHS)
    if kind == "mosquitto" and path is None:
        raise BrokerError("Mosquitto is not installed: run `sudo apt install mosquitto`, or take the embedded broker.")
    use = _mosquitto(path, folder) if path and kind != "amqtt" else _amqtt()
    with use as broker:
        yield broker


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _mosquitto(path: str, folder: Path) -> Iterator[Broker]:
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\n")
    process = subprocess.Popen([path, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield Broker("127.0.0.1", port, "Mosquitto", "v5")
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _amqtt() -> Iterator[Broker]:
    """amqtt in a thread with an event loop of its own. It misreads the will of MQTT 5 and then never answers."""
    broker_class = _amqtt_class()
    port = free_port()
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    config = {"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}, "plugins": plugins}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="amqtt", daemon=True)
    thread.start()
    broker = _on(loop, _made(broker_class, config))
    try:
        _on(loop, broker.start())
        yield Broker("127.0.0.1", port, "amqtt (embedded)", "v3.1.1")
    finally:
        with suppress(Exception):  # it may never have started
            _on(loop, broker.shutdown())
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


async def _made(broker_class: Any, config: dict[str, Any]) -> Any:
    """Construct it inside the loop, where it looks for one."""
    return broker_class(config)


def _on(loop: asyncio.AbstractEventLoop, work: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(work, loop).result(timeout=START_S)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the port answers."""
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BrokerError(f"Mosquitto does not start on 127.0.0.1:{port}; try `device demo --broker amqtt`.")
