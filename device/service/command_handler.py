"""Does what is asked for over MQTT, on the main thread, between one frame and the next."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from device.camera.supervisor import CameraSupervisor
from device.config.schema import DeviceConfig
from device.messages import Stage
from device.publishing.base import Publisher
from device.publishing.command_inbox import Request
from device.selftest.runner import selftest
from device.service.pause import Pause

log = logging.getLogger(__name__)


class CommandHandler:
    """Works on requests and answers each.

    Args:
        config: what a self-test tests.
        publisher: where requests come from and answers go to.
        camera: what is paused and resumed.
        pause: keeps it paused over restarts.
    """

    def __init__(self, config: DeviceConfig, publisher: Publisher, camera: CameraSupervisor, pause: Pause) -> None:
        self._config = config
        self._publisher = publisher
        self._camera = camera
        self._pause = pause
        self._test: threading.Thread | None = None
        if pause.on:
            log.warning("paused, as it was before; the command `resume` ends it")
            camera.pause()

    def attend(self, settle: Callable[[], None], stages: Callable[[], dict[str, Stage]]) -> None:
        """Do what was asked for since the last time.

        Args:
            settle: brings tracks and status into line with the camera, before it is answered.
            stages: timings of the running chain.

        Raises:
            StuckError: the camera's process cannot be killed; the pause is kept on disk all the same.
        """
        for request in self._publisher.requests():
            match request.verb:
                case "pause":
                    kept = self._pause.set(True)  # first: if closing fails, the next start is a paused one
                    self._camera.pause()
                case "resume":
                    kept = self._pause.set(False)
                    self._camera.resume()
                case _:
                    self._begin_selftest(request, stages())
                    continue
            settle()
            log.info("%s, as asked for over MQTT", self._camera.state)
            self._publisher.answer(request, {"camera": self._camera.state, "survives_restart": kept})

    def _begin_selftest(self, request: Request, stages: dict[str, Stage]) -> None:
        """On a thread of its own: it may take longer than systemd's watchdog has patience."""
        if self._test is not None and self._test.is_alive():
            self._publisher.answer(request, None, "a self-test is running already; wait for its answer.")
            return
        self._test = threading.Thread(target=self._run_selftest, args=(request, stages), name="selftest", daemon=True)
        self._test.start()

    def _run_selftest(self, request: Request, stages: dict[str, Stage]) -> None:
        try:
            data: dict[str, Any] = json.loads(selftest(self._config, camera=False, live=stages).to_json())
        except Exception as error:  # an answer is owed whatever happens; the chain goes on
            log.exception("the self-test failed")
            self._publisher.answer(request, None, f"the self-test failed: {error}.")
        else:
            self._publisher.answer(request, data)
