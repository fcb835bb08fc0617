"""The machine it runs on: the board's sensors, folders for state, files written whole, terminals."""

from device.host.paths import state_dir
from device.host.terminal import paint

__all__ = [
    "paint",
    "state_dir",
]
