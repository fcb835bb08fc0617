"""The settings in force, read again when asked; the ones before come back if the new ones turn out bad."""

from __future__ import annotations

import logging
from collections.abc import Callable

from device.config.schema import DeviceConfig
from device.errors import EmotionEdgeError

log = logging.getLogger(__name__)


class ConfigReloader:
    """Which settings hold.

    Args:
        config: those to begin with.
        read: reads them again; None: they cannot be read again.
        check: raises EmotionEdgeError where the device could not run with them.
    """

    def __init__(
        self, config: DeviceConfig, read: Callable[[], DeviceConfig] | None, check: Callable[[DeviceConfig], object]
    ) -> None:
        self.config = config
        self.error: str | None = None  # why those read last are not in force
        self._read = read
        self._check = check
        self._before: DeviceConfig | None = None  # held until the new ones have proved good

    def reread(self) -> bool:
        """Read the settings again; returns whether other ones are in force now."""
        if self._read is None:
            return False
        try:
            config = self._read()
            self._check(config)
        except EmotionEdgeError as error:
            self._refuse(error)
            return False
        self.error = None
        if config == self.config:
            log.info("the settings were read again and are the same")
            return False
        log.info("the settings were read again and have changed")
        self._before, self.config = self.config, config
        return True

    def proved(self) -> None:
        """They work: there is no way back."""
        self._before = None

    def may_go_on(self, config: DeviceConfig) -> bool:
        """Whether the end of a life under these settings need not be the end of the process."""
        return self._before is not None or self.config is not config

    def fall_back(self, error: EmotionEdgeError) -> bool:
        """The device fails under new settings; returns whether the old ones are in force again."""
        if self._before is None:
            return False
        self.config, self._before = self._before, None
        self._refuse(error)
        return True

    def _refuse(self, error: EmotionEdgeError) -> None:
        self.error = str(error)
        log.warning("the settings that were read again are not taken, the old ones stay: %s", error)
