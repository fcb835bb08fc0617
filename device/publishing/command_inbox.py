"""Validates MQTT requests and remembers responses: a repeated transaction is executed once."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from device.messages import Answer

MAX_BYTES = 4096  # of a request
MAX_CHARACTERS = 128  # of a transaction
MAX_WAITING = 8  # requests in progress or waiting
REMEMBERED = 100  # responses, for repeated requests
VERB = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Request:
    """A command to execute, and the transaction that its response must carry."""

    verb: str
    transaction: str | None


class CommandInbox:
    """Takes in requests and hands out responses; used by one thread. No payload makes it fail.

    Args:
        verbs: the commands that exist; any other verb is answered with an error.
    """

    def __init__(self, verbs: Collection[str]) -> None:
        self._verbs = tuple(sorted(verbs))
        self._waiting: set[Request] = set()
        self._answers: dict[Request, Answer] = {}  # oldest first

    def receive(self, verb: str, payload: bytes) -> Request | Answer | None:
        """Take in a received message.

        Args:
            verb: last part of the topic.
            payload: as received.

        Returns:
            a request to execute and then to pass to `done`; or the answer, if it is known already;
            or None if the same request is in progress: its answer serves both.
        """
        transaction, problem = _parse(payload)
        if verb not in self._verbs:
            problem = f"there is no command {_short(verb)}; known are {', '.join(self._verbs)}."
        if problem is not None:
            return Answer(status="error", data=None, error=problem, transaction=transaction)
        request = Request(verb, transaction)
        if request in self._waiting:
            return None
        return self._answers.get(request) or self._accept(request)

    def done(self, request: Request, data: dict[str, Any] | None, error: str | None = None) -> Answer:
        """The answer to an executed request; it is remembered."""
        self._waiting.discard(request)
        answer = Answer(
            status="ok" if error is None else "error", data=data, error=error, transaction=request.transaction
        )
        if request.transaction is not None:
            self._answers[request] = answer
            while len(self._answers) > REMEMBERED:
                del self._answers[next(iter(self._answers))]
        return answer

    def refuse(self, payload: bytes, error: str) -> Answer:
        """The answer to a request that is not executed."""
        return Answer(status="error", data=None, error=error, transaction=_parse(payload)[0])

    def _accept(self, request: Request) -> Request | Answer:
        if len(self._waiting) >= MAX_WAITING:
            error = f"{MAX_WAITING} requests are waiting already; send it again when they are answered."
            return Answer(status="error", data=None, error=error, transaction=request.transaction)
        self._waiting.add(request)
        return request


def response_verb(verb: str) -> str:
    """The verb as part of the response's topic.

    `unknown` for one that cannot be part of a topic.
    """
    return verb if VERB.fullmatch(verb) else "unknown"


def _parse(payload: bytes) -> tuple[str | None, str | None]:
    """The transaction, if it can be parsed, and what is wrong with the payload."""
    if not payload:  # what clears a retained request looks the same
        return None, 'the request is empty; send {"transaction": "any text"}, or {}.'
    if len(payload) > MAX_BYTES:
        return None, f"the request has {len(payload)} bytes; at most {MAX_BYTES} are read."
    try:
        values = json.loads(payload.decode())
    except (ValueError, RecursionError):
        return None, 'the request is not JSON; send {"transaction": "any text"}, or {}.'
    if not isinstance(values, dict):
        return None, 'the request is no JSON object; send {"transaction": "any text"}, or {}.'
    transaction = values.pop("transaction", None)
    if transaction is not None and not _is_printable(transaction):
        return None, f"the transaction must be text of 1 to {MAX_CHARACTERS} printable characters."
    if values:
        key = _short(next(iter(values)))
        return transaction, f"the request holds {key}; it may hold a transaction and no more."
    return transaction, None


def _is_printable(value: Any) -> bool:
    """Text that can be sent back as UTF-8: half of a surrogate pair cannot."""
    return isinstance(value, str) and 0 < len(value) <= MAX_CHARACTERS and value.isprintable()


def _short(text: str) -> str:
    return ascii(text if len(text) <= 40 else f"{text[:40]}...")
