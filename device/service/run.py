"""Runs the device: one session after another, until the source ends or a signal asks to stop.

A changed config, and a model that was installed or rolled back, start a new session in the same
process. If a session fails with a changed config, the next one uses the old config again.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from device.config import usage_policy
from device.config.schema import DeviceConfig
from device.host.core_dump import forbid_core_dumps
from device.inference.model_card import digest, read_card
from device.messages import ModelInfo
from device.model_registry.trial import Trial
from device.mqtt.topics import Topics
from device.publishing.publisher import open_publisher
from device.service.command_handler import COMMANDS
from device.service.config_reload import ConfigReloader
from device.service.session import Session, Watch
from device.service.signals import Signals, StoppedError
from device.service.systemd import Notifier
from device.standard_streams import log_to_stderr
from device.vision.pipeline import from_config

log = logging.getLogger(__name__)


class Counters(NamedTuple):
    """What goes on from one session to the next."""

    track_ids: Iterator[int]
    seq: Iterator[int]  # of events that are printed; over MQTT the outbox numbers them


def run(config: DeviceConfig, watch: Watch | None = None, reread: Callable[[], DeviceConfig] | None = None) -> int:
    """Run the device until its source ends or SIGTERM or SIGINT arrives.

    Args:
        config: the settings.
        watch: called with every observation after it was published.
        reread: loads the config again on SIGHUP; None: it cannot be loaded again.

    Returns:
        0, the exit code.

    Raises:
        ConfigError: purpose and jurisdiction are not set, or are prohibited together.
        EmotionEdgeError: the model, the camera, the broker or the state folder fails. Tracks have
            been ended and `offline` published, as far as possible.
    """
    usage_policy.check(config)
    forbid_core_dumps()
    log_to_stderr(logging.INFO)
    if (note := usage_policy.note(config)) is not None:
        log.info("%s.", note)
    notifier = Notifier.from_environment()
    reloader = ConfigReloader(config, reread, _check)
    counters = Counters(itertools.count(1), itertools.count(1))
    with Signals(can_reread=reread is not None) as signals:
        while True:
            try:
                if not _run_session(reloader, signals, notifier, counters, watch):
                    return 0
            except Exception as error:  # of any kind, if the settings have changed: the old ones did work
                if signals.stop or not reloader.fall_back(error):
                    raise


def _run_session(
    reloader: ConfigReloader, signals: Signals, notifier: Notifier, counters: Counters, watch: Watch | None
) -> bool:
    """Run one session; returns whether another one follows."""
    config = reloader.config
    with Trial(config) as trial:
        try:
            with signals.interruptible():
                pipeline = from_config(config, trial.path, track_ids=counters.track_ids)
                model = _model_info(trial.path)
                publisher = open_publisher(config, model, trial.update, tuple(COMMANDS), counters.seq)
        except StoppedError:
            return False
        session = Session(reloader, pipeline, publisher, trial, notifier, watch)
        session.run(signals)
        return session.replaced


def _check(config: DeviceConfig) -> None:
    """What can be checked before the camera and the broker are released."""
    usage_policy.check(config)
    Topics(config)
    from_config(config)


def _model_info(path: Path) -> ModelInfo:
    card = read_card(path)
    return ModelInfo(name=card.name, version=card.version, digest=digest(path), labels=card.labels)
