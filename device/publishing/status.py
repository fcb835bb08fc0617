"""How the device is, put together: what the chain, the outbox, the session and the board each know."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from importlib.metadata import version

from device.config import usage_policy
from device.config.schema import DeviceConfig, config_digest
from device.host import board
from device.messages import CameraState, FaceReads, Health, ModelInfo, ModelUpdate, OutboxFigures, Stage, Status
from device.mqtt.topics import device_id
from device.outbox.outbox import Outbox

STARTED_S = time.monotonic()  # this module is loaded when the process begins


@dataclass(frozen=True)
class Progress:
    """How the chain is doing: frames a second lately, frames and skipped frames in all, timings, readings of a face.

    Also when a frame was finished last (monotonic seconds), and how often the camera was opened after the first time.
    """

    fps: float | None = None
    frames: int = 0
    skipped: int = 0
    stages: dict[str, Stage] | None = None
    face_reads: FaceReads | None = None
    last_frame_s: float | None = None
    reopenings: int = 0


def status(
    config: DeviceConfig,
    model: ModelInfo,
    camera: CameraState,
    camera_error: str | None = None,
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
        camera=camera,
        camera_error=camera_error,
        purpose=config.purpose,
        purpose_note=config.purpose_note,
        jurisdiction=config.jurisdiction,
        aggregate=usage_policy.aggregate(config),
        config_error=config_error,
        model_update=model_update,
    )


def health(progress: Progress, outbox: Outbox, reconnects: int) -> Health:
    """How the device is doing.

    Args:
        progress: what the chain told last.
        outbox: counted as it is now.
        reconnects: connections to the broker after the first.
    """
    now_s = time.monotonic()
    return Health(
        ts=time.time(),
        uptime_s=now_s - STARTED_S,
        fps=progress.fps,
        frames=progress.frames,
        skipped=progress.skipped,
        last_frame_age_s=None if progress.last_frame_s is None else max(0.0, now_s - progress.last_frame_s),
        camera_reopenings=progress.reopenings,
        stages=progress.stages or {},
        face_reads=progress.face_reads,
        temperature_c=board.temperature_c(),
        throttling=board.throttling(),
        memory_mb=board.memory_mb(),
        outbox=figures(outbox),
        reconnects=reconnects,
    )


def figures(outbox: Outbox) -> OutboxFigures:
    """What waits, and how the disk bears it."""
    return OutboxFigures(
        oldest_age_s=outbox.oldest_age_s,  # first: it looks at the disk, and the rest says what came of that
        depth=outbox.depth,
        bytes=outbox.size,
        dropped=outbox.dropped,
        held=outbox.held,
        trouble=outbox.trouble,
        damaged=outbox.damaged,
    )
