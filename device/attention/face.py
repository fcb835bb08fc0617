"""The attention of one face: takes in one measurement after another, gives values and alerts."""

from __future__ import annotations

import math

from device.attention.alarm import Alarm
from device.attention.eyes import CLOSED, EyeHistory, OpenValue
from device.attention.measurement import GAP_S, LOST_S, NOTHING, Measurement
from device.config.schema import AttentionConfig
from device.messages import AttentionAlert, AttentionState

OPEN_AGAIN = 0.35  # openness above which closed eyes have opened
BACK_DEG = 5.0  # a head must turn back this far inside the limit
MOUTH_SHUT = 0.7  # of the yawn's threshold: below it a yawn has ended
AWAKE = 0.75  # of the threshold of `perclos`: below it the person is not drowsy any more


class FaceAttention:
    """The state of one face.

    Looks may come at any times. What happens in a gap is unknown; a clock that jumps back starts
    the history anew.

    Args:
        config: thresholds.
    """

    def __init__(self, config: AttentionConfig) -> None:
        self._config = config
        self._open_value = OpenValue()
        self._start()

    def _start(self) -> None:
        config = self._config
        self._history = EyeHistory()
        # A long closure: over 0.5 s, several times a blink (Caffier et al. 2003).
        self._eyes = Alarm("eyes_closed", 1.0 - CLOSED, 1.0 - OPEN_AGAIN, config.closed_s)
        # A yawn: the mouth wide open (Abtahi et al. 2011) for longer than a word; it lasts about
        # 6 s (Provine 1986).
        self._mouth = Alarm("yawn", config.yawn_openness, MOUTH_SHUT * config.yawn_openness, config.yawn_s)
        # Eyes off the road for 2 s double the risk of a crash (Klauer et al. 2006, DOT HS 810 594).
        self._head = Alarm("looking_away", config.away_deg, config.away_deg - BACK_DEG, config.away_s)
        self._drowsy = Alarm("drowsy", config.drowsy_perclos, AWAKE * config.drowsy_perclos, 0.0)
        self._latest = NOTHING
        self._openness: float | None = None
        self._time_s = -math.inf  # of the latest look

    def update(self, time_s: float, seen: Measurement) -> list[AttentionAlert]:
        """Take in one look.

        Args:
            time_s: of the frame, seconds.
            seen: what was measured.

        Returns:
            alerts that start or end with it.
        """
        ended = []
        if time_s < self._time_s:
            ended = self.finish()
            self._start()
        elif time_s == self._time_s:
            return []
        step_s = time_s - self._time_s
        self._openness = None if seen.eyes is None else self._open_value.openness(seen.eyes, min(GAP_S, step_s))
        self._latest, self._time_s = seen, time_s
        self._history.add(time_s, self._openness)
        return (
            ended
            + self._eyes.update(time_s, None if self._openness is None else 1.0 - self._openness)
            + self._mouth.update(time_s, seen.mouth)
            + self._head.update(time_s, seen.away_deg)
            + self._drowsy.update(time_s, self._history.perclos)
        )

    def state(self, time_s: float) -> AttentionState:
        """What is known at this moment; values of an old look are left out."""
        fresh = time_s - self._time_s <= LOST_S
        seen = self._latest if fresh else NOTHING
        return AttentionState(
            yaw_deg=seen.yaw_deg,
            pitch_deg=seen.pitch_deg,
            roll_deg=seen.roll_deg,
            eye_openness=self._openness if fresh else None,
            mouth_openness=seen.mouth,
            facing=seen.facing,
            perclos=self._history.perclos,
            blinks_per_min=self._history.blinks_per_min,
            eyes_closed=self._eyes.on(time_s),
            yawning=self._mouth.on(time_s),
            looking_away=self._head.on(time_s),
        )

    def finish(self) -> list[AttentionAlert]:
        """End every alert that is on; the face has left."""
        return [alert for alarm in (self._eyes, self._mouth, self._head, self._drowsy) for alert in alarm.finish()]
