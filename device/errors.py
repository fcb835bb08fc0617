"""Errors that a user can cause or see; each prints as one sentence: what, where, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

ADDRESS = re.compile(
    r"((?:rtsps?|https?)://)(?:\S*@)?([^\s?]*)(?:\?\S*?(?=[.:;,]?(?:\s|$)))?", re.IGNORECASE
)  # scheme, user and password, host and path, query


def without_secrets(text: str) -> str:
    """The text with addresses that show neither a user, a password nor a query."""
    return ADDRESS.sub(r"\1\2", text)


class EmotionEdgeError(Exception):
    """Base of every error that is shown to the user without a traceback."""

    exit_code = 1

    def __str__(self) -> str:
        """The sentence, without the secrets that an address may hold."""
        return without_secrets(super().__str__())


@contextmanager
def unreadable_as(kind: type[EmotionEdgeError], path: object, what: str = "it") -> Iterator[None]:
    """Raise an error of this kind for any OSError inside, also one of a mere look at the path.

    `Path.exists` and `is_file` raise where a folder may not be entered or a name is too long.

    Args:
        kind: the error to raise.
        path: the file or folder, for the sentence.
        what: the same in words.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{path}: {what} cannot be read: {error.strerror or error}.") from error


def os_error_sentence(error: OSError) -> str:
    """What a command says of an OSError that nothing in it expected: the path and the reason."""
    reason = error.strerror or str(error)
    return f"{reason}." if error.filename is None else f"{error.filename}: {reason}."


class UsageError(EmotionEdgeError):
    """The command line is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown, of the wrong type, or out of its bounds."""


class ModelError(EmotionEdgeError):
    """A model file, or the card inside it, is invalid or not supported."""


class SignatureError(ModelError):
    """The signature of a model file is missing or invalid."""


class SourceError(EmotionEdgeError):
    """A camera, video, image or folder delivers no frames."""


class StalledError(SourceError):
    """A camera delivered no frame for too long."""


class FrozenError(SourceError):
    """A camera delivers the same frame again and again."""


class StuckError(SourceError):
    """A camera hangs and its process cannot be killed."""


class BrokerError(EmotionEdgeError):
    """The MQTT broker cannot be reached, or refuses the client."""


class ListenError(EmotionEdgeError):
    """A port of this machine cannot be opened."""


class StateError(EmotionEdgeError):
    """The state folder cannot be read or written."""


class NoHomeError(StateError):
    """There is no home folder, and no setting names another one."""
