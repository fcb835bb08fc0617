"""Errors of the trainer; printed as one sentence, like the device's."""

from __future__ import annotations

from device.errors import EmotionEdgeError


class DataError(EmotionEdgeError):
    """A dataset is missing, cut short, or not in a known form."""


class CheckpointError(EmotionEdgeError):
    """A checkpoint or run folder cannot be read, or is of another network or data set."""


class GateError(EmotionEdgeError):
    """A converted model failed a gate, so no file was written."""


class RunError(EmotionEdgeError):
    """Training cannot continue (a full disk, for example); what was saved stays."""
