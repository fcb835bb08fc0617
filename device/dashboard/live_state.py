"""What the page shows now: the latest messages of one board, kept in memory.

Nothing here needs a connection. Every method may be called from any thread.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable
from typing import Any, Literal

from device.message_parser import InvalidMessageError, parse_message
from device.messages import Answer, EmotionEvent, Health, Status, Summary, TrackState
from device.mqtt.topics import AVAILABILITY, EVENTS, HEALTH, OFFLINE, ONLINE, RESPONSE, STATUS, SUMMARY, Topics

MAX_EVENTS = 50  # of each list; older ones are dropped
MAX_TRACKS = 100
SELFTEST = "selftest"
ALERT = "attention"  # type of the events that are alerts
Kept = tuple[Literal["summary", "alert"], dict[str, Any]]  # a summary, or what `alert_of` returns
WORDS = {ONLINE.encode(): ONLINE, OFFLINE.encode(): OFFLINE, b"": None}


class LiveState:
    """The latest messages of one board as one JSON document.

    Args:
        topics: the board's topics.
        summary_expiry_s: an older summary is not shown.
        track_expiry_s: a face without a message for so long is not shown.
        groups_only: the board publishes summaries of groups only, until its status tells.
        facts: more members of the document, which do not change.
    """

    def __init__(
        self,
        topics: Topics,
        summary_expiry_s: float,
        track_expiry_s: float,
        groups_only: bool = False,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.device = topics.device
        self.connected = False  # to the broker
        self._topics = topics
        self._summary_expiry_s, self._track_expiry_s = summary_expiry_s, track_expiry_s
        self._groups_only = groups_only
        self._changed = threading.Condition()
        self._run = uuid.uuid4().hex[:8]  # versions of another run are others
        self._version = 0
        self._rest = ""  # the document without its first member, as of `_built`
        self._built = -1
        self._parts = {
            "broker": _dump({"connected": False, "error": None}),
            "device": _dump(topics.device),
            "topic": _dump(topics.root),
            "history_error": "null",
            **dict.fromkeys(("availability", "status", "health", "summary", "selftest"), "null"),
            **{name: _dump(value) for name, value in (facts or {}).items()},
        }
        self._tracks: dict[int, tuple[float, str]] = {}  # track -> monotonic seconds, JSON
        self._camera: str | None = None  # its state
        self._last_summary: dict[str, Any] | None = None  # of this connection and this run of the board
        self._summary_s = 0.0  # monotonic seconds when the summary arrived
        self._events: deque[str] = deque(maxlen=MAX_EVENTS)  # newest first
        self._alerts: deque[str] = deque(maxlen=MAX_EVENTS)
        self._event_ids: deque[str] = deque(maxlen=4 * MAX_EVENTS)  # an event may come twice
        self._skipped = 0

    def filters(self) -> list[str]:
        """The topic filters to subscribe to."""
        channels = (AVAILABILITY, STATUS, HEALTH, SUMMARY, EVENTS)
        of = self._topics.of
        return [*map(of, channels), f"{self._topics.root}/tracks/+/state", of(RESPONSE, verb=SELFTEST)]

    def etag(self) -> str:
        """Changes with everything that `document` shows, except the time."""
        with self._changed:
            return f'"{self._run}-{self._version}"'

    @property
    def groups_only(self) -> bool:
        """Whether the board publishes summaries of groups only."""
        with self._changed:
            return self._groups_only

    @property
    def version(self) -> int:
        """Higher after each change."""
        with self._changed:
            return self._version

    def document(self) -> tuple[int, bytes]:
        """The version and the JSON document."""
        with self._changed:
            if self._built != self._version:
                self._rest, self._built = self._build(), self._version
            return self._version, f'{{"now":{time.time():.3f},{self._rest}}}'.encode()

    def wait(self, version: int, timeout_s: float) -> bool:
        """Wait until the version is another one; returns whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._version != version, timeout_s)

    def set_broker(self, connected: bool, error: str | None = None) -> None:
        """The connection to the broker was made or lost; a new one repeats what is retained."""
        with self._changed:
            if connected and not self.connected:
                self._tracks.clear()
                self._last_summary = None
                self._change()
            self.connected = connected
            self._set("broker", _dump({"connected": connected, "error": error}))

    def set_history_error(self, error: str | None) -> None:
        """Why the history cannot be written; None if it can."""
        with self._changed:
            self._set("history_error", _dump(error))

    def add_alerts(self, alerts: Iterable[dict[str, Any]]) -> None:
        """Earlier alerts, oldest first; none where only groups are published."""
        with self._changed:
            if self._groups_only:
                return
            self._alerts.extendleft(map(_dump, alerts))
            self._change()

    def handle_message(self, topic: str, payload: bytes, now_s: float) -> Kept | None:
        """Take in any message; one that is not valid is counted and skipped.

        Args:
            topic, payload: as received.
            now_s: monotonic seconds.

        Returns:
            What belongs into the history; None if nothing does.
        """
        with self._changed:
            try:
                return self._handle(topic, payload, now_s)
            except InvalidMessageError:
                self._skipped += 1
                self._change()
                return None

    def empty_room(self) -> dict[str, Any] | None:
        """The last summary if nobody has been in view since; the board then sends no other.

        None where silence may mean something else: no connection, no camera, or a board that
        publishes groups only, whose groups may be too small.
        """
        with self._changed:
            watches = self.connected and self._parts["availability"] == _dump(ONLINE) and self._camera == "running"
            empty = self._last_summary is not None and self._last_summary["faces"] == 0
            return self._last_summary if watches and empty and not self._groups_only else None

    def tick(self, now_s: float) -> None:
        """Forget what is too old; `now_s` is monotonic."""
        with self._changed:
            if self._parts["summary"] != "null" and now_s - self._summary_s > self._summary_expiry_s:
                self._set("summary", "null")
            old = [track for track, (at_s, _) in self._tracks.items() if now_s - at_s > self._track_expiry_s]
            for track in old:
                del self._tracks[track]
            if old:
                self._change()

    def _handle(self, topic: str, payload: bytes, now_s: float) -> Kept | None:
        channel = topic.removeprefix(f"{self._topics.root}/")
        if (track := self._topics.track_of(topic)) is not None:
            self._handle_track(track, payload, now_s)
        elif channel == EVENTS.address and self._groups_only:
            raise InvalidMessageError("of a single face")
        elif channel == AVAILABILITY.address:
            self._handle_availability(payload)
        elif channel == EVENTS.address:
            return self._handle_event(parse_message(EmotionEvent, payload))
        elif channel == SUMMARY.address:
            summary = parse_message(Summary, payload)
            self._summary_s, self._last_summary = now_s, summary
            self._set("summary", _dump(summary))
            return "summary", summary
        elif (known := _KINDS.get(channel)) is not None:
            self._handle_latest(*known, payload)
        else:
            raise InvalidMessageError("no topic of this board")
        return None

    def _handle_latest(self, name: str, cls: type, payload: bytes) -> None:
        message = parse_message(cls, payload) if payload else None
        if cls is Status and message is not None:
            self._camera = message["camera"]
            self._set_groups_only(message["aggregate"])
        self._set(name, _dump(message))

    def _set_groups_only(self, groups_only: bool) -> None:
        """Nothing of a single face is shown where only groups are published, not even of before."""
        if groups_only and not self._groups_only:
            for singles in (self._tracks, self._events, self._alerts):
                singles.clear()
            self._change()
        self._groups_only = groups_only

    def _handle_availability(self, payload: bytes) -> None:
        if payload not in WORDS:
            raise InvalidMessageError("neither online nor offline")
        if payload == OFFLINE.encode():
            self._tracks.clear()
            self._last_summary = None
            self._set("summary", "null")
        self._set("availability", _dump(WORDS[payload]))

    def _handle_track(self, track: int, payload: bytes, now_s: float) -> None:
        if not payload:
            self._tracks.pop(track, None)
        elif self._groups_only:
            raise InvalidMessageError("of a single face")
        elif track not in self._tracks and len(self._tracks) >= MAX_TRACKS:
            raise InvalidMessageError("too many faces")
        else:
            self._tracks[track] = (now_s, _dump(parse_message(TrackState, payload)))
        self._change()

    def _handle_event(self, event: dict[str, Any]) -> Kept | None:
        if event["id"] in self._event_ids:
            return None
        self._event_ids.append(event["id"])
        self._change()
        alert = alert_of(event)
        if alert is None:
            self._events.appendleft(_dump(event))
            return None
        self._alerts.appendleft(_dump(alert))
        return "alert", alert

    def _set(self, name: str, text: str) -> None:
        if self._parts[name] != text:
            self._parts[name] = text
            self._change()

    def _change(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _build(self) -> str:
        lists = {
            "tracks": [text for _, (_, text) in sorted(self._tracks.items())],
            "alerts": self._alerts,
            "events": self._events,
        }
        parts = self._parts | {name: f"[{','.join(texts)}]" for name, texts in lists.items()}
        parts["skipped"] = str(self._skipped)
        return ",".join(f'"{name}":{text}' for name, text in parts.items())


_KINDS: dict[str, tuple[str, type]] = {
    STATUS.address: ("status", Status),
    HEALTH.address: ("health", Health),
    RESPONSE.address.format(verb=SELFTEST): ("selftest", Answer),
}


def alert_of(event: dict[str, Any]) -> dict[str, Any] | None:
    """An event that is an alert, without the face's scores and box; None for other events."""
    alert: dict[str, Any] | None = event.get("alert")
    if event["type"] != ALERT or alert is None:
        return None
    return {name: event[name] for name in ("id", "ts", "track", "replayed")} | alert


def _dump(value: Any) -> str:
    """JSON in ASCII, so that half of a surrogate pair can be sent too."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
