"""Alerts of a driver: eyes closed, drowsy, looking away, no face in view; each to a webhook.

    python examples/driver.py --broker broker.local --topic emotion/car --webhook http://localhost/alert

`--broker` takes HOST[:PORT]. The default port is 1883; 8883 means TLS.

Eyes and head need `device.attention.enabled: true` on the device. Without it only expressions are
known; then it says so, and alerts when somebody looks angry or afraid for long. An expression tells
nothing of drowsiness. This is an example, and no certified safety system.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

from mqtt_listener import LOST, Alarm, listen, options, post, say

KINDS = ("eyes_closed", "drowsy", "looking_away", "tense", "no_face")
TENSE = ("angry", "fear")
TICK_S = 0.2


class Driver:
    """What is known since the device came online."""

    def __init__(self, online: bool = False) -> None:
        self.online = online
        self.measured: bool | None = None  # whether the device sends attention; None: not known yet
        self._faces: dict[int, set[str]] = {}  # the reasons for an alert of each face in view

    def reason(self, kind: str) -> bool | None:
        """Whether there is a reason for an alert of this kind; None without a device."""
        if not self.online:
            return None
        return not self._faces if kind == "no_face" else any(kind in reasons for reasons in self._faces.values())

    def take_state(self, channel: str, payload: bytes) -> None:
        """Take in `tracks/<n>/state`: retained, cleared when the face leaves."""
        track = int(channel.split("/")[1])
        if not payload:
            self._faces.pop(track, None)
            return
        state = json.loads(payload)
        attention: dict[str, Any] | None = state.get("attention")  # its flags are true while such an alert is on
        self.measured = attention is not None
        reasons = self._faces.setdefault(track, set())
        reasons -= {"tense", *(attention or {})}
        reasons |= {kind for kind, now in (attention or {}).items() if now is True}
        reasons |= {"tense"} if state["emotion"] in TENSE and not self.measured else set()

    def take_event(self, payload: bytes) -> None:
        """Take in an event; what is `replayed` happened long ago."""
        event = json.loads(payload)
        if event["type"] == "attention" and not event["replayed"] and event["track"] in self._faces:
            reasons, alert = self._faces[event["track"]], event["alert"]
            (reasons.add if alert["phase"] == "start" else reasons.discard)(alert["kind"])


def main() -> None:
    """Listen until Ctrl-C."""
    parser = options(__doc__, "emotion/car")
    parser.add_argument("--after", type=float, default=1.0, help="seconds until an alert begins (%(default)s)")
    parser.add_argument("--clear", type=float, default=3.0, help="seconds until it ends (%(default)s)")
    args = parser.parse_args()
    driver, alarms = Driver(), {kind: Alarm(args.after, args.clear) for kind in KINDS}
    for channel, payload in listen(args.broker, args.topic, ["availability", "tracks/+/state", "events"], TICK_S):
        measured = driver.measured
        if channel in (LOST, "availability"):
            online = payload == b"online"  # `offline` is also the device's last will
            if online != driver.online:
                post(args.webhook, alert="device", state="online" if online else "offline", ts=time.time())
                driver = Driver(online)
        with suppress(ValueError, TypeError, LookupError, AttributeError, RecursionError):  # a damaged message
            if channel.startswith("tracks/"):
                driver.take_state(channel, payload)
            elif channel == "events":
                driver.take_event(payload)
        if driver.measured is False and measured is not False:
            say("no attention is measured: only expressions are known, nothing of eyes and head")
        for kind, alarm in alarms.items():
            if alarm.changed(driver.reason(kind), time.monotonic()):
                post(args.webhook, alert=kind, state="start" if alarm.on else "end", ts=time.time())


if __name__ == "__main__":
    main()
