"""Where the device keeps its state on disk."""

from __future__ import annotations

import os
from pathlib import Path

from device.config.schema import DeviceConfig
from device.errors import NoHomeError


def state_dir(config: DeviceConfig) -> Path:
    """The state folder: device.state_dir, else systemd's, else one in the home directory.

    Raises:
        NoHomeError: it would be in the home directory, and there is none.
    """
    if config.state_dir is not None:
        return _expanded(config.state_dir)
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given) if given else _expanded("~/.local/state/emotion-edge")


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # neither HOME nor an entry of this user in /etc/passwd
        raise NoHomeError(
            f"the state folder {text} is in a home folder that does not exist; set device.state_dir to another one."
        ) from error
