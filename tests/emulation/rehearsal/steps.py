"""The steps of a rehearsal: said aloud, timed, logged, summed up."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

TAIL = 12  # lines of a failed command's log that are shown


class RehearsalError(Exception):
    """A step failed; the message says which and why."""


class Skipped(Exception):  # noqa: N818 - nothing is wrong
    """This machine cannot rehearse; the message says why and what to do."""


@dataclass
class Step:
    """One thing that was done."""

    what: str
    took_s: float = 0.0
    came: str = ""  # what came of it, for the table


class Rehearsal:
    """What was done so far, and the log of every command."""

    def __init__(self, title: str, logs: Path) -> None:
        self.title = title
        self.steps: list[Step] = []
        self.facts: dict[str, Any] = {}
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"{title}.log"
        self.log.write_text("", encoding="utf-8")

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """Time what is done inside, and say it."""
        step, began_s = Step(what), time.monotonic()
        print(f"{self.title}: {what} ...", flush=True)
        self.note(f"== {what}\n")
        yield step
        step.took_s = round(time.monotonic() - began_s, 1)
        self.steps.append(step)
        print(f"{self.title}: {what}: {step.took_s:g} s{step.came and ', ' + step.came}", flush=True)

    def run(self, *command: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """What a command prints on its standard output; both of its outputs are logged.

        Raises:
            RehearsalError: it failed.
        """
        done = self._do([str(word) for word in command], cwd, env)
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip().splitlines()[-TAIL:]
            told = "\n".join(f"  {line}" for line in said)
            raise RehearsalError(f"{shlex.join(done.args)[-200:]} ended with {done.returncode}:\n{told}")
        return done.stdout

    def tries(self, *command: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """The same for a command that may fail: its exit code, and what it prints."""
        done = self._do([str(word) for word in command], cwd, env)
        return done.returncode, done.stdout

    def _do(
        self, words: list[str], cwd: Path | None, env: Mapping[str, str] | None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.note(f"$ {shlex.join(words)}\n{done.stdout}{done.stderr}")
        return done

    def note(self, text: str) -> None:
        """Add to the log."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(text if text.endswith("\n") else text + "\n")

    def table(self) -> str:
        """The steps with their times, for a person."""
        lines = [f"{step.took_s:>8.1f} s  {step.what:<34} {step.came}".rstrip() for step in self.steps]
        return "\n".join([*lines, f"{self.took_s:>8.1f} s  in all"])

    @property
    def took_s(self) -> float:
        """Time of all steps, seconds."""
        return round(sum(step.took_s for step in self.steps), 1)

    def report(self) -> dict[str, Any]:
        """The same for a program."""
        return {"took_s": self.took_s, "steps": [asdict(step) for step in self.steps], **self.facts}


def expect(truth: object, otherwise: str) -> None:
    """Go on only if something is so.

    Raises:
        RehearsalError: it is not.
    """
    if not truth:
        raise RehearsalError(otherwise)


def wait_for(condition: Callable[[], Any], what: str, patience_s: float, pause_s: float = 0.5) -> Any:
    """What `condition` returns, as soon as it is true.

    Raises:
        RehearsalError: it was not within `patience_s`.
    """
    deadline_s = time.monotonic() + patience_s
    while not (value := condition()):
        expect(time.monotonic() < deadline_s, f"waited {patience_s:g} s in vain for {what}")
        time.sleep(pause_s)
    return value


def conduct(name: str, work: Callable[[], dict[str, Any]], report: Path | None) -> int:
    """Do the work; what goes wrong becomes a sentence and an exit code.

    Args:
        name: of the rehearsal, for the messages.
        work: returns what is reported.
        report: where that is written as JSON, if anywhere.

    Returns:
        0 if it passed or could not be done here, 1 if it failed.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that everything is cleaned up
    try:
        told = work()
    except Skipped as reason:
        print(f"{name}: skipped: {reason}", file=sys.stderr)
        return 0
    except RehearsalError as error:
        print(f"{name}: failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if report is not None:
        report.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(f"{name}: passed")
    return 0
