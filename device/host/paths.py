"""Where the device keeps its state on disk."""

from __future__ import annotations

import os
from pathlib import Path

from device.config.schema import DeviceConfig
from device.errors import StateError


def state_dir(config: DeviceConfig) -> Path:
    """The state folder: device.state_dir, else systemd's, else one in the home directory.

    Raises:
        StateError: none of them is there, as for a user without a home directory.
    """
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    path = Path(config.state_dir or given or "~/.local/state/emotion-edge")
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise StateError(f"{path}: this user has no home directory; set device.state_dir.") from error
