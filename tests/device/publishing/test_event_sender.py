"""The event sender: its window, replayed events, refused events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from device.config.schema import OutboxConfig
from device.messages import EmotionEvent
from device.outbox.outbox import Outbox
from device.publishing.event_sender import EventSender

LABELS = ("happy", "sad")


def event(track: int = 1) -> EmotionEvent:
    return EmotionEvent(type="start", track=track, ts=1.0, emotion="happy", confidence=0.5, scores={})


class Wire:
    """A connection that records what is sent, with room for `window` events in flight."""

    def __init__(self, window: int = 10) -> None:
        self.given: list[EmotionEvent] = []
        self.window = window
        self.answers = 0

    def room(self) -> int:
        return self.window - len(self.given) + self.answers

    def send(self, event: EmotionEvent, recorded_s: float) -> int:
        self.given.append(event)
        return len(self.given)

    def answer(self, event_sender: EventSender, number: int, taken: bool = True) -> None:
        self.answers += 1
        assert event_sender.acknowledged(number, taken)
        event_sender.pump()

    @property
    def seqs(self) -> list[int | None]:
        return [event.seq for event in self.given]


def test_never_more_events_in_flight_than_there_is_room_for() -> None:
    outbox, wire = Outbox(None, OutboxConfig()), Wire(window=3)
    event_sender = EventSender(outbox, wire.room, wire.send)
    event_sender.connected()
    for _ in range(10):
        outbox.append(event())
        event_sender.pump()
    assert wire.seqs == [1, 2, 3]
    wire.answer(event_sender, 2)
    assert wire.seqs == [1, 2, 3, 4]
    for number in (1, *range(3, 11)):
        wire.answer(event_sender, number)
    assert wire.seqs == list(range(1, 11))
    assert event_sender.idle and outbox.depth == 0


def test_what_is_older_than_the_connection_is_replayed() -> None:
    outbox, wire = Outbox(None, OutboxConfig()), Wire()
    event_sender = EventSender(outbox, wire.room, wire.send)
    outbox.append(event())
    event_sender.connected()
    outbox.append(event())
    event_sender.pump()
    assert [e.replayed for e in wire.given] == [True, False]
    wire.answer(event_sender, 1)
    event_sender.lost()
    outbox.append(event())
    event_sender.pump()
    wire.given.clear()
    event_sender.connected()
    outbox.append(event())
    event_sender.pump()
    assert [(e.seq, e.replayed) for e in wire.given] == [(2, True), (3, True), (4, False)]


def test_a_refused_event_waits_for_the_next_connection_and_holds_up_nobody() -> None:
    outbox, wire = Outbox(None, OutboxConfig()), Wire(window=1)
    event_sender = EventSender(outbox, wire.room, wire.send)
    event_sender.connected()
    for _ in range(3):
        outbox.append(event())
    event_sender.pump()
    wire.answer(event_sender, 1, taken=False)
    wire.answer(event_sender, 2)
    wire.answer(event_sender, 3)
    assert event_sender.idle and outbox.depth == 1
    event_sender.lost()
    wire.given.clear()
    event_sender.connected()
    assert wire.seqs == [1]


@given(st.lists(st.tuples(st.integers(0, 70000), st.booleans()), max_size=30))
def test_answers_to_what_was_never_sent_change_nothing(answers: list[tuple[int, bool]]) -> None:
    outbox, wire = Outbox(None, OutboxConfig()), Wire()
    event_sender = EventSender(outbox, wire.room, wire.send)
    event_sender.connected()
    outbox.append(event(), event())
    event_sender.pump()
    known = {event_sender.acknowledged(number, taken) for number, taken in answers if number not in (1, 2)}
    assert True not in known
    assert outbox.depth == 2
