"""The report on a fleet: every board with its assessment, as a table, as JSON and as a summary."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from device.config.schema import FleetConfig
from device.fleet.boards import Board, Boards
from device.fleet.health_rules import Assessment, assess
from device.fleet.parsing import Health, Status
from device.host.terminal import paint

HEADERS = (
    "board", "online", "model", "digest", "fps", "p95 ms", "°C", "outbox", "oldest", "camera", "message", "health",
)  # fmt: skip
RIGHT_ALIGNED = frozenset({"fps", "p95 ms", "°C", "outbox", "oldest", "message"})  # the numbers
DIGEST_DIGITS = 8  # enough to distinguish two models


@dataclass(frozen=True)
class Report:
    """A fleet at one moment.

    Args:
        boards: unhealthy boards first, then healthy ones with notes, then the rest; each group is
            sorted by name.
        now_s: monotonic seconds.
        since_s: start of the current subscription, monotonic seconds.
        expected: how many boards there must be; None for any number.
        unknown_topics: messages on topics that belong to no board.
        trouble: why no messages arrive at this moment.
    """

    boards: tuple[tuple[Board, Assessment], ...]
    now_s: float
    since_s: float
    expected: int | None = None
    unknown_topics: int = 0
    trouble: str | None = None

    @property
    def unhealthy(self) -> int:
        """How many boards are unhealthy."""
        return sum(not assessment.healthy for _, assessment in self.boards)

    @property
    def absent(self) -> int:
        """How many of the expected boards are missing and not known by name."""
        return max(0, (self.expected or 0) - len(self.boards))

    @property
    def ok(self) -> bool:
        """Whether there are boards, none is missing, all are healthy, and messages arrive."""
        return bool(self.boards) and not (self.unhealthy or self.absent or self.trouble)

    def summary(self) -> str:
        """The state of the fleet on one line."""
        count = len(self.boards)
        parts = [f"{count} {'board' if count == 1 else 'boards'}, {self.unhealthy} unhealthy, {self._online()} online"]
        if self.absent:
            parts.append(f"{self.absent} of {self.expected} sent no message")
        if (without := sum(board.known and board.health is None for board, _ in self.boards)) > 0:
            parts.append(f"{without} without health yet")
        if self.unknown_topics:
            parts.append(f"{self.unknown_topics} messages on unknown topics")
        if self.trouble:
            parts.append(self.trouble)
        return "; ".join(parts) + f"; listened for {self.now_s - self.since_s:.0f} s"

    def rows(self, limit: int | None = None) -> list[tuple[bool, tuple[str, ...]]]:
        """For the first `limit` boards: whether it is healthy, and its cells under `HEADERS`."""
        return [(assessed.healthy, _cells(board, assessed, self.now_s)) for board, assessed in self.boards[:limit]]

    def table(self) -> str:
        """All rows and the summary, as plain text."""
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(HEADERS, *(cells for _, cells in rows), strict=True)]
        lines = [paint(_line(HEADERS, widths), "bold")]
        lines += [_line(cells, widths) if healthy else paint(_line(cells, widths), "red") for healthy, cells in rows]
        return "\n".join([*lines, "", paint(self.summary(), "green" if self.ok else "red")])

    def to_json(self) -> str:
        """The report as one JSON document; ages in seconds."""
        document = {
            "ok": self.ok,
            "listened_s": round(self.now_s - self.since_s, 1),
            "trouble": self.trouble,
            "expected": self.expected,
            "known": len(self.boards),
            "online": self._online(),
            "unhealthy": self.unhealthy,
            "absent": self.absent,
            "strange_messages": self.unknown_topics,
            "boards": [_to_dict(board, assessment, self.now_s) for board, assessment in self.boards],
        }
        return json.dumps(document, indent=2)

    def _online(self) -> int:
        return sum(board.online is True for board, _ in self.boards)


def make_report(
    boards: Boards, limits: FleetConfig, now_s: float, since_s: float, expected: int | None, trouble: str | None
) -> Report:
    """Assess every board.

    Args:
        boards: the state of all boards.
        limits: the thresholds of the health rules.
        now_s: monotonic seconds.
        since_s: start of the current subscription, monotonic seconds.
        expected: how many boards there must be; None for any number.
        trouble: why no messages arrive at this moment.
    """
    named = boards.named
    assessed = [(b, assess(b, limits, now_s, since_s, not named or b.name in named)) for b in boards.all()]
    assessed.sort(key=lambda pair: (pair[1].healthy, not pair[1].notes))  # stable: each group stays sorted by name
    return Report(tuple(assessed), now_s, since_s, expected, boards.unknown_topics, trouble)


def _cells(board: Board, assessment: Assessment, now_s: float) -> tuple[str, ...]:
    status, health = board.status or Status(), board.health or Health()
    return (
        board.name,
        {True: "yes", False: "no", None: "?"}[board.online],
        status.model or "-",
        (status.digest or "-")[:DIGEST_DIGITS],
        _number(health.fps, 1),
        _number(health.p95_ms, 1),
        _number(health.temperature_c, 0) + ("!" if health.throttled else ""),
        _number(health.depth, 0),
        _number(health.oldest_age_s, 0, " s"),
        status.camera or "-",
        _number(None if board.last_message_s is None else now_s - board.last_message_s, 0, " s"),
        str(assessment),
    )


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if header in RIGHT_ALIGNED else cell.ljust(width)
        for header, cell, width in zip(HEADERS, cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()


def _to_dict(board: Board, assessment: Assessment, now_s: float) -> dict[str, Any]:
    return {
        "board": board.name,
        "healthy": assessment.healthy,
        "reasons": assessment.reasons,
        "notes": assessment.notes,
        "online": board.online,
        "heard_s_ago": None if board.last_message_s is None else round(now_s - board.last_message_s, 1),
        "losses": len(board.losses),
        "restarts": len(board.restarts),
        "status": None if board.status is None else dataclasses.asdict(board.status),
        "health": None if board.health is None else dataclasses.asdict(board.health),
    }
