"""Answers to requests, before they become bytes on a connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HTML, JSON, CSV, TEXT = (
    "text/html; charset=utf-8",
    "application/json",
    "text/csv; charset=utf-8",
    "text/plain; charset=utf-8",
)


@dataclass(frozen=True)
class Response:
    """One answer.

    Args:
        status: of HTTP.
        content_type: of the body.
        body: all of it, or its parts.
        headers: more headers.
    """

    status: int = 200
    content_type: str = JSON
    body: bytes | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)


class RequestError(Exception):
    """The request cannot be answered; the message is one sentence for its sender."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def json_response(value: Any) -> Response:
    """A value as JSON."""
    return Response(body=json.dumps(value, separators=(",", ":"), allow_nan=False).encode())


def sentence(status: int, message: str) -> Response:
    """A plain text of one sentence."""
    return Response(status, TEXT, f"{message}\n".encode())
