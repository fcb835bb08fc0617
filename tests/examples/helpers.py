"""A webhook on the loopback interface, and the examples as a person starts them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.broker import wait_for

EXAMPLES = Path(__file__).parents[2] / "examples"


class Webhook:
    """A server that keeps what is posted to it. `with Webhook() as webhook: ...`"""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        alerts = self.alerts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/json"
                alerts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alert"

    def __enter__(self) -> Webhook:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def states(self, alert: str) -> list[str]:
        """The states of one kind of alert, in the order they came."""
        return [told["state"] for told in list(self.alerts) if told["alert"] == alert]

    def wait(self, alert: str, *states: str) -> None:
        """Wait until these are the states that came."""
        wait_for(lambda: self.states(alert) == list(states), f"{alert}: {states}; came: {self.alerts}")


class Example:
    """`with Example("driver.py", ...):` runs it; Ctrl-C ends it, with exit code 0."""

    def __init__(self, script: str, *options: object) -> None:
        self.output = ""  # on standard output, at the end
        line = [sys.executable, str(EXAMPLES / script), *map(str, options)]
        self._process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Example:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._process.send_signal(signal.SIGINT if kind is None else signal.SIGKILL)
        self.output, errors = self._process.communicate(timeout=30)
        assert kind is not None or (self._process.returncode == 0 and "Traceback" not in errors), errors

    def read_line(self, part: str) -> str:
        """The next line on standard error with this text."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if part in line:
                return line
        raise AssertionError(f"it ended without {part!r}")
