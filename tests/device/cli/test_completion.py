"""`device completion`: what each shell offers after the script is loaded."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from device.cli import main

BASH = """
source "$1"; shift
complete -p device
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _device
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", shell]) == 0
    path = tmp_path / f"device.{shell}"
    path.write_text(capsys.readouterr().out)
    return path


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["sel"], {"selftest"}),
        (["check"], {"check-config"}),
        (["run", "--l"], {"--loop"}),
        (["demo", "--broker", ""], {"auto", "mosquitto", "amqtt"}),
        (["model", "i"], {"install"}),
        (["model", "--j"], {"--json"}),
        (["model", "install", "--allow"], {"--allow-worse"}),
        (["run", "--set", "device.mqtt.po"], {"device.mqtt.port="}),
        (["completion", "f"], {"fish"}),
        (["run", "--config", ""], {""}),  # nothing of ours: the shell offers files
    ],
)
def test_bash_offers_what_fits(
    words: list[str], offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = script("bash", tmp_path, capsys)
    done = subprocess.run(["bash", "-c", BASH, "-", path, "device", *words], capture_output=True, text=True)
    registered, *found = done.stdout.splitlines()
    assert (registered, done.stderr) == ("complete -o default -F _device device", "")
    assert set(found) == offered


@pytest.mark.parametrize(("shell", "check"), [("zsh", "-n"), ("fish", "--no-execute")])
def test_the_other_shells_can_parse_their_script(
    shell: str, check: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = shutil.which(shell) or pytest.skip(f"{shell} is not installed")
    done = subprocess.run([program, check, script(shell, tmp_path, capsys)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_fish_offers_every_command_with_its_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = script("fish", tmp_path, capsys).read_text()
    assert "-a install -d 'check a model and switch to it'" in text
    assert "-l broker -x -a 'auto mosquitto amqtt'" in text
