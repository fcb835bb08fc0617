"""The real `device dashboard` and `device run`, as processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device.demo.clip import FPS, write_clip
from tests.support.broker import wait_for
from tests.support.command import DECLARED, DEVICE

STOP_S = 30.0


def to_broker(port: int) -> list[str]:
    """Arguments that name a broker of this machine."""
    return ["--set", "device.mqtt.host=127.0.0.1", "--set", f"device.mqtt.port={port}"]


@contextmanager
def running(folder: Path, *arguments: object) -> Iterator[Path]:
    """Run `device ...` inside the `with`; yields the file with its standard output."""
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "output"
    around = os.environ | {"STATE_DIRECTORY": str(folder / "state")}
    with output.open("wb") as stdout, (folder / "errors").open("wb") as stderr:
        process = subprocess.Popen(
            [DEVICE, *map(str, arguments)], cwd=folder, env=around, stdout=stdout, stderr=stderr
        )  # fmt: skip
        try:
            yield output
        finally:
            process.terminate()
            process.wait(STOP_S)


@contextmanager
def dashboard(folder: Path, port: int, *arguments: object, command: str = "dashboard") -> Iterator[str]:
    """A dashboard on a free port; yields its address, such as `http://127.0.0.1:34567`.

    Args:
        folder: for its state.
        port: of the broker.
        arguments: more of them.
        command: `dashboard`, or `fleet`.
    """
    listen = ("--listen", "127.0.0.1:0")
    with running(folder, command, *to_broker(port), *listen, *arguments) as output:
        yield wait_for(lambda: _address(output), f"the address of the dashboard ({folder / 'errors'})")


def _address(output: Path) -> str | None:
    found = re.search(r"http://[\d.]+:\d+", output.read_text())
    return found[0] if found else None


@contextmanager
def film(folder: Path, port: int, device: str, *arguments: object) -> Iterator[None]:
    """The real agent plays the demo's clip again and again, until the end of the `with`.

    Args:
        folder: for its state; the pictures in its folder `clip`, if it exists, are played instead.
        port: of the broker.
        device: the id of the board.
        arguments: more of them.
    """
    clip = folder / "clip"
    if not clip.exists():
        clip.mkdir(parents=True)
        write_clip(clip)
    settings = [f"device.id={device}", f"device.camera.fps={FPS:g}", "device.report.health_s=2"]
    options = [option for setting in settings for option in ("--set", setting)]
    source = ("--source", clip, "--loop")
    with running(folder / "agent", "run", *DECLARED, *source, *to_broker(port), *options, *arguments):
        yield
