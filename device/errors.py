"""The errors a user can cause or meet. Each prints as one sentence: what, where, what to do."""

from __future__ import annotations


class EmotionEdgeError(Exception):
    """Base of every error shown to a user without a traceback."""

    exit_code = 1


class UsageError(EmotionEdgeError):
    """The command was called wrongly."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown, of the wrong type, or out of its bounds."""


class ModelError(EmotionEdgeError):
    """A model file, or the card inside it, cannot be honoured."""


class SignatureError(ModelError):
    """A model file is not signed as it should be."""


class SourceError(EmotionEdgeError):
    """A camera, video, picture or folder gives no frames."""


class StalledError(SourceError):
    """A camera gave nothing for too long."""


class FrozenError(SourceError):
    """A camera gives the same frame over and over."""


class StuckError(SourceError):
    """A camera hangs so that its process cannot be killed."""


class BrokerError(EmotionEdgeError):
    """The MQTT broker is not there, or refuses us."""


class ListenError(EmotionEdgeError):
    """A port of this machine cannot be had."""


class StateError(EmotionEdgeError):
    """The state folder cannot be read or written."""
