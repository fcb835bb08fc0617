"""One kind of alert: it begins when a value has been high for a while, and ends with hysteresis."""

from __future__ import annotations

import math

from device.attention.measurement import GAP_S, LOST_S
from device.messages import AlertKind, AlertPhase, AttentionAlert


class Alarm:
    """Watches one value of one face.

    Args:
        kind: of the alerts.
        enter: the value at which the state begins.
        leave: the value below which it ends; at most `enter`.
        hold_s: the state must last this long before the alert starts.
    """

    def __init__(self, kind: AlertKind, enter: float, leave: float, hold_s: float) -> None:
        self._kind = kind
        self._enter, self._leave, self._hold_s = enter, leave, hold_s
        self._since_s: float | None = None  # when the state began
        self._known_s: float | None = None  # time of the latest value
        self._seen_often = False  # the latest two values were close enough to judge a state by
        self._on = False

    def on(self, time_s: float) -> bool | None:
        """Whether the alert is on; None where the value is not known, or too seldom."""
        if self._known_s is None or time_s - self._known_s > LOST_S or not (self._on or self._seen_often):
            return None
        return self._on

    def update(self, time_s: float, value: float | None) -> list[AttentionAlert]:
        """Take in the value of one moment, None if it is unknown; times must grow."""
        if value is None:
            lost = self._known_s is not None and time_s - self._known_s > LOST_S
            return self.finish() if lost else []
        ended = self.finish() if self._gap_s(time_s) > LOST_S else []
        self._seen_often = self._gap_s(time_s) <= GAP_S
        if not self._on and not self._seen_often:
            self._since_s = None
        self._known_s = time_s
        return ended + self._step(time_s, value)

    def finish(self) -> list[AttentionAlert]:
        """End the alert if it is on, as of the latest value."""
        ended = [self._alert("end")] if self._on else []
        self._on, self._since_s, self._known_s, self._seen_often = False, None, None, False
        return ended

    def _gap_s(self, time_s: float) -> float:
        return math.inf if self._known_s is None else time_s - self._known_s

    def _step(self, time_s: float, value: float) -> list[AttentionAlert]:
        if value < self._leave:
            ended = [self._alert("end")] if self._on else []
            self._on, self._since_s = False, None
            return ended
        if value >= self._enter and self._since_s is None:
            self._since_s = time_s
        if self._on or self._since_s is None or time_s - self._since_s < self._hold_s:
            return []
        self._on = True
        return [self._alert("start")]

    def _alert(self, phase: AlertPhase) -> AttentionAlert:
        lasted_s = (self._known_s or 0.0) - (self._since_s or 0.0)
        return AttentionAlert(kind=self._kind, phase=phase, duration_s=lasted_s)
