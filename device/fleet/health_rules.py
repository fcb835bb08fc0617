"""The rules by which a board is healthy or not.

To add a rule, write a function that yields a sentence part for each problem, and add it to `RULES`,
or to `NOTES` if it does not make a board unhealthy. The order there is the order in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from device.config.schema import FleetConfig
from device.fleet.boards import Board

BAD_CAMERA = ("stalled", "frozen", "failed")
QUIET_CAMERA = ("paused", "ended", "stopped")  # on request, so not a fault
ACCEPTED = "accepted"  # start of a model update's text that needs no attention
GROWING = 2  # health messages in a row with a deeper outbox; fewer can be a short burst


@dataclass(frozen=True)
class Assessment:
    """The reasons why a board is unhealthy, worst first, and notes that do not make it so."""

    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether no rule found a problem."""
        return not self.reasons

    def __str__(self) -> str:
        """The assessment on one line."""
        details = "; ".join(self.reasons or self.notes)
        return ("good" + (f" ({details})" if details else "")) if self.healthy else details


@dataclass(frozen=True)
class Context:
    """What a rule evaluates.

    Args:
        board: the state of the board.
        limits: the thresholds of the rules.
        now_s: monotonic seconds.
        since_s: start of the current subscription, monotonic seconds; messages before it may be
            missing.
        named: the board is in the inventory, or there is no inventory.
    """

    board: Board
    limits: FleetConfig
    now_s: float
    since_s: float
    named: bool = True


Rule: TypeAlias = Callable[[Context], Iterator[str]]


def assess(board: Board, limits: FleetConfig, now_s: float, since_s: float, named: bool = True) -> Assessment:
    """Apply all rules to one board; the arguments are those of `Context`."""
    if not board.known:
        return Assessment(("no message received",))
    context = Context(board, limits, now_s, since_s, named)
    return Assessment(_apply(RULES, context), _apply(NOTES, context))


def _apply(rules: Iterable[Rule], context: Context) -> tuple[str, ...]:
    return tuple(text for rule in rules for text in rule(context))


def _if_online(rule: Rule) -> Rule:
    """Skip a rule unless the board is online: status and health of an offline board are old."""
    return lambda context: rule(context) if context.board.online else iter(())


def _availability(context: Context) -> Iterator[str]:
    board, now_s, since_s = context.board, context.now_s, context.since_s
    silent_s = now_s - max(board.last_message_s or since_s, since_s)
    if board.online is False:
        yield "offline" if board.offline_s is None else f"offline for {now_s - board.offline_s:.0f} s"
    elif board.online is None:
        yield "no availability message received"
    elif silent_s > context.limits.stale_s:
        yield f"online, but no message for {silent_s:.0f} s"


def _flapping(context: Context) -> Iterator[str]:
    limits = context.limits
    losses, restarts = (_recent(times, context) for times in (context.board.losses, context.board.restarts))
    if losses >= limits.flaps:
        yield f"went offline {losses} times in {limits.window_s / 60:.0f} min"
    if restarts >= limits.flaps:
        yield f"restarted {restarts} times in {limits.window_s / 60:.0f} min"


@_if_online
def _unreadable(context: Context) -> Iterator[str]:
    for channel in sorted(context.board.unreadable):
        yield f"its {channel} message cannot be parsed"


@_if_online
def _camera(context: Context) -> Iterator[str]:
    status, health, stale_s = context.board.status, context.board.health, context.limits.stale_s
    if status is None:
        return
    if status.camera in BAD_CAMERA:
        yield f"camera {status.camera}" + (f": {status.camera_error}" if status.camera_error else "")
    if health is None:
        return
    if status.camera == "starting" and health.last_frame_age_s is None and (health.uptime_s or 0) > stale_s:
        yield f"no frame since the start {health.uptime_s:.0f} s ago"
    if status.camera == "running" and (health.last_frame_age_s or 0) > stale_s:
        yield f"no frame for {health.last_frame_age_s:.0f} s"


@_if_online
def _throttling(context: Context) -> Iterator[str]:
    health = context.board.health
    if health is not None and health.throttled:
        yield ", ".join(health.throttled)


@_if_online
def _outbox(context: Context) -> Iterator[str]:
    board, health = context.board, context.board.health
    if health is None:
        return
    if health.trouble:
        yield f"state folder: {health.trouble}"
    if board.dropped:
        yield f"dropped {board.dropped} events"
    if (health.oldest_age_s or 0) > context.limits.waiting_s:
        yield f"{health.depth} events waiting, the oldest for {health.oldest_age_s:.0f} s"
    elif board.growing >= GROWING:
        yield f"outbox grows: {health.depth} events"


def _not_in_inventory(context: Context) -> Iterator[str]:
    if not context.named:
        yield "not in the inventory"


def _status_notes(context: Context) -> Iterator[str]:
    status = context.board.status
    if status is None:
        yield "no status yet"
        return
    if status.camera in QUIET_CAMERA:
        yield f"camera {status.camera}"
    if status.config_error:
        yield f"changed config not used: {status.config_error}"
    if status.update and not status.update.startswith(ACCEPTED):
        yield f"model update: {status.update}"


def _health_notes(context: Context) -> Iterator[str]:
    health = context.board.health
    if health is None:
        yield "no health yet"
        return
    if health.throttled_before:
        yield f"since boot: {', '.join(health.throttled_before)}"
    if (before := (health.dropped or 0) - context.board.dropped) > 0:
        yield f"dropped {before} events earlier"


def _recent(times: Iterable[float], context: Context) -> int:
    return sum(context.now_s - at_s <= context.limits.window_s for at_s in times)


RULES: tuple[Rule, ...] = (_availability, _flapping, _unreadable, _camera, _throttling, _outbox)
NOTES: tuple[Rule, ...] = (_not_in_inventory, _status_notes, _health_notes)
