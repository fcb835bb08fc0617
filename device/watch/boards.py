"""What the boards of one topic show now, collected from their messages.

This module needs no connection and no screen.
"""

from __future__ import annotations

import re
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from device.errors import UsageError
from device.fleet.boards import CHANNELS, NAME, Board
from device.message_parser import InvalidMessageError
from device.mqtt.topics import EVENTS, STATUS, SUMMARY, TRACK_STATE
from device.watch.parsing import Face, Summary, tells_too_few, to_event, to_face, to_summary

MAX_BOARDS = 200  # of which messages are kept
MAX_FACES = 100  # of a board
MAX_ENTRIES = 100  # of the log
SUMMARY_S = 15.0  # an older summary is not shown; they come once a second while faces are in view
MAX_TS = 253_402_300_799  # the year 9999, UNIX seconds

Kind = Literal["state", "summary", "event", "alert"]


@dataclass(frozen=True)
class Entry:
    """Something that changed on a board."""

    ts: float  # UNIX seconds
    board: str
    kind: Kind
    text: str

    @property
    def time(self) -> str:
        """The time of day here."""
        return time.strftime("%H:%M:%S", time.localtime(self.ts))

    def __str__(self) -> str:
        """The entry on one line."""
        return f"{self.time} {self.board}  {self.kind:<7} {self.text}"


@dataclass
class WatchedBoard:
    """The state of one board."""

    board: Board
    faces: dict[int, Face] = field(default_factory=dict)
    summary: Summary | None = None
    summary_s: float = 0.0  # when it came, monotonic seconds
    too_few: bool = False  # only groups are published, and there is none
    state: str = ""  # as last written to the log

    @property
    def name(self) -> str:
        """The id of the device."""
        return self.board.name

    def fresh_summary(self, now_s: float) -> Summary | None:
        """The summary, if it is not old."""
        return self.summary if now_s - self.summary_s < SUMMARY_S else None

    def describe(self) -> str:
        """Availability and camera in words."""
        if self.board.online is not True:
            return "offline" if self.board.online is False else "no availability message received"
        status = self.board.status
        camera = f", camera {status.camera}" if status is not None and status.camera else ""
        error = f": {status.camera_error}" if status is not None and status.camera_error else ""
        return f"online{camera}{error}" + ("; too few faces for a summary, or none" if self.too_few else "")


class WatchedBoards:
    """All boards under a topic.

    Args:
        topic: `<base>/<device>`, or `<base>/+` for all devices.

    Raises:
        UsageError: it is neither.
    """

    def __init__(self, topic: str) -> None:
        base, _, device = topic.rpartition("/")
        if not re.fullmatch("[^+#]+", base) or not (device == "+" or re.fullmatch(NAME, device)):
            raise UsageError(f"--topic is {topic!r}, but must be <base>/<device> or <base>/+, such as emotion/+.")
        self.topic = topic
        self.left_out = 0  # messages of more boards than MAX_BOARDS
        self.log: deque[Entry] = deque(maxlen=MAX_ENTRIES)  # states and events
        self.alerts: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self._boards: dict[str, WatchedBoard] = {}
        self._topic = re.compile(f"{re.escape(base)}/({NAME})/(.+)")

    def filters(self) -> list[str]:
        """The topic filters to subscribe to."""
        channels = (*CHANNELS, SUMMARY, EVENTS, TRACK_STATE)
        return [f"{self.topic}/{channel.address.format(track='+')}" for channel in channels]

    def all(self) -> list[WatchedBoard]:
        """Every board, sorted by name."""
        return [self._boards[name] for name in sorted(self._boards)]

    def forget_faces(self) -> None:
        """A new subscription: the broker sends the faces that are still there."""
        for watched in self._boards.values():
            watched.faces.clear()

    def handle_message(self, topic: str, payload: bytes, retained: bool, now_s: float) -> list[Entry]:
        """Update the state from any message; `now_s` is monotonic. Returns what changed."""
        match = self._topic.fullmatch(topic)
        if match is None:
            return []
        name, channel = match[1], match[2]
        if name not in self._boards and len(self._boards) >= MAX_BOARDS:
            self.left_out += 1
            return []
        watched = self._boards.setdefault(name, WatchedBoard(Board(name)))
        entries = self._handle(watched, channel, payload, retained, now_s)
        self.log.extend(entry for entry in entries if entry.kind in ("state", "event"))
        self.alerts.extend(entry for entry in entries if entry.kind == "alert")
        return entries

    def _handle(self, watched: WatchedBoard, channel: str, payload: bytes, retained: bool, now_s: float) -> list[Entry]:
        if any(channel == known.address for known in CHANNELS):
            watched.board.handle_message(channel, payload, retained, now_s)
            if channel == STATUS.address:
                watched.too_few = tells_too_few(payload)
            return _state_changed(watched)
        if track := re.fullmatch("tracks/([0-9]{1,9})/state", channel):
            _set_face(watched, int(track[1]), payload)
            return []
        with suppress(InvalidMessageError):
            if channel == SUMMARY.address:
                return _summary_changed(watched, to_summary(payload), now_s)
            if channel == EVENTS.address:
                event = to_event(payload)
                ts = event.ts if event.ts is not None and event.ts <= MAX_TS else time.time()
                return [Entry(ts, watched.name, "alert" if event.alert else "event", event.text)]
        return []


def _state_changed(watched: WatchedBoard) -> list[Entry]:
    if watched.board.online is not True:
        watched.faces.clear()
        watched.summary = None
    if watched.board.online is None or (state := watched.describe()) == watched.state:
        return []
    watched.state = state
    return [Entry(time.time(), watched.name, "state", state)]


def _set_face(watched: WatchedBoard, track: int, payload: bytes) -> None:
    """Set or remove a face; an empty payload, or a damaged one, removes it."""
    try:
        face = to_face(track, payload)
    except InvalidMessageError:
        watched.faces.pop(track, None)
        return
    if track in watched.faces or len(watched.faces) < MAX_FACES:
        watched.faces[track] = face


def _summary_changed(watched: WatchedBoard, summary: Summary, now_s: float) -> list[Entry]:
    before = watched.fresh_summary(now_s)
    watched.summary, watched.summary_s = summary, now_s
    if summary.faces == 0:
        watched.faces.clear()
    if before is not None and (before.faces, before.counts) == (summary.faces, summary.counts):
        return []
    return [Entry(time.time(), watched.name, "summary", str(summary))]
