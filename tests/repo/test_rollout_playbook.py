"""deploy/rollout.yml with real devices as local processes, a real broker and real Ansible."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from device.inference.model_card import digest
from tests.device.model_registry.test_rollout import next_one, running
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, wait_for
from tests.support.command import DEVICE, device

DEPLOY = Path(__file__).parents[2] / "deploy"
BOARDS = ("hall", "porch")
QUICK = ("model.trial_s=1", "model.trial_frames=2", "camera.fps=2")
ANSIBLE = shutil.which("ansible-playbook", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")

pytestmark = [
    needs_mosquitto,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(ANSIBLE is None, reason="Ansible is not installed: pip install .[deploy]"),
]


@contextmanager
def boards(folder: Path, port: int) -> Iterator[None]:
    """A running device for each board, and the command `emotion-device` of each."""
    with ExitStack() as stack, Listener(port, "emotion/+/status") as listener:
        for name in BOARDS:
            (folder / name).mkdir()
            command = folder / name / "emotion-device"
            command.write_text(f'#!/bin/sh\nSTATE_DIRECTORY={folder / name}/state exec {DEVICE} "$@" {settings()}\n')
            command.chmod(0o755)
            stack.enter_context(running(folder / name, port, f"id={name}", *QUICK))
        wait_for(
            lambda: {m.topic for m in listener.heard} == {f"emotion/{name}/status" for name in BOARDS}, "each board"
        )
        yield


def settings() -> str:
    return " ".join(f"--set device.{setting}" for setting in QUICK)


def play(folder: Path, model: Path, *options: str) -> tuple[int, str, dict[str, dict[str, int]]]:
    """Run the playbook: exit code, output, and the recap: board -> outcome -> count."""
    inventory = {"emotion_devices": {"hosts": {name: {"ansible_connection": "local"} for name in BOARDS}}}
    (folder / "inventory.json").write_text(json.dumps(inventory))
    here = {
        "emotion_device_command": f"{folder}/{{{{ inventory_hostname }}}}/emotion-device",
        "emotion_device_home": f"{folder}/{{{{ inventory_hostname }}}}",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "model": str(model),
    }
    (folder / "here.json").write_text(json.dumps(here))
    assert ANSIBLE is not None
    command = [ANSIBLE, f"--inventory={folder}/inventory.json", f"--extra-vars=@{folder}/here.json", *options]
    around = os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(DEPLOY / "ansible.cfg")}
    done = subprocess.run(
        [*command, DEPLOY / "rollout.yml"], cwd=folder, env=around, capture_output=True, text=True, timeout=800
    )
    recap = {
        name: {key: int(count) for key, count in re.findall(r"(\w+)=(\d+)", counts)}
        for name, counts in re.findall(r"^(\w+)\s+: (ok=.*)$", done.stdout, flags=re.MULTILINE)
    }
    return done.returncode, done.stdout + done.stderr, recap


def current(folder: Path, board: str) -> str:
    listed = json.loads(device("model", "list", "--json", cwd=folder / board).stdout)
    assert not listed["trial"]
    return str(listed["current"])


def test_waves(mosquitto: Mosquitto, tmp_path: Path) -> None:
    good, bad = next_one(tmp_path, version="good"), next_one(tmp_path, version="bad", golden=(9.0,) * 7)
    with boards(tmp_path, mosquitto.port):
        code, said, recap = play(tmp_path, good, "--check")
        assert code == 0 and recap.keys() == set(BOARDS), said
        assert current(tmp_path, "hall") != digest(good), "it only said what it would do"

        code, said, recap = play(tmp_path, good)
        assert code == 0, said
        assert [current(tmp_path, name) for name in BOARDS] == [digest(good)] * 2
        assert all(recap[name]["changed"] > 0 for name in BOARDS)
        assert said.count("PLAY [Roll out a model]") == 2, "one board, then the rest"

        code, said, recap = play(tmp_path, good)
        assert code == 0 and [recap[name]["changed"] for name in BOARDS] == [0, 0], said

        code, said, recap = play(tmp_path, bad)
        assert code != 0 and recap.keys() == {"hall"}, "the first board failed, and no other was touched"
        assert "steps off those in its card" in said
        assert [current(tmp_path, name) for name in BOARDS] == [digest(good)] * 2
        assert not (tmp_path / "hall" / "rollout").exists()


def test_a_model_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    code, said, _ = play(tmp_path, tmp_path / "nowhere.tflite")
    assert code != 0 and f"There is no file {tmp_path}/nowhere.tflite on the controller" in said
