"""The mood and attention of a group: a line of CSV each minute, and an alert when one stays low.

    python examples/classroom.py --broker broker.local --topic emotion/classroom-3 > lesson.csv

`--broker` takes HOST[:PORT]. The default port is 1883; 8883 means TLS.

It reads `summary`, which a device publishes also where only groups are allowed. Mood is the
positive less the negative valence, -1 to 1. Attention is the mean of `facing`, 0 to 1.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from statistics import mean

from mqtt_listener import END, LOST, Alarm, listen, options, post

GAP = 0.1  # an alert ends only so far above the limit below which it began
SILENCE_S = 15.0  # no summary for so long: nobody is in view, or too few
COLUMNS = ("faces", "mood", "attention")


def main() -> None:
    """Listen until Ctrl-C."""
    parser = options(__doc__, "emotion/classroom-3")
    parser.add_argument("--mood", type=float, default=-0.2, help="an alert below it (%(default)s)")
    parser.add_argument("--attention", type=float, default=0.5, help="an alert below it (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it must be low (%(default)s)")
    parser.add_argument("--every", type=float, default=60.0, help="seconds of a line of CSV (%(default)s)")
    args = parser.parse_args()
    alarms = {name: Alarm(args.seconds, args.seconds) for name in ("mood", "attention")}
    seen: list[dict[str, float | None]] = []
    due_s = time.monotonic() + args.every
    print("time", *COLUMNS, sep=",", flush=True)
    for channel, payload in listen(args.broker, args.topic, ["summary", "availability"], SILENCE_S):
        values = read(payload) if channel == "summary" else dict.fromkeys(COLUMNS)
        if channel == "availability" and payload in (b"online", b"offline"):  # `offline` is also the last will
            post(args.webhook, alert="device", state=payload.decode(), ts=time.time())
        for name, alarm in alarms.items():
            low = None if (value := values[name]) is None else value < getattr(args, name) + GAP * alarm.on
            if alarm.changed(low, time.monotonic()):
                post(args.webhook, alert=name, state="low" if alarm.on else "good", value=value, ts=time.time())
        seen += [values] if values["faces"] else []
        if time.monotonic() >= due_s or channel in (LOST, END):
            print(line(seen), end="", flush=True)
            due_s, seen = time.monotonic() + args.every, []


def read(payload: bytes) -> dict[str, float | None]:
    """The values of a summary; None for those that it does not have, or that are damaged."""
    values: dict[str, float | None] = dict.fromkeys(COLUMNS)
    with suppress(ValueError, TypeError, KeyError, RecursionError, OverflowError):
        summary = json.loads(payload)
        values["faces"] = float(summary["faces"])
        if summary.get("valence") is not None:  # of too few faces
            values["mood"] = float(summary["valence"]["positive"]) - float(summary["valence"]["negative"])
        values["attention"] = float(summary["attention"]["facing"])  # null where it is not measured
    return {name: value if value is not None and math.isfinite(value) else None for name, value in values.items()}


def line(seen: list[dict[str, float | None]]) -> str:
    """Time and means as CSV; no line if nobody was seen, an empty cell for what is not known."""
    known = ([value for values in seen if (value := values[name]) is not None] for name in COLUMNS)
    cells = (f"{mean(column):.3f}" if column else "" for column in known)
    return ",".join([time.strftime("%Y-%m-%dT%H:%M:%S"), *cells]) + "\n" if seen else ""


if __name__ == "__main__":
    main()
