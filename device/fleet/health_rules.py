"""When a board is healthy. Pure: what is known of it in, a verdict out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from device.config.schema import FleetConfig
from device.fleet.boards import Board

BAD_CAMERA = ("stalled", "frozen", "failed")
SETTLED = "accepted"  # how an update begins to be told that needs no more attention
QUIET_CAMERA = ("paused", "ended", "stopped")  # because somebody wanted it so
DEEPER = 2  # health messages in a row with more events waiting: it is no passing burst


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a board, worst first, and what is merely worth knowing. Nothing wrong is healthy."""

    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Nothing is wrong, as far as it was heard."""
        return not self.reasons

    def __str__(self) -> str:
        """On one line."""
        said = "; ".join(self.reasons or self.notes)
        return ("good" + (f" ({said})" if said else "")) if self.healthy else said


def judge(board: Board, limits: FleetConfig, now_s: float, since_s: float, named: bool = True) -> Verdict:
    """Judge one board.

    Args:
        board: what is known of it.
        limits: how much is too much.
        now_s: monotonic seconds.
        since_s: since when somebody has listened without a break; silence before that is not the board's.
        named: it is in the inventory, or there is none.
    """
    if not board.known:
        return Verdict(("never spoke",))
    reasons = [*_face_states(board, limits, now_s, since_s), *_coming_and_going(board, limits, now_s)]
    if board.online:  # of one that is gone, the rest is old
        reasons += [*_unreadable(board), *_camera(board, limits), *_heat(board), *_outbox(board, limits)]
    return Verdict(tuple(reasons), tuple(_notes(board, named)))


def _face_states(board: Board, limits: FleetConfig, now_s: float, since_s: float) -> Iterator[str]:
    silent_s = now_s - max(board.heard_s or since_s, since_s)
    if board.online is False:
        yield "offline" if board.offline_s is None else f"offline for {now_s - board.offline_s:.0f} s"
    elif board.online is None:
        yield "says nothing on availability"
    elif silent_s > limits.stale_s:
        yield f"online, but silent for {silent_s:.0f} s"


def _coming_and_going(board: Board, limits: FleetConfig, now_s: float) -> Iterator[str]:
    losses, restarts = (_recent(times, limits, now_s) for times in (board.losses, board.restarts))
    if losses >= limits.flaps:
        yield f"went offline {losses} times in {limits.window_s / 60:.0f} min"
    if restarts >= limits.flaps:
        yield f"restarted {restarts} times in {limits.window_s / 60:.0f} min"


def _unreadable(board: Board) -> Iterator[str]:
    for channel in sorted(board.unreadable):
        yield f"its {channel} cannot be read"


def _camera(board: Board, limits: FleetConfig) -> Iterator[str]:
    if board.status is None:
        return
    camera, health = board.status.camera, board.health
    if camera in BAD_CAMERA:
        yield f"camera {camera}" + (f": {board.status.camera_error}" if board.status.camera_error else "")
    if health is None:
        return
    if camera == "starting" and health.last_frame_age_s is None and (health.uptime_s or 0) > limits.stale_s:
        yield f"camera gives no frame since the start, {health.uptime_s:.0f} s ago"
    if camera == "running" and (health.last_frame_age_s or 0) > limits.stale_s:
        yield f"no frame for {health.last_frame_age_s:.0f} s"


def _heat(board: Board) -> Iterator[str]:
    if board.health is not None and board.health.throttled:
        yield ", ".join(board.health.throttled)


def _outbox(board: Board, limits: FleetConfig) -> Iterator[str]:
    health = board.health
    if health is None:
        return
    if health.trouble:
        yield f"state folder: {health.trouble}"
    if board.dropped:
        yield f"gave up {board.dropped} events"
    if (health.oldest_age_s or 0) > limits.waiting_s:
        yield f"{health.depth} events wait, the oldest {health.oldest_age_s:.0f} s"
    elif board.deeper >= DEEPER:
        yield f"outbox grows: {health.depth} events"


def _notes(board: Board, named: bool) -> Iterator[str]:
    status, health = board.status, board.health
    if not named:
        yield "not in the inventory"
    if status is None:
        yield "no status yet"
    else:
        yield from (f"camera {word}" for word in QUIET_CAMERA if status.camera == word)
        yield from (f"settings not in force: {why}" for why in (status.config_error,) if why)
        yield from (f"model update: {how}" for how in (status.update,) if how and not how.startswith(SETTLED))
    if health is None:
        yield "no health yet"
    else:
        yield from (f"before: {', '.join(words)}" for words in (health.throttled_before,) if words)
        yield from (f"gave up {count} events before" for count in ((health.dropped or 0) - board.dropped,) if count > 0)


def _recent(times: Iterable[float], limits: FleetConfig, now_s: float) -> int:
    return sum(now_s - at_s <= limits.window_s for at_s in times)
