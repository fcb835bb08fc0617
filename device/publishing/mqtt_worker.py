"""The session's thread: keeps a connection, and says everything in its time. Only this thread speaks MQTT."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from device.config.schema import DeviceConfig
from device.messages import Answer, CameraState, EmotionEvent, Health, ModelInfo, ModelUpdate, Status, TrackState
from device.mqtt.client import ReconnectingClient
from device.mqtt.connection import Acknowledged, ConnectionLost, MessageReceived, SubscribeRefused
from device.mqtt.topics import (
    AVAILABILITY,
    EVENTS,
    HEALTH,
    OFFLINE,
    ONLINE,
    REQUEST,
    RESPONSE,
    STATUS,
    TRACK_STATE,
    Message,
    Topics,
)
from device.outbox.outbox import Outbox
from device.publishing import home_assistant, status
from device.publishing.command_inbox import CommandInbox, Request, address
from device.publishing.event_sender import EventSender
from device.publishing.face_states import open_face_states
from device.publishing.status import Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """One frame, finished at a monotonic second: the faces on it, and the tracks that ended with it."""

    at_s: float
    faces: tuple[TrackState, ...]
    ended: tuple[int, ...]


@dataclass(frozen=True)
class Camera:
    """What the camera does from now on."""

    state: CameraState
    error: str | None


@dataclass(frozen=True)
class Trouble:
    """Why settings that were read again are not in force; None if they are."""

    config_error: str | None


@dataclass(frozen=True)
class Updated:
    """What came of the last model that was to be installed."""

    update: ModelUpdate | None


@dataclass(frozen=True)
class Done:
    """A request was worked on."""

    request: Request
    data: dict[str, Any] | None
    error: str | None


@dataclass(frozen=True)
class Close:
    """Say what can still be said within so many seconds, then end."""

    timeout_s: float


FromBroker: TypeAlias = Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost
Item: TypeAlias = Seen | Progress | Camera | Trouble | Updated | Done | Close | FromBroker
Inbox: TypeAlias = "queue.SimpleQueue[Item]"


class MqttWorker:
    """What runs on the session's thread.

    Args:
        config: the device's settings.
        model: what `status` says about the network.
        outbox: where the events wait.
        inbox: what the main thread and the connection leave here.
        update: what `status` says at first of the last model that was to be installed.

    Raises:
        ConfigError: device.id, base_topic or discovery_prefix cannot stand in a topic.
    """

    def __init__(
        self, config: DeviceConfig, model: ModelInfo, outbox: Outbox, inbox: Inbox, update: ModelUpdate | None = None
    ) -> None:
        self.opened = threading.Event()  # there is a first connection, or there is none and `failure` says why
        self.failure: Exception | None = None  # what ended the thread before its time
        self.requests: queue.SimpleQueue[Request] = queue.SimpleQueue()  # for the main thread to work on
        self._config = config
        self._model = model
        self._outbox = outbox
        self._inbox = inbox
        self._topics = Topics(config)
        self._birth = home_assistant.birth_topic(config)
        self._face_states = open_face_states(config, self._topics, model.labels)
        will = self._topics.message(AVAILABILITY, OFFLINE)
        self._link = ReconnectingClient(config.mqtt, f"emotion-edge-{self._topics.device}", will, inbox.put)
        self._event_sender = EventSender(outbox, lambda: self._link.room, self._offer)
        self._told: set[str] = set()  # topics of this connection whose refusal was told of
        self._camera = Camera("starting", None)
        self._progress: Progress | None = None
        self._health_due_s = 0.0
        self._closed = False
        self._config_error: str | None = None
        self._model_update = update
        self._commands = CommandInbox()

    def run(self) -> None:
        """Connect, then speak until closed; what goes wrong is kept in `failure`."""
        try:
            self._link.open()
            self._welcome()
            self.opened.set()
            while not self._closed:
                self._take_one(self._patience_s())
                self._do_what_is_due()
        except Exception as error:
            self.failure = error
        finally:
            self.opened.set()

    def _patience_s(self) -> float:
        """How long nothing needs to be done."""
        due_s = self._health_due_s if self._link.up else self._link.due_s
        return min(60.0, max(0.0, due_s - time.monotonic()))

    def _do_what_is_due(self) -> None:
        if not self._closed and self._link.reopen():
            self._welcome()
        now_s = time.monotonic()
        if now_s >= self._health_due_s:
            self._health_due_s = now_s + self._config.report.health_s
            self._say_health()

    def _take_one(self, patience_s: float) -> None:
        try:
            item = self._inbox.get(timeout=patience_s)
        except queue.Empty:
            return
        if not isinstance(item, (Acknowledged, MessageReceived, SubscribeRefused, ConnectionLost)):
            self._take(item)
        elif self._link.is_current(item.connection):
            self._hear(item)

    def _take(self, item: Seen | Progress | Camera | Trouble | Updated | Done | Close) -> None:
        """Something from the main thread."""
        match item:
            case Seen(at_s, faces, ended):
                self._event_sender.pump()
                self._say(*self._face_states.observe(faces, ended, at_s))
            case Progress():
                self._health_due_s = 0.0 if self._progress is None else self._health_due_s
                self._progress = item
            case Camera():
                self._camera = item
                self._say(self._status_message(self._status()))
            case Trouble(config_error):
                self._config_error = config_error
                self._say(self._status_message(self._status()))
            case Updated(update):
                self._model_update = update
                self._say(self._status_message(self._status()))
            case Done(request, data, error):
                self._answer(request.verb, self._commands.done(request, data, error))
            case Close(timeout_s):
                self._close(time.monotonic() + timeout_s)

    def _hear(self, item: FromBroker) -> None:
        """Something from the connection."""
        match item:
            case Acknowledged():
                topic = self._link.answered(item)
                self._event_sender.acknowledged(item.number, item.taken)
                self._event_sender.pump()
                if not item.taken:
                    self._tell_refusal(topic, f"takes nothing on {topic}: {item.reason}; let this user write there.")
            case MessageReceived():
                self._listen(item)
            case SubscribeRefused(_, topic, reason):
                self._tell_refusal(topic, f"lets us hear nothing on {topic}: {reason}; let this user read there.")
            case ConnectionLost(_, reason):
                self._event_sender.lost()
                self._link.lost(reason)

    def _tell_refusal(self, topic: str, complaint: str) -> None:
        """Once a connection and topic; faces have theirs in common."""
        kind = topic if self._topics.track_of(topic) is None else self._topics.of(TRACK_STATE)
        if kind not in self._told:
            self._told.add(kind)
            log.warning("the broker %s", complaint)

    def _listen(self, heard: MessageReceived) -> None:
        if heard.topic == self._birth:
            if heard.payload == b"online" and not heard.retained:  # a retained one is older than our own announcement
                self._announce()
        elif (verb := self._topics.verb_of(heard.topic)) is not None:
            self._listen_to_request(verb, heard)
        elif heard.retained and (correction := self._face_states.correction(heard.topic, heard.payload)):
            self._say(correction)

    def _listen_to_request(self, verb: str, heard: MessageReceived) -> None:
        if heard.retained:  # it would be obeyed again on every connect
            log.warning("a retained request is passed over: %s; send it without the retain flag", heard.topic)
            return
        item = self._commands.receive(verb, heard.payload)
        if isinstance(item, Answer):
            self._answer(verb, item)
        elif item is not None and item.verb == "status":  # even if the main thread hangs
            self._answer(verb, self._commands.done(item, self._everything()))
        elif item is not None:
            self.requests.put(item)

    def _answer(self, verb: str, answer: Answer) -> None:
        self._say(self._topics.message(RESPONSE, answer.to_json(), verb=address(verb)))

    def _everything(self) -> dict[str, Any]:
        """What `status` and `health` would say now."""
        health = self.health()
        return {
            "status": json.loads(self._status().to_json()),
            "health": None if health is None else json.loads(health.to_json()),
        }

    def _welcome(self) -> None:
        """What every new connection begins with."""
        self._told.clear()
        self._announce()
        # The states of faces come back to us, so that those of an earlier life, killed, do not stand for ever.
        self._link.subscribe(
            [self._topics.of(TRACK_STATE), self._topics.of(REQUEST), *([self._birth] if self._birth else [])]
        )
        self._event_sender.connected()

    def _announce(self) -> None:
        """Who and how we are, for a broker or a Home Assistant that may know nothing."""
        status = self._status()
        self._say(self._topics.message(AVAILABILITY, ONLINE), self._status_message(status))
        if entities := home_assistant.message(self._config, self._topics, status):
            self._say(entities)
        self._say(*self._face_states.announce(time.monotonic()))
        self._health_due_s = 0.0

    def _close(self, deadline_s: float) -> None:
        self._closed = True
        self._listen_until(lambda: self._event_sender.idle, deadline_s)
        self._say(self._topics.message(AVAILABILITY, OFFLINE))
        self._listen_until(lambda: self._link.settled, deadline_s)
        self._link.close()

    def _listen_until(self, done: Callable[[], bool], deadline_s: float) -> None:
        while self._link.up and not done() and (left_s := deadline_s - time.monotonic()) > 0:
            self._take_one(left_s)

    def _say(self, *messages: Message) -> None:
        """Send now; without a connection nothing is lost, for the next one begins with an announcement."""
        for message in messages:
            self._link.say(message)

    def _say_health(self) -> None:
        if self._link.up and (said := self.health()) is not None:
            self._say(self._topics.message(HEALTH, said.to_json()))

    def health(self) -> Health | None:
        """How the device is doing now; None before the first report. May be called from any thread."""
        if self._progress is None:
            return None
        return status.health(self._progress, self._outbox, self._link.reconnects)

    def _offer(self, event: EmotionEvent, recorded_s: float) -> int:
        """Hand an event over; the broker keeps it for an absent subscriber only as long as the outbox would."""
        left_s = self._config.outbox.max_age_s - (self._outbox.now_s() - recorded_s)
        message = self._topics.message(EVENTS, event.to_json(), expiry_s=max(1, round(left_s)))
        return self._link.send(message)

    def _status(self) -> Status:
        camera, error = self._camera.state, self._camera.error
        return status.status(self._config, self._model, camera, error, self._config_error, self._model_update)

    def _status_message(self, status: Status) -> Message:
        return self._topics.message(STATUS, status.to_json())
