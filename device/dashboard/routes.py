"""What each path answers. docs/dashboard.md lists the paths; every one only reads."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from device.dashboard.history import History
from device.dashboard.history_rows import csv_lines
from device.dashboard.live_state import LiveState
from device.dashboard.responses import CSV, RequestError, Response, json_response
from device.dashboard.static_files import INDEX, StaticFiles

BOARD_VIEWS = ("room", "driver", "device")
FLEET_VIEWS = ("fleet",)
ALL_VIEWS = (*BOARD_VIEWS, *FLEET_VIEWS)
PAGE = "/page/"
HOUR_S, DAY_S = 3600.0, 86400
CSV_CHUNK = 500  # lines sent at once


@dataclass(frozen=True)
class Request:
    """A request of a browser, parsed."""

    path: str
    query: Mapping[str, str]
    if_none_match: str | None = None
    takes_gzip: bool = False


class Routes:
    """Answers requests.

    Args:
        state: of the board or the fleet.
        history: of the board; None for none.
        fleet: returns the report on all boards; None where only one board is watched.
        files: of the page.
    """

    def __init__(
        self,
        state: LiveState,
        history: History | None,
        fleet: Callable[[], dict[str, Any]] | None = None,
        files: StaticFiles | None = None,
    ) -> None:
        self.state = state
        self._history, self._fleet = history, fleet
        self._files = files or StaticFiles()
        self.views = BOARD_VIEWS if fleet is None else FLEET_VIEWS
        self._api: dict[str, Callable[[Request], Response]] = {
            "/api/state": self._state,
            "/api/history": self._rows,
            "/api/history.csv": self._csv,
            "/api/alerts": self._alerts,
            "/api/fleet": self._boards,
        }

    def respond(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            RequestError: there is nothing at this path, or a parameter is wrong.
        """
        path = request.path
        if path == "/":
            return Response(302, headers={"Location": f"/{self.views[0]}"})
        if path.removeprefix("/") in ALL_VIEWS:
            return self._files.respond(INDEX, request.if_none_match, request.takes_gzip)
        if path.startswith(PAGE):
            return self._files.respond(path.removeprefix(PAGE), request.if_none_match, request.takes_gzip)
        if path in self._api:
            return self._api[path](request)
        raise RequestError(404, f"There is nothing here; the page is at /{self.views[0]}.")

    def _state(self, request: Request) -> Response:
        headers = {"ETag": self.state.etag(), "Cache-Control": "no-cache"}
        if request.if_none_match is not None and headers["ETag"] in request.if_none_match:
            return Response(304, headers=headers)
        return Response(body=self.state.document()[1], headers=headers)

    def _rows(self, request: Request) -> Response:
        begin, end = _span(request)
        step, rows = self._kept().rows(begin, end, _step(request))
        return json_response({"step_s": step, "rows": rows})

    def _csv(self, request: Request) -> Response:
        history = self._kept()
        begin, end = _span(request)
        lines = csv_lines(history.labels(), history.export(begin, end, _step(request)))
        day = time.strftime("%Y-%m-%d", time.gmtime())
        name = f"emotion-{self.state.device}-{day}.csv"
        return Response(200, CSV, _joined(lines), {"Content-Disposition": f'attachment; filename="{name}"'})

    def _alerts(self, request: Request) -> Response:
        alerts = self._kept().alerts(*_span(request))
        return json_response({"alerts": [] if self.state.groups_only else alerts})

    def _boards(self, request: Request) -> Response:
        if self._fleet is None:
            raise RequestError(404, "This dashboard watches one board; start `device fleet --web` for all.")
        return json_response(self._fleet())

    def _kept(self) -> History:
        if self._history is None:
            raise RequestError(404, "No history is kept; device.dashboard.history_h or --no-history turns it off.")
        return self._history


def _span(request: Request) -> tuple[float, float]:
    """The parameters `from` and `to`, UNIX seconds; without them, the last hour."""
    end = _number(request, "to", time.time() + 1)
    return _number(request, "from", end - HOUR_S), end


def _step(request: Request) -> int:
    """The parameter `step`, seconds."""
    step = _number(request, "step", 1)
    if not 1 <= step <= DAY_S:
        raise RequestError(400, f"step must be between 1 and {DAY_S} s.")
    return int(step)


def _number(request: Request, name: str, default: float) -> float:
    try:
        value = float(request.query.get(name, default))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RequestError(400, f"{name} must be a number of seconds.")
    return value


def _joined(lines: Iterator[str]) -> Iterator[bytes]:
    while chunk := "".join(itertools.islice(lines, CSV_CHUNK)):
        yield chunk.encode()
