"""The messages that the device publishes and receives: one dataclass for each kind, and its JSON.

scripts/docs/schemas.py generates docs/events.schema.json, docs/asyncapi.yaml and the tables of
docs/events.md from it. The class names are keys of the schema.
"""

from device.message_json import JsonMessage, documented, to_json
from device.messages.attention import AlertKind, AlertPhase, AttentionAlert, AttentionState, GroupAttention
from device.messages.commands import Answer, Request
from device.messages.faces import UNKNOWN, VALENCE, EmotionEvent, EventType, Summary, TrackState
from device.messages.health import FaceReads, Health, OutboxFigures, Stage, Throttling
from device.messages.status import CameraMode, CameraState, ModelInfo, ModelName, ModelUpdate, Status, UpdateState

__all__ = [
    "UNKNOWN",
    "VALENCE",
    "AlertKind",
    "AlertPhase",
    "Answer",
    "AttentionAlert",
    "AttentionState",
    "CameraMode",
    "CameraState",
    "EmotionEvent",
    "EventType",
    "FaceReads",
    "GroupAttention",
    "Health",
    "JsonMessage",
    "ModelInfo",
    "ModelName",
    "ModelUpdate",
    "OutboxFigures",
    "Request",
    "Stage",
    "Status",
    "Summary",
    "Throttling",
    "TrackState",
    "UpdateState",
    "documented",
    "to_json",
]
