"""An event as a row of the outbox: read only if it can be published as it is."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

from device.messages import AlertKind, AlertPhase, AttentionAlert, AttentionState, EmotionEvent, EventType

MAX_WORD = 200  # characters of an id or a label
MAX_NUMBER = 1e12  # of a time in seconds or a place in pixels; also refuses nan


def parse_event(body: str, seq: int) -> EmotionEvent:
    """The event of a row, with its number.

    Raises:
        ValueError, TypeError, KeyError: a bad disk, another hand or another version left something
            that is no event.
    """
    try:
        event = dataclasses.replace(EmotionEvent.from_json(body), seq=seq)
    except (RecursionError, OverflowError) as error:
        raise ValueError("nested or numbered beyond measure") from error
    if not _is_valid(event):
        raise ValueError("a field is not what it must be")
    return event


def _is_valid(event: EmotionEvent) -> bool:
    labels = (event.emotion, *([] if event.previous is None else [event.previous]))
    return (
        all(map(_is_word, (event.id, *labels)))
        and event.type in get_args(EventType)
        and type(event.track) is int
        and event.track >= 1
        and _is_number(event.ts)
        and _is_share(event.confidence)
        and isinstance(event.scores, dict)
        and all(_is_word(label) and _is_share(score) for label, score in event.scores.items())
        and (event.box is None or (len(event.box) == 4 and all(map(_is_number, event.box))))
        and isinstance(event.replayed, bool)
        and (event.attention is None or _is_attention(event.attention))
        and (event.alert is None or _is_alert(event.alert))
    )


def _is_attention(state: AttentionState) -> bool:
    return all(value is None or isinstance(value, bool) or _is_number(value) for value in vars(state).values())


def _is_alert(alert: AttentionAlert) -> bool:
    kinds, phases = get_args(AlertKind), get_args(AlertPhase)
    return alert.kind in kinds and alert.phase in phases and _is_number(alert.duration_s)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_WORD


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MAX_NUMBER


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1
