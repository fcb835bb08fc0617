"""The registry of commands: an unknown verb is an error, and never runs anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device.camera.supervisor import CameraSupervisor
from device.config.schema import CameraConfig, DeviceConfig
from device.messages import Health
from device.publishing.command_inbox import Request
from device.publishing.reports import Report
from device.service import command_handler
from device.service.command_handler import COMMANDS, CommandHandler, command
from device.service.pause import Pause


class Requests:
    """A remote that sends these requests once, and keeps the answers."""

    def __init__(self, *requests: Request) -> None:
        self.waiting = list(requests)
        self.answers: dict[Request, tuple[dict[str, Any] | None, str | None]] = {}

    def report(self, report: Report) -> None:
        raise AssertionError("a handler reports nothing")

    def health(self) -> Health | None:
        return None

    def requests(self) -> list[Request]:
        waiting, self.waiting = self.waiting, []
        return waiting

    def answer(self, request: Request, data: dict[str, Any] | None, error: str | None = None) -> None:
        self.answers[request] = (data, error)


def handle(folder: Path, *requests: Request) -> Requests:
    """Execute requests; the camera is never opened."""
    remote = Requests(*requests)
    camera = CameraSupervisor(CameraConfig(source="nowhere.mp4"))
    handler = CommandHandler(DeviceConfig(), remote, camera, Pause(folder), lambda _: None, dict)
    handler.handle_requests()
    camera.close()
    return remote


@pytest.mark.parametrize("verb", ["fly", "", "Selftest", "self-test", "status"])
def test_a_verb_without_a_handler_is_an_error_and_never_a_self_test(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a self-test ran")

    monkeypatch.setattr(command_handler, "selftest", never)
    monkeypatch.setattr(CommandHandler, "_run_selftest", never)
    request = Request(verb, "1")
    assert handle(tmp_path, request).answers == {request: (None, f"there is no command {verb!r}.")}


def test_one_registered_method_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_handler, "COMMANDS", COMMANDS.copy())

    @command("blink")
    def blink(handler: CommandHandler, request: Request) -> None:
        handler._remote.answer(request, {"blinked": True})

    request = Request("blink", None)
    assert handle(tmp_path, request).answers == {request: ({"blinked": True}, None)}
    assert "blink" not in COMMANDS, "the copy only"
