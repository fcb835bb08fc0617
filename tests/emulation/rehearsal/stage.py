"""What a rehearsal needs: the board, its broker, and the controller with its inventory."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from tests.emulation.rehearsal import workshop
from tests.emulation.rehearsal.broker import Listener
from tests.emulation.rehearsal.machine import Board, Machine
from tests.emulation.rehearsal.steps import Rehearsal, expect, wait_for

HOST = "10.0.2.2"  # this machine's loopback interface, as qemu shows it to the board
NAME = "pi"
SERVICE = "emotion-device"
CAMERA = "v4l2:///dev/video0"
PORTRAIT = "/opt/portrait.jpg"  # what a container sees at first, for it has no camera
# Ansible gets half of the one emulated core; without this the service takes two thirds.
PATIENT = "WatchdogSec=150\nTimeoutStartSec=900\nTimeoutStopSec=60\nCPUWeight=20\n"
PATIENCE_S = 900.0  # emulation on a busy machine is slow; on an idle one nothing takes a tenth of this
ASSETS = Path(__file__).with_name("board")  # what runs on the board


class Stage:
    """The board, the broker that hears it, and the controller that plays the playbook."""

    def __init__(self, rehearsal: Rehearsal, board: Board, listener: Listener, scratch: Path, wheels: Path) -> None:
        self.rehearsal, self.board, self.listener, self.scratch = rehearsal, board, listener, scratch
        self.emulated = isinstance(board, Machine)
        self._controller = workshop.controller(rehearsal)
        self._inventory = scratch / "inventory.json"
        self._inventory.write_text(json.dumps(inventory(board, listener.port, wheels)), encoding="utf-8")

    def play(self, playbook: str, *options: str) -> dict[str, int]:
        """Run a playbook that must succeed; its recap for the board, `changed` for example."""
        code, told = self.tries(playbook, *options)
        expect(code == 0, f"{playbook} ended with {code}; {self.rehearsal.log} has what it said")
        return recap(told)

    def tries(self, playbook: str, *options: str) -> tuple[int, str]:
        """Run a playbook that may fail: exit code and output; `.ansible` logs task times."""
        times = {"ANSIBLE_LOG_PATH": str(self.rehearsal.log.with_suffix(".ansible"))}
        env = os.environ | {"ANSIBLE_TIMEOUT": "300", "ANSIBLE_NOCOLOR": "1"} | times
        command = [self._controller / "ansible-playbook", "--inventory", self._inventory, playbook, *options]
        return self.rehearsal.tries(*command, cwd=workshop.REPOSITORY / "deploy", env=env)

    def wait_event(self, since: int, what: str, kind: str = "") -> dict[str, Any]:
        """The first event, of a kind if one is named, after the first `since` messages of all."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.listener.objects("events", since) if kind in ("", event["type"])]

        events: list[dict[str, Any]] = wait_for(found, what, PATIENCE_S)
        return events[0]

    def wait_online(self, since: int) -> None:
        """Until the device says, after the first `since` messages of all, that it is there."""
        wait_for(lambda: "online" in self.listener.texts("availability", since), "online", PATIENCE_S)

    def shows(self, *names: str) -> dict[str, str]:
        """Properties of the service, as systemd tells them."""
        asked = " ".join(f"-p {name}" for name in names)
        told = self.board.does(f"systemctl show {SERVICE} {asked}")
        return dict(line.split("=", 1) for line in told.splitlines())

    def mark(self) -> int:
        """How many messages came until now."""
        return len(self.listener.heard)


def recap(told: str, host: str = NAME) -> dict[str, int]:
    """The last line of what ansible-playbook says of a host, as numbers."""
    lines = re.findall(rf"^{host} +: (.*)$", told, flags=re.MULTILINE)
    expect(lines, f"the playbook says nothing of {host}")
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", lines[-1])}


def settings(emulated: bool, broker_port: int) -> dict[str, Any]:
    """The section `device` of config.yaml, with longer timeouts, since emulation is slow."""
    # One frame takes the emulated core a second, and Ansible needs that core too.
    camera = {"source": CAMERA, "fps": 1, "timeout_s": 60, "reopen_min_s": 10}
    picture = {"source": PORTRAIT, "picture_s": 3600, "fps": 5}
    return {
        "purpose": "test",
        "jurisdiction": "elsewhere",
        "camera": camera if emulated else picture,
        "detector": {"view": "whole" if emulated else "squares"},
        "tracker": {"lost_s": 10 if emulated else 1},  # longer than the slow film of acts.see_faces takes for a frame
        "mqtt": {"host": HOST if emulated else "127.0.0.1", "port": broker_port, "connect_timeout_s": 120},
        "selftest": {"budget_ms": 60000, "runs": 5, "warmup": 1},
        "model": {"test_s": 600, "trial_s": 20, "trial_frames": 5},
    }


def inventory(board: Board, broker_port: int, wheels: Path) -> dict[str, Any]:
    """As docs/deployment.md has it written."""
    emulated = isinstance(board, Machine)
    host = {
        "ansible_host": "127.0.0.1",
        "ansible_port": board.port,
        "ansible_user": "pi",
        "ansible_ssh_private_key_file": str(board.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={board.known_hosts}",
        "ansible_python_interpreter": "/usr/bin/python3",
        "emotion_device_config": settings(emulated, broker_port),
        "emotion_device_wheelhouse": str(wheels),
        "emotion_device_time_in_sync": False,  # there is no time server, and the clock is right
        "emotion_device_min_free_mb": 500,
        "emotion_device_unit_settings": PATIENT if emulated else "",
        "emotion_device_model_wait_s": 900,
    }
    return {"emotion_devices": {"hosts": {NAME: host}}}
