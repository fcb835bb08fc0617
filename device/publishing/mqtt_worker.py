"""The MQTT thread: keeps a connection and publishes what is due.

No other thread uses the connection.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Collection

from device.config.schema import DeviceConfig
from device.messages import EmotionEvent, Health, ModelInfo, ModelUpdate
from device.mqtt.client import ReconnectingClient
from device.mqtt.connection import TOO_LARGE, Acknowledged, ConnectionLost, MessageReceived, SubscribeRefused
from device.mqtt.topics import AVAILABILITY, EVENTS, OFFLINE, ONLINE, REQUEST, TRACK_STATE, Message, Topics
from device.outbox.outbox import Outbox
from device.publishing import home_assistant
from device.publishing.command_inbox import Request
from device.publishing.command_router import CommandRouter
from device.publishing.event_sender import EventSender
from device.publishing.face_states import open_face_states
from device.publishing.inbox import Close, CommandDone, FrameResult, FromBroker, FromService, Inbox
from device.publishing.reports import CameraReport, ConfigReport, ModelReport, Progress
from device.publishing.status_reporter import StatusReporter

log = logging.getLogger(__name__)

MAX_WAIT_S = 60.0  # for an item in the inbox
SUBSCRIBE_S = 60.0  # after a refused subscription: a cluster refuses some while it elects a leader
BIRTH_S = 1.0  # at least, between two announcements for Home Assistant


class MqttWorker:
    """What runs on the MQTT thread.

    Args:
        config: the device's settings.
        model: the network, as `status` describes it.
        outbox: where events wait.
        inbox: filled by the main thread and by the connection's callbacks.
        update: result of the last model installation.
        commands: verbs that the main thread executes.

    Raises:
        ConfigError: device.id, base_topic or discovery_prefix cannot be part of a topic.
    """

    def __init__(
        self,
        config: DeviceConfig,
        model: ModelInfo,
        outbox: Outbox,
        inbox: Inbox,
        update: ModelUpdate | None = None,
        commands: Collection[str] = (),
    ) -> None:
        self.opened = threading.Event()  # the first connection succeeded, or `failure` has the reason
        self.failure: Exception | None = None  # what ended the thread
        self._config = config
        self._outbox = outbox
        self._inbox = inbox
        self._topics = Topics(config)
        self._birth = home_assistant.birth_topic(config)
        self._face_states = open_face_states(config, self._topics, model.labels)
        will = self._topics.message(AVAILABILITY, OFFLINE)
        self._client = ReconnectingClient(config.mqtt, f"emotion-edge-{self._topics.device}", will, inbox.put)
        self._event_sender = EventSender(outbox, lambda: self._client.room, self._send_event)
        self._status = StatusReporter(config, model, outbox, update)
        self._commands = CommandRouter(self._topics, commands, lambda: self._status.snapshot(self._client.reconnects))
        self._refusals: set[str] = set()  # topics of this connection whose refusal was logged
        self._announced_s = 0.0  # monotonic
        self._birth_waits = False
        self._subscribe_due_s = math.inf
        self._deaf = False  # we do not subscribe any more: what comes is too large
        self._closed = False

    @property
    def requests(self) -> queue.SimpleQueue[Request]:
        """Requests for the main thread."""
        return self._commands.requests

    def health(self) -> Health | None:
        """The health of this moment; None before the first progress. Thread-safe."""
        return self._status.health(self._client.reconnects)

    def run(self) -> None:
        """Connect, then work until closed; an error ends the thread and is kept in `failure`."""
        try:
            self._client.open()
            self._begin_connection()
            self.opened.set()
            while not self._closed:
                self._handle_next(self._wait_s())
                self._do_what_is_due()
        except Exception as error:
            self.failure = error
        finally:
            self.opened.set()

    def _wait_s(self) -> float:
        """Seconds until something is due."""
        due_s = min(self._status.health_due_s, self._subscribe_due_s) if self._client.up else self._client.due_s
        if self._birth_waits:
            due_s = min(due_s, self._announced_s + BIRTH_S)
        return min(MAX_WAIT_S, max(0.0, due_s - time.monotonic()))

    def _do_what_is_due(self) -> None:
        if not self._closed and self._client.reopen():
            self._begin_connection()
        if self._birth_waits and time.monotonic() >= self._announced_s + BIRTH_S:
            self._announce()
        if self._client.up and time.monotonic() >= self._subscribe_due_s:
            self._subscribe()
        health = self._status.due_health(time.monotonic(), self._client.reconnects)
        if health is not None and self._client.up:
            self._publish(health)

    def _handle_next(self, wait_s: float) -> None:
        item = self._inbox.get(wait_s)
        if item is None:
            return
        if not isinstance(item, (Acknowledged, MessageReceived, SubscribeRefused, ConnectionLost)):
            self._handle_from_service(item)
        elif self._client.is_current(item.connection):
            self._handle_from_broker(item)

    def _handle_from_service(self, item: FromService) -> None:
        match item:
            case FrameResult(at_s, faces, ended):
                self._event_sender.pump()
                self._publish(*self._face_states.observe(faces, ended, at_s))
                if (status := self._status.group(self._face_states.below_min_group, at_s)) is not None:
                    self._publish(status)
            case Progress() | CameraReport() | ConfigReport() | ModelReport():
                if (status := self._status.take(item)) is not None:
                    self._publish(status)
            case CommandDone(request, data, error):
                self._publish_response(self._commands.respond(request, data, error))
            case Close(timeout_s):
                self._close(time.monotonic() + timeout_s)

    def _handle_from_broker(self, item: FromBroker) -> None:
        match item:
            case Acknowledged():
                topic = self._client.acknowledged(item)
                self._event_sender.acknowledged(item.number, item.taken)
                self._event_sender.pump()
                self._client.send_responses()
                if not item.taken:
                    self._log_refusal(topic, f"takes nothing on {topic}: {item.reason}; let this user write there.")
            case MessageReceived():
                self._handle_message(item)
            case SubscribeRefused(_, topic, reason):
                self._subscribe_due_s = time.monotonic() + SUBSCRIBE_S
                self._log_refusal(topic, f"refuses our subscription to {topic}: {reason}; let this user read there.")
            case ConnectionLost(_, reason):
                self._event_sender.lost()
                self._client.lost(reason)
                self._deaf = self._deaf or reason == TOO_LARGE

    def _handle_message(self, message: MessageReceived) -> None:
        if message.topic == self._birth:
            if message.payload == b"online" and not message.retained:  # a retained one is older than our announcement
                self._birth_waits = True  # whoever sends it again and again must not keep us busy
        elif (verb := self._topics.verb_of(message.topic)) is not None:
            if (response := self._commands.receive(verb, message)) is not None:
                self._publish_response(response)
        elif message.topic == self._topics.of(AVAILABILITY):
            if message.payload == OFFLINE.encode() and not self._closed:
                self._publish(self._topics.message(AVAILABILITY, ONLINE))
        elif message.retained and (correction := self._face_states.correction(message.topic, message.payload)):
            self._publish(correction)

    def _log_refusal(self, topic: str, problem: str) -> None:
        """Once a connection and topic; the topics of all tracks count as one."""
        kind = topic if self._topics.track_of(topic) is None else self._topics.of(TRACK_STATE)
        if kind not in self._refusals:
            self._refusals.add(kind)
            log.warning("the broker %s", problem)

    def _begin_connection(self) -> None:
        """What every new connection starts with."""
        self._refusals.clear()
        self._announce()
        self._subscribe()
        self._event_sender.connected()

    def _subscribe(self) -> None:
        """Subscribe; also to our own topics, to correct what an earlier connection left behind.

        A killed process leaves track states. In a cluster, the last will of a connection that broke
        may come after the `online` of the next one, which is on another node.
        """
        self._subscribe_due_s = math.inf
        if self._deaf:
            log.warning(
                "commands are not received: a message under %s is too large; clear it, then restart the device.",
                self._topics.root,
            )
            return
        own = [self._topics.of(AVAILABILITY), self._topics.of(TRACK_STATE)]
        # QoS 0: with QoS 1, a clustered broker keeps a durable queue for each subscription.
        self._client.subscribe([*own, *([self._birth] if self._birth else [])], qos=0)
        self._client.subscribe([self._topics.of(REQUEST)], self._config.mqtt.request_qos, as_published=True)

    def _announce(self) -> None:
        """Publish everything again, for a broker or a Home Assistant that may have no state."""
        self._announced_s, self._birth_waits = time.monotonic(), False
        status = self._status.status()
        self._publish(self._topics.message(AVAILABILITY, ONLINE), self._status.status_message(status))
        self._publish(*home_assistant.messages(self._config, self._topics, status, self._client.max_bytes))
        self._publish(*self._face_states.announce(time.monotonic()))
        self._status.health_due_s = 0.0

    def _close(self, deadline_s: float) -> None:
        self._closed = True
        self._handle_until(lambda: self._event_sender.idle, deadline_s)
        self._publish(self._topics.message(AVAILABILITY, OFFLINE))
        self._handle_until(lambda: self._client.settled, deadline_s)
        self._client.close()

    def _handle_until(self, done: Callable[[], bool], deadline_s: float) -> None:
        while self._client.up and not done() and (left_s := deadline_s - time.monotonic()) > 0:
            self._handle_next(left_s)

    def _publish(self, *messages: Message) -> None:
        """Publish now.

        Without a connection nothing is lost: the next one begins with an announcement.
        """
        for message in messages:
            if self._fits(message):
                self._client.publish(message)

    def _publish_response(self, response: Message) -> None:
        fits = self._client.fits(response)
        self._publish(response if fits else self._commands.too_large(response, self._client.max_bytes or 0))

    def _fits(self, message: Message) -> bool:
        """Whether the broker takes it; a larger one would end the connection, so it is not sent."""
        fits = self._client.fits(message)
        if not fits:
            self._log_refusal(
                message.topic,
                f"takes packets of at most {self._client.max_bytes} bytes, so nothing is sent on {message.topic} "
                f"that is larger ({len(message.payload.encode())} bytes of payload).",
            )
        return fits

    def _send_event(self, event: EmotionEvent, recorded_s: float) -> int:
        """Send an event; returns the message number, or 0 if the broker does not take its size.

        The broker keeps it for an absent subscriber only as long as the outbox would.
        """
        left_s = self._config.outbox.max_age_s - (self._outbox.now_s() - recorded_s)
        message = self._topics.message(EVENTS, event, expiry_s=max(1, round(left_s)))
        return self._client.send(message) if self._fits(message) else 0
