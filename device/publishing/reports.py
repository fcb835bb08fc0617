"""What the service reports about itself; the publisher decides what of it is sent, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from device.messages import CameraMode, CameraState, FaceReads, ModelUpdate, Stage


@dataclass(frozen=True)
class Progress:
    """Figures of the running service, about once a second.

    Attributes:
        fps: frames a second, over the last seconds; None before there is an interval.
        camera_fps: frames a second that the source delivers, processed or not.
        frames: frames processed since the session began.
        skipped: frames that the camera delivered and nobody processed.
        stages: timings by stage.
        face_reads: how often each face is classified.
        last_frame_s: monotonic seconds when the last frame was finished.
        reopenings: how often the camera was opened after the first time.
    """

    fps: float | None = None
    camera_fps: float | None = None
    frames: int = 0
    skipped: int = 0
    stages: dict[str, Stage] | None = None
    face_reads: FaceReads | None = None
    last_frame_s: float | None = None
    reopenings: int = 0


@dataclass(frozen=True)
class CameraReport:
    """The state of the camera from now on, what is wrong with it, and what it delivers."""

    state: CameraState
    error: str | None = None
    mode: CameraMode | None = None
    warning: str | None = None


@dataclass(frozen=True)
class ConfigReport:
    """Why a changed configuration is not in force; None if it is."""

    error: str | None


@dataclass(frozen=True)
class ModelReport:
    """Result of the last model installation; None if there was none."""

    update: ModelUpdate | None


Report: TypeAlias = Progress | CameraReport | ConfigReport | ModelReport
