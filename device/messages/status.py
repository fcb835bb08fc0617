"""The device, its model and its camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from device.message_json import JsonMessage, documented

UpdateState = Literal["trial", "accepted", "rolled_back", "refused"]
CameraState = Literal["starting", "running", "stalled", "frozen", "failed", "paused", "ended", "stopped"]


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """The model that classifies the faces."""

    name: str = documented("from the model card")
    version: str = documented("from the model card")
    digest: str = documented("sha256 of the .tflite, card included")
    labels: tuple[str, ...] = documented("labels in the order of the model's outputs")


@dataclass(frozen=True, kw_only=True)
class ModelName:
    """The identity of a model."""

    name: str | None = documented("from the model card; null if there is no readable card")
    version: str | None = documented("from the model card; null if there is no readable card")
    digest: str = documented("sha256 of the .tflite, card included")


@dataclass(frozen=True, kw_only=True)
class ModelUpdate:
    """The result of the last model update."""

    state: UpdateState = documented(
        "trial: the new model runs and is monitored; accepted: it stays; rolled_back: the old one runs again; "
        "refused: it never ran"
    )
    new: ModelName = documented("the model to install")
    old: ModelName = documented("the model that was active before")
    reason: str | None = documented("why it was refused or rolled back, one sentence; otherwise null")
    since: float = documented("time of the last change of `state`, UNIX seconds", digits=3, ge=0)


@dataclass(frozen=True, kw_only=True)
class CameraMode:
    """What a live camera delivers."""

    source: str = documented("its address, without user, password and query")
    width: int = documented("width of the frames in pixels, after `camera.rotate`", ge=1)
    height: int = documented("height of the frames in pixels, after `camera.rotate`", ge=1)
    pixel_format: str | None = documented("FourCC such as MJPG or YUYV; null if unknown")
    fps: float | None = documented(
        "frames per second, measured once after the opening; null until then", digits=2, ge=0
    )


@dataclass(frozen=True, kw_only=True)
class Status(JsonMessage):
    """The device, its software, its model and its camera."""

    ts: float = documented("time of the message, UNIX seconds", digits=3, ge=0)
    device: str = documented("the device's id, as in the topics")
    version: str = documented("version of emotion-edge")
    python: str = documented("version of Python")
    platform: str = documented("kernel and machine")
    board: str | None = documented("name of the board; null if it does not report one")
    model: ModelInfo = documented("the active model")
    config_digest: str = documented("sha256 of the active settings; equal settings have equal digests")
    camera: CameraState = documented("state of the camera; docs/events.md explains each value")
    camera_error: str | None = documented("what is wrong with the camera, one sentence; null if nothing is")
    camera_mode: CameraMode | None = documented(
        "what a live camera delivers; null before its first frame, and for a file", default=None
    )
    camera_warning: str | None = documented(
        "what it delivers differently from what the settings ask for; null if nothing", default=None
    )
    purpose: str | None = documented("purpose of the classification: one of the words of docs/privacy.md")
    purpose_note: str | None = documented(
        "description of the purpose in the operator's own words; null if there is none"
    )
    jurisdiction: str | None = documented("applicable law: eu or elsewhere")
    aggregate: bool = documented("true if the device publishes only summaries of groups")
    below_min_group: bool | None = documented(
        "true while too few faces for a summary are in view, or none; null if `aggregate` is false", default=None
    )
    config_error: str | None = documented("why reloaded settings are not active; null if they are")
    model_update: ModelUpdate | None = documented(
        "result of the last model update; null if there was none", default=None
    )
