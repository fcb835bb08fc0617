"""Runs the device: one session after another, until the source ends or a signal asks to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from device.camera.supervisor import CameraSupervisor
from device.config import usage_policy
from device.config.schema import DeviceConfig
from device.errors import EmotionEdgeError, SourceError
from device.inference.model_card import digest, read_card
from device.messages import ModelInfo
from device.model_registry.trial import Trial
from device.mqtt.topics import Topics
from device.publishing.publisher import open_publisher
from device.service.config_reload import ConfigReloader
from device.service.loop import Service, Watch
from device.service.prometheus import serving
from device.service.signals import Signals, StoppedError
from device.service.systemd import Notifier
from device.vision.pipeline import from_config


def run(config: DeviceConfig, watch: Watch | None = None, reread: Callable[[], DeviceConfig] | None = None) -> int:
    """Run the device until its source ends or SIGTERM or SIGINT comes.

    Args:
        config: what to run.
        watch: see `Service`.
        reread: gives the settings anew when SIGHUP comes; None: they cannot be read again.

    Returns:
        0, the exit code.

    Raises:
        ConfigError: purpose and jurisdiction are not set, or prohibited together.
        EmotionEdgeError: the model, the camera, the broker or the state folder fails; tracks have been ended and
            `offline` been said as far as that was possible.
    """
    usage_policy.check(config)
    logging.basicConfig(level=logging.INFO, format="device: %(message)s")
    notifier = Notifier.from_environment()
    reloader = ConfigReloader(config, reread, _check)
    with Signals(can_reread=reread is not None) as signals:
        while True:
            try:
                if not _live(reloader, signals, notifier, watch):
                    return 0
            except EmotionEdgeError as error:
                if signals.stop or not reloader.fall_back(error):
                    raise


def _live(reloader: ConfigReloader, signals: Signals, notifier: Notifier, watch: Watch | None) -> bool:
    """One life under the settings in force; returns whether there is to be another, other in settings or model."""
    with Trial(reloader.config) as trial:
        return _live_with(trial, reloader, signals, notifier, watch)


def _live_with(
    trial: Trial, reloader: ConfigReloader, signals: Signals, notifier: Notifier, watch: Watch | None
) -> bool:
    config = reloader.config
    try:
        with signals.interruptible():
            pipeline = from_config(config, trial.path)
            publisher = open_publisher(config, _model_info(trial.path), trial.update)
    except StoppedError:
        return False
    if reloader.error is not None:
        publisher.trouble(reloader.error)
    service = Service(reloader, pipeline, publisher, trial, notifier, watch)
    try:
        with serving(config.metrics, publisher.health), closing(CameraSupervisor(config.camera)) as camera:
            state = service.work(camera, signals)
    except Exception as error:
        with suppress(EmotionEdgeError):  # the first error is the one to tell
            service.finish("failed" if isinstance(error, SourceError) else "stopped")
        raise
    service.finish(state)
    return reloader.config is not config or trial.over


def _check(config: DeviceConfig) -> None:
    """What can be known before the camera and the broker are let go."""
    usage_policy.check(config)
    Topics(config)
    from_config(config)


def _model_info(path: Path) -> ModelInfo:
    card = read_card(path)
    return ModelInfo(name=card.name, version=card.version, digest=digest(path), labels=card.labels)
