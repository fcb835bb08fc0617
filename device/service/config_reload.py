"""The config in force, and its reload: the old one comes back if the new one fails."""

from __future__ import annotations

import logging
from collections.abc import Callable

from device.config.schema import DeviceConfig
from device.errors import EmotionEdgeError
from device.plain_text import shown

MAX_SENTENCE = 1000  # characters; `status` repeats it

log = logging.getLogger(__name__)


class ConfigReloader:
    """Holds the config in force.

    Args:
        config: the first one.
        read: loads it again; None: it cannot be loaded again.
        check: raises EmotionEdgeError if the device could not run with a config.
    """

    def __init__(
        self, config: DeviceConfig, read: Callable[[], DeviceConfig] | None, check: Callable[[DeviceConfig], object]
    ) -> None:
        self.config = config
        self.error: str | None = None  # why the config loaded last is not in force
        self._read = read
        self._check = check
        self._before: DeviceConfig | None = None  # kept until the new one is confirmed

    def reload(self) -> bool:
        """Load the config again; returns whether a different one is in force now."""
        if self._read is None:
            return False
        try:
            config = self._read()
            self._check(config)
        except Exception as error:  # whatever is wrong with them, the old ones stay
            self._refuse(error)
            return False
        self.error = None
        if config == self.config:
            log.info("the config was reloaded and is unchanged")
            return False
        log.info("the config was reloaded and has changed")
        self._before, self.config = self.config, config
        return True

    def confirm(self) -> None:
        """The config in force works: forget the one before."""
        self._before = None

    def may_continue(self, config: DeviceConfig) -> bool:
        """Whether another session can follow the one with this config."""
        return self._before is not None or self.config is not config

    def fall_back(self, error: Exception) -> bool:
        """The device fails with a changed config; returns whether the old one is in force again."""
        if self._before is None:
            return False
        self.config, self._before = self._before, None
        self._refuse(error)
        return True

    def _refuse(self, error: Exception) -> None:
        known = isinstance(error, EmotionEdgeError)
        sentence = str(error) if known else f"the settings cannot be used ({type(error).__name__}: {error})."
        self.error = shown(sentence, MAX_SENTENCE)
        log.warning("the reloaded config is not used, the old one stays in force: %s", self.error)
