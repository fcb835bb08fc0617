"""Forks agents (`device run`) from one process that has imported everything already.

Tests kill agents after a second or less; without this, imports would take most of that time.
As a program, this module reads lines from standard input. The first line forks an agent with the
settings of the command line and prints its process id. The next line waits for the agent to exit
and prints its wait status. Then the next line forks again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


class Agents:
    """Starts and ends agents, one at a time, through a fork server.

    Args:
        settings: values for `device run --set`.
        log: file for the agents' standard error.
    """

    def __init__(self, settings: list[str], log: Path) -> None:
        with log.open("ab") as stderr:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.agents", *settings],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                bufsize=1,
            )
        self.started = 0
        self.pid = 0
        self._read_line()  # "ready": the imports are done

    def start(self) -> None:
        """Start an agent."""
        self.pid = int(self._request())
        self.started += 1

    @property
    def has_exited(self) -> bool:
        """Whether the agent has exited and `end` has not been called."""
        return "(zombie)" in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8", errors="replace")

    def end(self, signal_number: signal.Signals) -> int:
        """Send a signal and return the wait status; does nothing to an agent that has exited."""
        os.kill(self.pid, signal_number)  # safe after an exit: the id stays reserved until the server waits for it
        self.pid = 0
        return int(self._request())

    def close(self) -> None:
        """Kill the agent and the fork server."""
        if self.pid:
            self.end(signal.SIGKILL)
        self._server.kill()
        self._server.communicate()

    def _request(self) -> str:
        assert self._server.stdin is not None
        self._server.stdin.write("\n")
        return self._read_line()

    def _read_line(self) -> str:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the fork server died; see the log"
        return line


def serve_forks(settings: list[str]) -> None:
    """Fork an agent on one line of input, and wait for it on the next."""
    from device.config.schema import load_config
    from device.service import run

    config = load_config(overrides=settings)
    print("ready", flush=True)
    while sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            os._exit(_exit_code(lambda: run.run(config)))
        print(pid, flush=True)
        sys.stdin.readline()
        print(os.waitpid(pid, 0)[1], flush=True)


def _exit_code(run: Callable[[], int]) -> int:
    from device.errors import EmotionEdgeError

    try:
        return run()
    except EmotionEdgeError as error:
        print(f"agent: {error}", file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    serve_forks(sys.argv[1:])
