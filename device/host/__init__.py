"""The machine: the board's sensors, the state folder, atomic writes, terminal colours."""

from device.host.atomic_file import remove_file, write_file
from device.host.paths import state_dir
from device.host.terminal import paint

__all__ = [
    "paint",
    "remove_file",
    "state_dir",
    "write_file",
]
