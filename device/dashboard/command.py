"""`device dashboard` and `device fleet --web`: serve the page until a signal asks to stop."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from device.config import usage_policy
from device.config.schema import DeviceConfig
from device.dashboard.access import Access, open_access
from device.dashboard.fleet_feed import FleetFeed
from device.dashboard.history import History
from device.dashboard.http_server import DashboardServer
from device.dashboard.listener import BoardListener
from device.dashboard.live_state import LiveState
from device.dashboard.routes import BOARD_VIEWS, FLEET_VIEWS, Routes
from device.errors import UsageError
from device.fleet.boards import Boards
from device.fleet.inventory import read_inventory
from device.host.paths import state_dir
from device.mqtt.topics import Topics, checked
from device.service.signals import Signals
from device.standard_streams import log_to_stderr

SUMMARY_EXPIRY_S = 5.0  # at least; longer where summaries are rarer
MAX_HISTORY_S = 86400  # no board's history is longer, whatever this one's setting
FOLDER = "dashboard"  # below the state folder
LOOK_S = 0.2  # how often is looked for a signal


def dashboard(config: DeviceConfig) -> int:
    """Serve the page of one board until a signal asks to stop.

    Returns:
        0, the exit code.

    Raises:
        UsageError: the broker is not named, or the page could be read without a token.
        ListenError: the address cannot be listened on.
        StateError: the history cannot be written.
    """
    log_to_stderr(logging.INFO)
    with Signals() as signals, open_dashboard(config) as server:
        print(f"The dashboard of {Topics(config).root}: {server.url} (Ctrl-C ends it)", flush=True)
        _wait(signals)
    return 0


def fleet_dashboard(config: DeviceConfig, expected: int | None, inventory: Path | None) -> int:
    """Serve the page of all boards until a signal asks to stop.

    Args:
        config: the broker, the base topic and the limits of the health rules.
        expected: how many boards there must be.
        inventory: file with the names of the boards that must be there, one a line.

    Returns:
        0, the exit code.

    Raises:
        UsageError: as `dashboard`; or the inventory cannot be used.
        ListenError: the address cannot be listened on.
    """
    log_to_stderr(logging.INFO)
    access = open_access(config.dashboard)
    base_topic = checked("base_topic", config.mqtt.base_topic)
    boards = Boards(base_topic, read_inventory(inventory) if inventory else ())
    state = LiveState(
        Topics(config),
        SUMMARY_EXPIRY_S,
        SUMMARY_EXPIRY_S,
        facts=_facts(FLEET_VIEWS, 0) | {"device": None, "topic": base_topic},
    )
    feed = FleetFeed(config, boards, expected, state)
    routes = Routes(state, None, feed.report)
    with Signals() as signals, _server(config, routes, access) as server, feed:
        print(f"The dashboard of all boards under {base_topic}: {server.url} (Ctrl-C ends it)", flush=True)
        _wait(signals)
    return 0


@contextmanager
def open_dashboard(config: DeviceConfig) -> Iterator[DashboardServer]:
    """Serve the page of one board inside the `with`; raises what `dashboard` raises."""
    if config.mqtt.host is None:
        raise UsageError("device.mqtt.host is not set; name the broker: --set device.mqtt.host=broker.local.")
    topics, access, hours = Topics(config), open_access(config.dashboard), config.dashboard.history_h
    with ExitStack() as stack:
        history = None
        if hours > 0:
            history = History(_history_path(config, topics), hours)
            stack.callback(history.close)
        state = LiveState(
            topics,
            max(SUMMARY_EXPIRY_S, 2.5 * config.report.summary_s),
            config.report.track_expiry_s,
            usage_policy.aggregate(config),
            _facts(BOARD_VIEWS, hours),
        )
        if history is not None:
            state.add_alerts(reversed(history.alerts(0, time.time() + 1, limit=50)))
        server = stack.enter_context(_server(config, Routes(state, history), access))
        stack.enter_context(BoardListener(config.mqtt, state, history))
        yield server


def _server(config: DeviceConfig, routes: Routes, access: Access) -> DashboardServer:
    return DashboardServer(config.dashboard.host, config.dashboard.port, routes, access)


def _facts(views: tuple[str, ...], history_h: float) -> dict[str, object]:
    return {"views": views, "history_h": history_h}


def _history_path(config: DeviceConfig, topics: Topics) -> Path:
    """The file of this board; files of others that nobody has written for too long are deleted."""
    folder = state_dir(config) / FOLDER
    own = f"{topics.device}-{hashlib.sha256(topics.root.encode()).hexdigest()[:8]}.db"
    limit_s = time.time() - MAX_HISTORY_S
    with suppress(OSError):
        for path in folder.glob("*.db"):
            parts = list(folder.glob(f"{path.name}*"))  # also its log
            if path.name != own and max(part.stat().st_mtime for part in parts) < limit_s:
                for part in parts:
                    part.unlink()
    return folder / own


def _wait(signals: Signals) -> None:
    while not signals.stop:
        time.sleep(LOOK_S)
