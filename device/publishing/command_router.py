"""Routes requests: the MQTT thread answers `status`, the main thread every other command."""

from __future__ import annotations

import json
import logging
import queue
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

from device.messages import Answer
from device.mqtt.connection import MessageReceived
from device.mqtt.topics import RESPONSE, SWITCH_OFF, SWITCH_ON, SWITCH_VERB, Message, Topics
from device.publishing.command_inbox import CommandInbox, Request, response_verb
from device.publishing.rate_limit import RateLimit

log = logging.getLogger(__name__)

STATUS_VERB = "status"  # answered here, so that it works while the main thread hangs
RATE_HZ, BURST = 20.0, 20  # requests of one verb; the next ones are refused, as many of them
SWITCH = {SWITCH_ON.encode(): "resume", SWITCH_OFF.encode(): "pause"}
WARNING_S = 60.0  # at least, between two warnings


class CommandRouter:
    """Between the MQTT topics of commands and those who execute them; used by the MQTT thread.

    Args:
        topics: where responses go.
        commands: verbs that the main thread executes.
        snapshot: the response to `status`.
    """

    def __init__(self, topics: Topics, commands: Collection[str], snapshot: Callable[[], dict[str, Any]]) -> None:
        self.requests: queue.SimpleQueue[Request] = queue.SimpleQueue()  # for the main thread
        self._topics = topics
        self._snapshot = snapshot
        self._verbs = {*commands, STATUS_VERB}
        self._inbox = CommandInbox(self._verbs)
        self._limits: defaultdict[str, RateLimit] = defaultdict(lambda: RateLimit(RATE_HZ, BURST))
        self._refusals = RateLimit(RATE_HZ, BURST)
        self._warnings = RateLimit(1 / WARNING_S, 1)

    def receive(self, verb: str, message: MessageReceived) -> Message | None:
        """Take in a request; returns the response if there is one already."""
        if message.retained:  # it would be executed again on every connect
            self._warn("a retained request is ignored: %s; send it without the retain flag", message.topic)
            return None
        known = verb if verb in self._verbs else ""  # all others share one limit
        if not self._limits[known].permits(time.monotonic()):
            return self._refuse(verb, message)
        payload = message.payload
        if verb == SWITCH_VERB and payload in SWITCH:
            verb, payload = SWITCH[payload], b"{}"
        item = self._inbox.receive(verb, payload)
        if isinstance(item, Answer):
            return self._response(verb, item)
        if item is not None and item.verb == STATUS_VERB:
            return self.respond(item, self._snapshot())
        if item is not None:
            self.requests.put(item)
        return None

    def respond(self, request: Request, data: dict[str, Any] | None, error: str | None = None) -> Message:
        """The response to an executed request."""
        return self._response(request.verb, self._inbox.done(request, data, error))

    def too_large(self, response: Message, limit: int) -> Message:
        """The response in place of one that the broker does not take."""
        error = f"the response has {len(response.payload.encode())} bytes; the broker takes packets of {limit}."
        answer = Answer(status="error", data=None, error=error, transaction=json.loads(response.payload)["transaction"])
        return Message(response.topic, answer.to_json(), response.qos, response.retain)

    def _refuse(self, verb: str, message: MessageReceived) -> Message | None:
        """The refusal of one request too many; None if there were too many refusals, too."""
        self._warn("too many requests: %s; more than %d a second are not executed", message.topic, RATE_HZ)
        if not self._refusals.permits(time.monotonic()):
            return None
        error = f"too many requests: at most {RATE_HZ:g} a second of one command are executed; send it again later."
        return self._response(verb, self._inbox.refuse(message.payload, error))

    def _warn(self, text: str, *values: object) -> None:
        if self._warnings.permits(time.monotonic()):
            log.warning(text, *values)

    def _response(self, verb: str, answer: Answer) -> Message:
        return self._topics.message(RESPONSE, answer, verb=response_verb(verb))
