"""Requests that come over MQTT and the answers they get. A transaction that comes twice is worked on once."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from device.messages import Answer

VERBS = ("pause", "resume", "selftest", "status")
MAX_BYTES = 4096  # of a request
MAX_CHARACTERS = 128  # of a transaction
MAX_WAITING = 8  # requests that are worked on or wait for it
REMEMBERED = 100  # answers, for requests that come again
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Request:
    """Something to do, and the name under which its answer is awaited."""

    verb: str
    transaction: str | None


class CommandInbox:
    """Takes requests in and gives answers out; used by one thread. Nothing that is sent to it makes it fail."""

    def __init__(self) -> None:
        self._waiting: set[Request] = set()
        self._answers: dict[Request, Answer] = {}  # the oldest first

    def receive(self, verb: str, payload: bytes) -> Request | Answer | None:
        """Take in what was sent.

        Args:
            verb: the last part of the topic.
            payload: as it came.

        Returns:
            a request to be worked on and then to be given to `done`; or the answer, where it is known at once; or None
            if the same request is being worked on, whose answer will do for both.
        """
        transaction, complaint = _read(payload)
        if complaint is None and verb not in VERBS:
            complaint = f"there is no command {_short(verb)}; known are {', '.join(VERBS)}."
        if complaint is not None:
            return Answer(status="error", data=None, error=complaint, transaction=transaction)
        request = Request(verb, transaction)
        if request in self._waiting:
            return None
        return self._answers.get(request) or self._admitted(request)

    def done(self, request: Request, data: dict[str, Any] | None, error: str | None = None) -> Answer:
        """The answer to a request that was worked on; it is remembered."""
        self._waiting.discard(request)
        answer = Answer(
            status="ok" if error is None else "error", data=data, error=error, transaction=request.transaction
        )
        if request.transaction is not None:
            self._answers[request] = answer
            while len(self._answers) > REMEMBERED:
                del self._answers[next(iter(self._answers))]
        return answer

    def _admitted(self, request: Request) -> Request | Answer:
        if len(self._waiting) >= MAX_WAITING:
            error = f"{MAX_WAITING} requests are waiting already; send it again when they are answered."
            return Answer(status="error", data=None, error=error, transaction=request.transaction)
        self._waiting.add(request)
        return request


def address(verb: str) -> str:
    """The verb as the answer's topic carries it: what cannot be one is answered under `unknown`."""
    return verb if NAME.fullmatch(verb) else "unknown"


def _read(payload: bytes) -> tuple[str | None, str | None]:
    """The transaction, as far as it can be read, and a complaint if something is wrong."""
    if len(payload) > MAX_BYTES:
        return None, f"the request has {len(payload)} bytes; at most {MAX_BYTES} are read."
    try:
        values = json.loads(payload.decode() or "{}")
    except (ValueError, RecursionError):
        return None, 'the request is not JSON; send {"transaction": "any text"}, or nothing.'
    if not isinstance(values, dict):
        return None, 'the request is no JSON object; send {"transaction": "any text"}, or nothing.'
    transaction = values.pop("transaction", None)
    if transaction is not None and not _is_name(transaction):
        return None, f"the transaction must be text of 1 to {MAX_CHARACTERS} printable characters."
    if values:
        return transaction, f"the request holds {_short(next(iter(values)))}; it may hold a transaction and no more."
    return transaction, None


def _is_name(value: Any) -> bool:
    """Printable, so that it can be said again in UTF-8: a lone half of a surrogate pair is not."""
    return isinstance(value, str) and 0 < len(value) <= MAX_CHARACTERS and value.isprintable()


def _short(text: str) -> str:
    return ascii(text if len(text) <= 40 else f"{text[:40]}...")
