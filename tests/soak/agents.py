"""Agents to be killed: `device run` without its imports, which would be most of a short life.

As a program it loads everything once. On a first line of input it forks an agent with the settings
of its command line and prints the process id; on the next it waits for the agent's end and prints
the exit status.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


class Agents:
    """One agent at a time, of a program that stands ready to fork the next.

    Args:
        settings: as `device run --set` takes them.
        log: where the agents' complaints go.
    """

    def __init__(self, settings: list[str], log: Path) -> None:
        with log.open("ab") as complaints:
            self._mother = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.agents", *settings],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                bufsize=1,
            )
        self.started = 0
        self.pid = 0
        self._read()  # it has loaded everything

    def start(self) -> None:
        """Let an agent run."""
        self.pid = int(self._ask())
        self.started += 1

    @property
    def ended(self) -> bool:
        """The agent is gone, by itself or not, and its end was not asked for yet."""
        return "(zombie)" in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8", errors="replace")

    def end(self, how: signal.Signals) -> int:
        """Send a signal, unless it ended by itself; returns the wait status."""
        os.kill(self.pid, how)  # until its mother is asked how it ended, the id is nobody else's
        self.pid = 0
        return int(self._ask())

    def close(self) -> None:
        """No more agents."""
        if self.pid:
            self.end(signal.SIGKILL)
        self._mother.kill()
        self._mother.communicate()

    def _ask(self) -> str:
        assert self._mother.stdin is not None
        self._mother.stdin.write("\n")
        return self._read()

    def _read(self) -> str:
        assert self._mother.stdout is not None
        line = self._mother.stdout.readline()
        assert line, "the agents' mother died; see the log"
        return line


def mother(settings: list[str]) -> None:
    """Fork one agent a line."""
    from device.config.schema import load_config
    from device.service import run

    config = load_config(overrides=settings)
    print("ready", flush=True)
    while sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            os._exit(_live(lambda: run.run(config)))
        print(pid, flush=True)
        sys.stdin.readline()
        print(os.waitpid(pid, 0)[1], flush=True)


def _live(run: Callable[[], int]) -> int:
    from device.errors import EmotionEdgeError

    try:
        return run()
    except EmotionEdgeError as error:
        print(f"agent: {error}", file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    mother(sys.argv[1:])
