"""A fleet at one moment: every board with its verdict, as rows of a table, as JSON, and in one sentence."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from device.config.schema import FleetConfig
from device.fleet.boards import Board, Boards
from device.fleet.health_rules import Verdict, judge
from device.fleet.parsing import to_health, to_status
from device.host.terminal import paint

HEAD = ("board", "online", "model", "digest", "fps", "p95 ms", "°C", "outbox", "oldest", "camera", "heard", "verdict")
RIGHT = frozenset({"fps", "p95 ms", "°C", "outbox", "oldest", "heard"})  # columns of figures
SHOWN = 8  # digits of a digest that tell two apart


@dataclass(frozen=True)
class Report:
    """A fleet at one moment: unhealthy boards first, then those with something worth knowing; each group by name."""

    boards: tuple[tuple[Board, Verdict], ...]
    now_s: float
    since_s: float
    expected: int | None = None  # boards there must be
    strange: int = 0  # messages under our topics that no board can have sent
    trouble: str | None = None  # why nothing is heard at this moment

    @property
    def unhealthy(self) -> int:
        """How many boards are."""
        return sum(not verdict.healthy for _, verdict in self.boards)

    @property
    def absent(self) -> int:
        """How many boards of those that were counted on are not even known by name."""
        return max(0, (self.expected or 0) - len(self.boards))

    @property
    def ok(self) -> bool:
        """There are boards, all that were counted on, and all are healthy."""
        return bool(self.boards) and not (self.unhealthy or self.absent or self.trouble)

    def sentence(self) -> str:
        """How the fleet is."""
        parts = [f"{len(self.boards)} boards, {self.unhealthy} unhealthy, {self._online()} online"]
        if self.absent:
            parts.append(f"{self.absent} of {self.expected} never spoke")
        if (early := sum(board.known and board.health is None for board, _ in self.boards)) > 0:
            parts.append(f"{early} without health yet")
        if self.strange:
            parts.append(f"{self.strange} messages are no board's")
        if self.trouble:
            parts.append(self.trouble)
        return "; ".join(parts) + f"; listened for {self.now_s - self.since_s:.0f} s"

    def rows(self, most: int | None = None) -> list[tuple[bool, tuple[str, ...]]]:
        """Whether each board is healthy, and its cells under `HEAD`; the first `most` of them."""
        return [(verdict.healthy, _cells(board, verdict, self.now_s)) for board, verdict in self.boards[:most]]

    def table(self) -> str:
        """All rows and the sentence, as plain text."""
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(HEAD, *(cells for _, cells in rows), strict=True)]
        lines = [paint(_line(HEAD, widths), "bold")]
        lines += [_line(cells, widths) if good else paint(_line(cells, widths), "red") for good, cells in rows]
        return "\n".join([*lines, "", paint(self.sentence(), "green" if self.ok else "red")])

    def to_json(self) -> str:
        """Everything, as one JSON document; ages in seconds."""
        document = {
            "ok": self.ok,
            "listened_s": round(self.now_s - self.since_s, 1),
            "trouble": self.trouble,
            "expected": self.expected,
            "known": len(self.boards),
            "online": self._online(),
            "unhealthy": self.unhealthy,
            "absent": self.absent,
            "strange_messages": self.strange,
            "boards": [_plain(board, verdict, self.now_s) for board, verdict in self.boards],
        }
        return json.dumps(document, indent=2)

    def _online(self) -> int:
        return sum(board.online is True for board, _ in self.boards)


def report(
    boards: Boards, limits: FleetConfig, now_s: float, since_s: float, expected: int | None, trouble: str | None
) -> Report:
    """Judge every board.

    Args:
        boards: what was heard.
        limits: how much is too much.
        now_s: monotonic seconds.
        since_s: since when nothing was missed.
        expected: boards there must be; None does not count on any that are not named.
        trouble: why nothing is heard at this moment.
    """
    named = boards.named
    judged = [(b, judge(b, limits, now_s, since_s, not named or b.name in named)) for b in boards.all()]
    judged.sort(key=lambda pair: (pair[1].healthy, not pair[1].notes))  # stable: each group stays sorted by name
    return Report(tuple(judged), now_s, since_s, expected, boards.strange, trouble)


def _cells(board: Board, verdict: Verdict, now_s: float) -> tuple[str, ...]:
    status, health = board.status or to_status({}), board.health or to_health({})
    return (
        board.name,
        {True: "yes", False: "no", None: "?"}[board.online],
        status.model or "-",
        (status.digest or "-")[:SHOWN],
        _figure(health.fps, 1),
        _figure(health.p95_ms, 1),
        _figure(health.temperature_c, 0) + ("!" if health.throttled else ""),
        _figure(health.depth, 0),
        _figure(health.oldest_age_s, 0, " s"),
        status.camera or "-",
        _figure(None if board.heard_s is None else now_s - board.heard_s, 0, " s"),
        str(verdict),
    )


def _figure(value: float | None, digits: int, unit: str = "") -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if head in RIGHT else cell.ljust(width)
        for head, cell, width in zip(HEAD, cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()


def _plain(board: Board, verdict: Verdict, now_s: float) -> dict[str, Any]:
    return {
        "board": board.name,
        "healthy": verdict.healthy,
        "reasons": verdict.reasons,
        "notes": verdict.notes,
        "online": board.online,
        "heard_s_ago": None if board.heard_s is None else round(now_s - board.heard_s, 1),
        "losses": len(board.losses),
        "restarts": len(board.restarts),
        "status": None if board.status is None else dataclasses.asdict(board.status),
        "health": None if board.health is None else dataclasses.asdict(board.health),
    }
