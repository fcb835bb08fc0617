"""Executes MQTT commands on the main thread, between two frames.

To add a command, write a method with `@command("verb")`: the verb is then accepted over MQTT.
`status` alone is not here: the MQTT thread answers it, so that it works while the main thread
hangs.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from device.camera.supervisor import CameraSupervisor
from device.config.schema import DeviceConfig
from device.messages import Stage
from device.publishing.command_inbox import Request
from device.publishing.protocols import Remote
from device.selftest.runner import selftest
from device.service.pause import Pause

log = logging.getLogger(__name__)

Command: TypeAlias = "Callable[[CommandHandler, Request], None]"

COMMANDS: dict[str, Command] = {}
"""Handler of each verb."""


def command(verb: str) -> Callable[[Command], Command]:
    """Register a method of `CommandHandler` as the handler of a verb."""

    def register(handler: Command) -> Command:
        COMMANDS[verb] = handler
        return handler

    return register


class CommandHandler:
    """Executes requests and answers each.

    Args:
        config: the settings for the self-test.
        remote: where requests come from and answers go.
        camera: is paused and resumed.
        pause: keeps it paused across restarts.
        switched: called when the camera was paused or resumed, before the answer is sent.
        stages: timings of the running pipeline; None: a self-test measures on its own picture, as
            these would show whether somebody is in view.
    """

    def __init__(
        self,
        config: DeviceConfig,
        remote: Remote,
        camera: CameraSupervisor,
        pause: Pause,
        switched: Callable[[CameraSupervisor], None],
        stages: Callable[[], dict[str, Stage]] | None = None,
    ) -> None:
        self._config = config
        self._remote = remote
        self._camera = camera
        self._pause = pause
        self._switched = switched
        self._stages = stages
        self._selftest: threading.Thread | None = None
        if pause.on:
            log.warning("still paused since before the start; the command `resume` ends it")
            camera.pause()

    def handle_requests(self) -> None:
        """Execute the requests received since the last call.

        Raises:
            StuckError: the camera's process cannot be killed; the pause is on disk all the same.
        """
        for request in self._remote.requests():
            handler = COMMANDS.get(request.verb)
            if handler is None:
                self._remote.answer(request, None, f"there is no command {request.verb!r}.")
            else:
                handler(self, request)

    @command("pause")
    def _pause_camera(self, request: Request) -> None:
        kept = self._pause.set(True)  # first: if closing fails, the next start is paused
        self._camera.pause()
        self._answer_switched(request, kept)

    @command("resume")
    def _resume_camera(self, request: Request) -> None:
        kept = self._pause.set(False)
        self._camera.resume()
        self._answer_switched(request, kept)

    @command("selftest")
    def _start_selftest(self, request: Request) -> None:
        """On a thread of its own: it may take longer than systemd's watchdog allows."""
        if self._selftest is not None and self._selftest.is_alive():
            self._remote.answer(request, None, "a self-test is running already; wait for its answer.")
            return
        arguments = (request, None if self._stages is None else self._stages())
        self._selftest = threading.Thread(target=self._run_selftest, args=arguments, name="selftest", daemon=True)
        self._selftest.start()

    def _run_selftest(self, request: Request, stages: dict[str, Stage] | None) -> None:
        try:
            data: dict[str, Any] = json.loads(selftest(self._config, camera=False, live=stages).to_json())
        except Exception as error:  # every request gets an answer; the session continues
            log.exception("the self-test failed")
            self._remote.answer(request, None, f"the self-test failed: {error}.")
        else:
            self._remote.answer(request, data)

    def _answer_switched(self, request: Request, kept: bool) -> None:
        self._switched(self._camera)
        log.info("camera %s, requested over MQTT", self._camera.state)
        self._remote.answer(request, {"camera": self._camera.state, "survives_restart": kept})
