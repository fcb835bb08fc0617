"""Errors of the workstation side; printed as one sentence, like the device's."""

from __future__ import annotations

from device.errors import EmotionEdgeError


class DataError(EmotionEdgeError):
    """A dataset is missing, cut short, or not what it says it is."""


class CheckpointError(EmotionEdgeError):
    """A checkpoint or run folder cannot be read, or belongs to something else."""


class GateError(EmotionEdgeError):
    """A converted model failed a gate, so no file was written."""


class RunError(EmotionEdgeError):
    """Training cannot go on (the disk is full, say); what was saved stays."""
