"""Routes requests: the MQTT thread answers `status`, the main thread every other command."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Collection
from typing import Any

from device.messages import Answer
from device.mqtt.connection import MessageReceived
from device.mqtt.topics import RESPONSE, Message, Topics
from device.publishing.command_inbox import CommandInbox, Request, response_verb

log = logging.getLogger(__name__)

STATUS_VERB = "status"  # answered here, so that it works while the main thread hangs


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
        self._inbox = CommandInbox({*commands, STATUS_VERB})

    def receive(self, verb: str, message: MessageReceived) -> Message | None:
        """Take in a request; returns the response if there is one already."""
        if message.retained:  # it would be executed again on every connect
            log.warning("a retained request is ignored: %s; send it without the retain flag", message.topic)
            return None
        item = self._inbox.receive(verb, message.payload)
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

    def _response(self, verb: str, answer: Answer) -> Message:
        return self._topics.message(RESPONSE, answer.to_json(), verb=response_verb(verb))
