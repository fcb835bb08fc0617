"""A command and its response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from device.message_json import JsonMessage, documented


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command. The topic holds the verb."""

    transaction: str | None = documented(
        "copied into the response; a request received twice with the same value is executed once",
        default=None,
        optional=True,
    )


@dataclass(frozen=True, kw_only=True)
class Answer(JsonMessage):
    """The response to a command."""

    status: Literal["ok", "error"] = documented("ok, or error; then `error` gives the reason")
    data: dict[str, Any] | None = documented("result of the command; null if it has none")
    error: str | None = documented("what went wrong, one sentence; null if nothing did")
    transaction: str | None = documented("copied from the request; null if it had none that is valid")
