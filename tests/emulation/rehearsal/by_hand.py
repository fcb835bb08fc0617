"""Installation by hand as in docs/deployment.md: checkout, board.yml, install.sh, removal."""

from __future__ import annotations

import platform

from tests.emulation.rehearsal import workshop
from tests.emulation.rehearsal.stage import PORTRAIT, SERVICE, Stage, recap
from tests.emulation.rehearsal.steps import expect

# What a clone has, as far as an installation reads it.
CHECKOUT = ("deploy", "device", "scripts", "systemd", "trainer", "pyproject.toml", "README.md", "LICENSE", "NOTICE")
HOME = "/home/pi/emotion-edge"
OFFLINE = "/opt/offline"  # what the internet has for a board; it stands in for it
INSTALLER = ("-r", "deploy/requirements.txt", "setuptools", "wheel")
GONE = ("/opt/emotion-edge", "/etc/emotion-edge", "/var/lib/private/emotion-device", "/usr/local/sbin/emotion-device")
HERE = "emotion_device_time_in_sync: false\nemotion_device_min_free_mb: 500\n"  # there is no time server


def by_hand(stage: Stage) -> None:
    """Run install.sh on the board, from a fresh system to the first event, then remove it."""
    if stage.emulated:
        return  # Ansible would have to be installed there first; docs/decisions/rehearsals.md
    with stage.rehearsal.step("a clone on the board"):
        bring(stage)
    with stage.rehearsal.step("board.yml"):
        edit(stage)
    with stage.rehearsal.step("install.sh --check") as step:
        step.came = f"would change {says(stage, 'sudo deploy/install.sh board.yml --check')['changed']}"
        expect(not left(stage), f"--check made {left(stage)}")
    with stage.rehearsal.step("install.sh") as step:
        since = stage.mark()
        step.came = f"changed={says(stage, 'sudo deploy/install.sh board.yml')['changed']}"
    with stage.rehearsal.step("the first event") as step:
        event = stage.wait_event(since, "a first event", "start")
        step.came = f"{event['type']}, seq {event['seq']}"
    with stage.rehearsal.step("install.sh again") as step:
        changed = says(stage, "sudo deploy/install.sh board.yml")["changed"]
        step.came = f"changed={changed}"
        expect(changed == 0, f"the second run changed {changed} things")
    with stage.rehearsal.step("what a person asks then"):
        as_pi(stage, f"systemctl status {SERVICE} && sudo journalctl -u {SERVICE} -n 5")
        as_pi(stage, "sudo emotion-device selftest --no-camera && sudo emotion-device model list")
    with stage.rehearsal.step("install.sh takes it away") as step:
        says(stage, "sudo env UNINSTALL=1 deploy/install.sh board.yml")
        expect(not left(stage), f"there is still {left(stage)}")
        step.came = "nothing of it is left"


def bring(stage: Stage) -> None:
    """What `git clone` brings, and what pip would find in the internet."""
    archive = stage.scratch / "checkout.tar"
    without = ("--exclude=__pycache__", "--exclude=deploy/inventory")
    stage.rehearsal.run("tar", "--create", "--file", archive, "--directory", workshop.REPOSITORY, *without, *CHECKOUT)
    stage.board.takes(archive.read_bytes(), f"{HOME}.tar")
    stage.board.does(f"mkdir {HOME} && tar -C {HOME} -xf {HOME}.tar && chown -R pi: {HOME}")
    python = stage.board.does("python3 -c 'import sys; print(*sys.version_info[:2], sep=\".\")'").strip()
    wheels = workshop.wheelhouse(stage.rehearsal, python, platform.machine(), *INSTALLER)
    stage.board.takes(wheels.read_bytes(), f"{OFFLINE}.tar")
    stage.board.does(f"mkdir {OFFLINE} && tar -C {OFFLINE} -xf {OFFLINE}.tar")
    stage.board.takes(f"[global]\nno-index = true\nfind-links = {OFFLINE}\n", "/etc/pip.conf")
    stage.board.takes("", "/var/lib/apt/periodic/update-success-stamp")  # apt has asked the internet just now


def edit(stage: Stage) -> None:
    """What a person does in an editor."""
    as_pi(stage, "cp deploy/example/group_vars/emotion_devices.yml board.yml")
    camera = rf"s#source: .*#source: {PORTRAIT}\n    picture_s: 3600#"
    port = f"s/# port: 8883/port: {stage.listener.port}/"
    as_pi(stage, f"sed -i 's/purpose: home/purpose: test/; {camera}; s/broker.local/127.0.0.1/; {port}' board.yml")
    as_pi(stage, f"cat >> board.yml <<'END'\n{HERE}END")


def as_pi(stage: Stage, command: str) -> str:
    """What a command of the user pi prints in the checkout."""
    stage.board.takes(f"set -e\ncd {HOME}\n{command}\n", "/tmp/command")
    return stage.board.does("runuser -u pi -- sh /tmp/command")


def says(stage: Stage, command: str) -> dict[str, int]:
    """The recap of a playbook that install.sh plays."""
    return recap(as_pi(stage, f"ANSIBLE_NOCOLOR=1 {command}"), "localhost")


def left(stage: Stage) -> list[str]:
    """What there is of the program."""
    return stage.board.does(f"ls -d {' '.join(GONE)} 2>/dev/null || true").split()
