"""Status and health: collects the service's reports and builds the messages that are due."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from importlib.metadata import version
from typing import Any

from device.config import usage_policy
from device.config.schema import DeviceConfig, config_digest
from device.host import board
from device.messages import Health, ModelInfo, ModelUpdate, OutboxFigures, Status
from device.mqtt.topics import HEALTH, STATUS, Message, Topics, device_id
from device.outbox.outbox import Outbox
from device.publishing.reports import CameraReport, ConfigReport, ModelReport, Progress, Report

SNAPSHOT_S = 1.0  # as long, the response to `status` is the same
GROUP_S = 10.0  # between two messages that too few faces are in view, or enough again
STARTED_S = time.monotonic()  # this module is imported when the process starts


class StatusReporter:
    """Builds `status` and `health`; knows nothing of connections.

    Args:
        config: the settings in force.
        model: the network, as `status` describes it.
        outbox: its figures are part of `health`.
        update: result of the last model installation.
    """

    def __init__(
        self, config: DeviceConfig, model: ModelInfo, outbox: Outbox, update: ModelUpdate | None = None
    ) -> None:
        self._config = config
        self._model = model
        self._outbox = outbox
        self._topics = Topics(config)
        self._camera = CameraReport("starting")
        self._config_error: str | None = None
        self._update = update
        self._progress: Progress | None = None
        self._snapshot: tuple[float, dict[str, Any]] | None = None  # until when, monotonic seconds
        self._below_min_group = True if usage_policy.aggregate(config) else None
        self._group_due_s = 0.0  # monotonic seconds
        self.health_due_s = 0.0  # monotonic seconds

    def take(self, report: Report) -> Message | None:
        """Take in a report.

        Returns:
            the new status message; None for progress, which waits for the next health message.
        """
        match report:
            case Progress():
                if self._progress is None:
                    self.health_due_s = 0.0
                self._progress = report
                return None
            case CameraReport():
                self._camera = report
            case ConfigReport(error):
                self._config_error = error
            case ModelReport(update):
                self._update = update
        self._snapshot = None
        return self.status_message(self.status())

    def group(self, below_min_group: bool | None, now_s: float) -> Message | None:
        """Take in whether too few faces are in view.

        Returns:
            the new status message; None if nothing changed, or the last change was just now.
        """
        if below_min_group == self._below_min_group or now_s < self._group_due_s:
            return None
        self._below_min_group, self._group_due_s = below_min_group, now_s + GROUP_S
        return self.status_message(self.status())

    def status(self) -> Status:
        """The status of this moment."""
        found = build_status(self._config, self._model, self._camera, self._config_error, self._update)
        return dataclasses.replace(found, below_min_group=self._below_min_group)

    def health(self, reconnects: int) -> Health | None:
        """The health of this moment; None before the first progress. Thread-safe."""
        if self._progress is None:
            return None
        return dataclasses.replace(build_health(self._progress, self._outbox, reconnects), device=self._topics.device)

    def snapshot(self, reconnects: int) -> dict[str, Any]:
        """Status and health, as the response to the command `status`; at most a second old."""
        if self._snapshot is None or time.monotonic() >= self._snapshot[0]:
            health = self.health(reconnects)
            data = {
                "status": json.loads(self.status().to_json()),
                "health": None if health is None else json.loads(health.to_json()),
            }
            self._snapshot = time.monotonic() + SNAPSHOT_S, data
        return self._snapshot[1]

    def status_message(self, status: Status) -> Message:
        """The MQTT message of a status."""
        return self._topics.message(STATUS, status)

    def due_health(self, now_s: float, reconnects: int) -> Message | None:
        """The health message if it is due at a monotonic second, else None."""
        if now_s < self.health_due_s:
            return None
        self.health_due_s = now_s + self._config.report.health_s
        health = self.health(reconnects)
        return None if health is None else self._topics.message(HEALTH, health)


def build_status(
    config: DeviceConfig,
    model: ModelInfo,
    camera: CameraReport,
    config_error: str | None = None,
    model_update: ModelUpdate | None = None,
) -> Status:
    """What the device is and runs."""
    return Status(
        ts=time.time(),
        device=device_id(config),
        version=version("emotion-edge"),
        python=platform.python_version(),
        platform=platform.platform(),
        board=board.model(),
        model=model,
        config_digest=config_digest(config),
        camera=camera.state,
        camera_error=camera.error,
        camera_mode=camera.mode,
        camera_warning=camera.warning,
        purpose=config.purpose,
        purpose_note=config.purpose_note,
        jurisdiction=config.jurisdiction,
        aggregate=usage_policy.aggregate(config),
        config_error=config_error,
        model_update=model_update,
    )


def build_health(progress: Progress, outbox: Outbox, reconnects: int) -> Health:
    """How well the device works.

    Args:
        progress: the service's latest figures.
        outbox: counted at this moment.
        reconnects: connections to the broker after the first.
    """
    now_s = time.monotonic()
    return Health(
        ts=time.time(),
        uptime_s=now_s - STARTED_S,
        fps=progress.fps,
        camera_fps=progress.camera_fps,
        frames=progress.frames,
        skipped=progress.skipped,
        last_frame_age_s=None if progress.last_frame_s is None else max(0.0, now_s - progress.last_frame_s),
        camera_reopenings=progress.reopenings,
        stages=progress.stages or {},
        face_reads=progress.face_reads,
        temperature_c=board.temperature_c(),
        throttling=board.throttling(),
        memory_mb=board.memory_mb(),
        outbox=outbox_figures(outbox),
        reconnects=reconnects,
    )


def outbox_figures(outbox: Outbox) -> OutboxFigures:
    """Events that wait, and whether the disk can be written."""
    return OutboxFigures(
        oldest_age_s=outbox.oldest_age_s,  # first: it reads the disk, which updates the others
        depth=outbox.depth,
        bytes=outbox.size,
        dropped=outbox.dropped,
        held=outbox.held,
        trouble=outbox.trouble,
        damaged=outbox.damaged,
    )
