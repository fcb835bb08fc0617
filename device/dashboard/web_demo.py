"""`device demo --web`: the demo's clip again and again, with its page, until Ctrl-C."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from contextlib import ExitStack
from pathlib import Path

from device.config.schema import DeviceConfig
from device.dashboard.command import open_dashboard
from device.dashboard.http_server import DashboardServer
from device.demo import demo_config
from device.demo.broker import open_broker
from device.errors import ListenError
from device.service.run import run
from device.standard_streams import log_to_stderr


def web_demo(model: Path | None = None, broker_kind: str = "auto") -> int:
    """Run the service on the demo's clip, and serve its page on this machine.

    Args:
        model: a .tflite; None uses the bundled one.
        broker_kind: "auto", "mosquitto" or "amqtt"; see `open_broker`.

    Returns:
        0, the exit code.

    Raises:
        EmotionEdgeError: the pipeline or the broker fails.
    """
    log_to_stderr(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="emotion-edge-") as name, ExitStack() as stack:
        folder = Path(name)
        broker = stack.enter_context(open_broker(folder, broker_kind))
        config = demo_config(folder, model, broker)
        config = dataclasses.replace(
            config,
            camera=dataclasses.replace(config.camera, loop=True),
            face_check=dataclasses.replace(config.face_check, enabled=True),
            attention=dataclasses.replace(config.attention, enabled=True),
        )
        server = _serve(config, stack)
        print(f"A clip plays again and again; its page is {server.url} (Ctrl-C ends it)", flush=True)
        return run(config)


def _serve(config: DeviceConfig, stack: ExitStack) -> DashboardServer:
    """Serve on the usual port, or on a free one if that is in use."""
    try:
        return stack.enter_context(open_dashboard(config))
    except ListenError:
        any_port = dataclasses.replace(config.dashboard, port=0)
        return stack.enter_context(open_dashboard(dataclasses.replace(config, dashboard=any_port)))
