"""Where the device keeps its state on disk."""

from __future__ import annotations

import os
from pathlib import Path

from device.config.schema import DeviceConfig


def state_dir(config: DeviceConfig) -> Path:
    """The state folder: device.state_dir, else systemd's, else one in the home directory."""
    if config.state_dir is not None:
        return Path(config.state_dir).expanduser()
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given) if given else Path("~/.local/state/emotion-edge").expanduser()
