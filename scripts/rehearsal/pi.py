"""A whole board, emulated: Debian's arm64 kernel and systemd, a camera, ssh, and this project's own playbook.

make rehearse-pi, or:
  sudo scripts/rehearse-pi                               # Bookworm
  sudo scripts/rehearse-pi --install trixie              # fetch the tools that are missing
  sudo scripts/rehearse-pi --json report.json
Boot, playbook twice, a camera through the kernel's vivid, events at a broker outside, SIGKILL, a hang, bad models, a
try to break out, reboot. Emulated: how long it takes says nothing of a board.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from scripts.rehearsal import debian, workshop
from scripts.rehearsal.arm64 import BIN, CLIP
from scripts.rehearsal.broker import Listener, broker
from scripts.rehearsal.emulated import emulation
from scripts.rehearsal.kernel import kernel
from scripts.rehearsal.machine import CPU, Machine, furnish, make_disk
from scripts.rehearsal.steps import Rehearsal, conduct, expect, wait_for

PROGRAMS = {
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-aarch64-static": "qemu-user-static",
    "mmdebstrap": "mmdebstrap",
    "arch-test": "arch-test",
    "zstd": "zstd",
    "cpio": "cpio",
    "depmod": "kmod",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "mosquitto": "mosquitto",
    "mosquitto_sub": "mosquitto-clients",
}
# What Raspberry Pi OS Lite has of itself, as far as it is wanted here.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "openssh-server", "iproute2", "kmod", "sudo", "v4l-utils"),
    *("libpam-systemd", "ca-certificates", "python3", "python3-venv", "python3-apt"),
)
HOST = "10.0.2.2"  # this machine's loopback interface, as qemu shows it to the board
BOARD = "pi"
SERVICE = "emotion-device"
STATE = "/var/lib/private/emotion-device"
CAMERA = "vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0"  # one webcam that shows colour bars
EXPOSURE = (
    1.9  # at most, as systemd sees it on the board; offline, which tests/unit/test_systemd.py measures, it is less
)
PATIENCE_S = 900.0  # emulation on a busy machine is slow; on an idle one nothing takes a tenth of this
ASSETS = Path(__file__).with_name("board")  # what runs on the board


class Board:
    """The machine, what the broker hears of it, and the log of both."""

    def __init__(self, rehearsal: Rehearsal, machine: Machine, listener: Listener, scratch: Path, wheels: Path) -> None:
        self.rehearsal, self.machine, self.listener = rehearsal, machine, listener
        self._controller = workshop.controller(rehearsal)
        self._inventory = scratch / "inventory.json"
        self._inventory.write_text(json.dumps(inventory(machine, listener.port, wheels)), encoding="utf-8")

    def play(self, *options: str) -> dict[str, int]:
        """Run the playbook; its recap for the board, `changed` for example."""
        env = os.environ | {"ANSIBLE_TIMEOUT": "300", "ANSIBLE_NOCOLOR": "1"}
        command = [self._controller / "ansible-playbook", "--inventory", self._inventory, "site.yml", *options]
        told = self.rehearsal.run(*command, cwd=workshop.REPOSITORY / "deploy", env=env)
        recap = re.findall(rf"^{BOARD} +: (.*)$", told, flags=re.MULTILINE)[-1]
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", recap)}

    def wait_events(self, since: int, what: str) -> dict[str, Any]:
        """The first new event after the first `since` messages."""
        wait_for(lambda: self.listener.objects("events", since), what, PATIENCE_S)
        return self.listener.objects("events", since)[0]

    def shows(self, *names: str) -> dict[str, str]:
        """Properties of the service, as systemd tells them."""
        asked = " ".join(f"-p {name}" for name in names)
        told = self.machine.does(f"systemctl show {SERVICE} {asked}")
        return dict(line.split("=", 1) for line in told.splitlines())

    def mark(self) -> int:
        """How many messages came until now."""
        return len(self.listener.heard)


def inventory(machine: Machine, broker_port: int, wheels: Path) -> dict[str, Any]:
    """As docs/deployment.md has it written, with more time for everything: emulated seconds are short."""
    config = {
        "purpose": "test",
        "jurisdiction": "elsewhere",
        "camera": {"source": "v4l2:///dev/video0", "fps": 5, "timeout_s": 60, "reopen_min_s": 10},
        "mqtt": {"host": HOST, "port": broker_port, "connect_timeout_s": 120},
        "selftest": {"budget_ms": 60000, "runs": 5, "warmup": 1},
        "model": {"test_s": 600, "trial_s": 30, "trial_frames": 10},
    }
    host = {
        "ansible_host": "127.0.0.1",
        "ansible_port": machine.port,
        "ansible_user": "pi",
        "ansible_ssh_private_key_file": str(machine.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={machine.known_hosts}",
        "ansible_python_interpreter": "/usr/bin/python3",
        "emotion_device_config": config,
        "emotion_device_wheelhouse": str(wheels),
        "emotion_device_time_in_sync": False,  # there is no time server, and the emulated clock is right
        "emotion_device_unit_settings": "WatchdogSec=150\nTimeoutStartSec=900\nTimeoutStopSec=60\n",
    }
    return {"emotion_devices": {"hosts": {BOARD: host}}}


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        prog="rehearse-pi", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help="bookworm (the default) or trixie")
    parser.add_argument("--install", action="store_true", help="fetch missing tools with apt-get")
    parser.add_argument("--json", type=Path, metavar="F", help="write times and findings there")
    options = parser.parse_args()
    releases = options.releases or ["bookworm"]
    if unknown := set(releases) - set(debian.PYTHONS):
        parser.error(f"{', '.join(sorted(unknown))}: not known; there are {' and '.join(debian.PYTHONS)}")

    def work() -> dict[str, Any]:
        workshop.need(PROGRAMS, options.install)
        with workshop.scratch() as scratch:
            return {release: rehearse(release, scratch) for release in releases}

    return conduct("rehearse-pi", work, options.json)


def rehearse(release: str, scratch: Path) -> dict[str, Any]:
    """All of it on one release; the report."""
    rehearsal = Rehearsal(f"pi-{release}", workshop.LOGS)
    rehearsal.facts["emulated"] = f"times are those of qemu's {CPU} on this machine, not of a board"
    with rehearsal.step("fetch the wheels of others"):
        wheels = workshop.wheelhouse(rehearsal, debian.PYTHONS[release])
    machine = build(rehearsal, release, scratch)
    try:
        with broker(rehearsal, scratch, BOARD) as listener:
            board = Board(rehearsal, machine, listener, scratch, wheels)
            try:
                for act in ACTS:
                    act(board)
            finally:
                machine.asks(f"journalctl --no-pager -o short-monotonic -u {SERVICE} -u 'init.scope' | tail -n 400")
    finally:
        machine.pull_the_plug()
        print(f"\n{rehearsal.table()}\nlog: {rehearsal.log}\n")
    return rehearsal.report()


def build(rehearsal: Rehearsal, release: str, scratch: Path) -> Machine:
    """The machine, switched off."""
    keys = scratch / f"keys-{release}"
    keys.mkdir(mode=0o700)
    with rehearsal.step("fetch the kernel"):
        core = kernel(rehearsal, release)
    with rehearsal.step("make the root file system") as step:
        step.came = f"Debian {release}, arm64, configured"
        with emulation(scratch):
            archive = debian.root_archive(rehearsal, release, "apt", PACKAGES)
        root = debian.unpack(rehearsal, archive, scratch / f"root-{release}")
    with rehearsal.step("make the card"):
        furnish(rehearsal, root, core, keys)
        make_disk(rehearsal, root, scratch / f"{release}.img")
        rehearsal.run("rm", "--recursive", root)
    return Machine(rehearsal, scratch / f"{release}.img", core, keys)


def boot(board: Board) -> None:
    """Power on, ssh, and the camera."""
    with board.rehearsal.step("boot until ssh answers") as step:
        board.machine.switch_on()
        step.came = board.machine.does("uname -mr; python3 --version").replace("\n", ", ").strip(", ")
    with board.rehearsal.step("plug the camera in") as step:
        board.machine.does(f"echo {CAMERA.split()[0]} > /etc/modules-load.d/camera.conf")
        board.machine.does(f"echo options {CAMERA} > /etc/modprobe.d/camera.conf")
        board.machine.does("modprobe vivid && udevadm settle")
        step.came = board.machine.does("v4l2-ctl -d /dev/video0 --info | sed -n 's/.*Card type *: //p'").strip()


def install(board: Board) -> None:
    """The playbook; a second run has nothing to do."""
    with board.rehearsal.step("playbook") as step:
        recap = board.play()
        step.came = f"changed={recap['changed']}"
        expect(recap["failed"] == 0 and recap["changed"] > 0, f"the playbook ended with {recap}")
    with board.rehearsal.step("playbook again") as step:
        recap = board.play()
        step.came = f"changed={recap['changed']}"
        expect(recap["changed"] == 0, f"the second run changed something: {recap}")
    with board.rehearsal.step("the camera's frames") as step:
        wait_for(lambda: board.listener.objects("health"), "health", PATIENCE_S)
        status, health = board.listener.objects("status")[-1], board.listener.objects("health")[-1]
        expect(status["camera"] == "running", f"the camera is {status['camera']}: {status['camera_error']}")
        step.came = f"vivid, {health['fps']} frames a second"


def see_faces(board: Board) -> None:
    """A film instead of the colour bars, by settings that the running service reads again."""
    with board.rehearsal.step("the first event") as step:
        since = board.mark()
        board.machine.takes(CLIP, "/opt/rehearsal/clip.py")
        board.machine.does(f"mkdir /opt/clip && {BIN}/python /opt/rehearsal/clip.py && chmod -R a+rX /opt/clip")
        change = "s#source: .*#source: /opt/clip\\n    fast: true\\n    loop: true#"
        board.machine.does(f"sed -i '{change}' /etc/emotion-edge/config.yaml && systemctl reload {SERVICE}")
        event = board.wait_events(since, "a first event")
        step.came = f"{event['type']}, seq {event['seq']}"


def crash(board: Board) -> None:
    """SIGKILL: systemd starts it again, and the numbers of the events go on."""
    with board.rehearsal.step("SIGKILL") as step:
        last, since = board.listener.objects("events")[-1]["seq"], board.mark()
        board.machine.does(f"systemctl kill --kill-whom=main --signal=KILL {SERVICE}")
        wait_for(lambda: "online" in board.listener.texts("availability", since), "online", PATIENCE_S)
        event = board.wait_events(since, "an event after SIGKILL")
        step.came = f"seq {last} -> {event['seq']}, restarts {board.shows('NRestarts')['NRestarts']}"
        expect(event["seq"] > last or event["replayed"], f"the numbers do not grow: {last}, then {event['seq']}")


def hang(board: Board) -> None:
    """A process that stands still: the watchdog ends it."""
    with board.rehearsal.step("hang") as step:
        since, restarts = board.mark(), int(board.shows("NRestarts")["NRestarts"])
        board.machine.does(f"systemctl kill --kill-whom=main --signal=STOP {SERVICE}")
        journal = f"journalctl -u {SERVICE} -o cat --no-pager | grep -i 'watchdog timeout' | tail -n 1"
        told = wait_for(lambda: board.machine.asks(journal)[1].strip(), "the watchdog", PATIENCE_S, pause_s=5)
        wait_for(lambda: "online" in board.listener.texts("availability", since), "online", PATIENCE_S)
        event = board.wait_events(since, "an event after the hang")
        step.came = f"{told}; then seq {event['seq']}"
        expect(int(board.shows("NRestarts")["NRestarts"]) > restarts, "systemd did not start it again")


def bad_models(board: Board) -> None:
    """Models that must not stay: two refused, two rolled back, the reason on `status`."""
    board.machine.takes((ASSETS / "models.py").read_text(encoding="utf-8"), "/opt/rehearsal/models.py")
    with board.rehearsal.step("make bad models"):
        board.machine.does(f"{BIN}/python /opt/rehearsal/models.py /opt/rehearsal && chmod -R a+rX /opt/rehearsal")
    before = board.listener.objects("status")[-1]["model"]["digest"]
    for name, options, state in (
        ("cut", "", "refused"),
        ("worse", "", "refused"),
        ("corrupt", "--no-test --wait 900", "rolled_back"),  # as if the self-test had not noticed
        ("underperforming", "--no-test --wait 900", "rolled_back"),
    ):
        with board.rehearsal.step(f"model: {name}") as step:
            since = board.mark()
            code, _ = board.machine.asks(f"emotion-device model install /opt/rehearsal/{name}.tflite --json {options}")
            expect(code == 1, f"the installation of the model {name!r} ended with {code}")
            update = wait_for(lambda: ended(board, since, state), f"{state} on status", PATIENCE_S)  # noqa: B023
            expect(board.listener.objects("status")[-1]["model"]["digest"] == before, "the old model does not run")
            step.came = f"{state}: {update['reason']}"
            board.rehearsal.facts.setdefault("models", {})[name] = update


def ended(board: Board, since: int, state: str) -> dict[str, Any] | None:
    """What `status` says of an update that has come to its end."""
    updates = [status["model_update"] for status in board.listener.objects("status", since)]
    found: list[dict[str, Any]] = [update for update in updates if update and update["state"] == state]
    return found[-1] if found else None


def break_out(board: Board) -> None:
    """From inside the unit's walls: what can be written, and what may be done."""
    board.machine.takes((ASSETS / "walls.py").read_text(encoding="utf-8"), "/opt/rehearsal/walls.py")
    board.machine.takes((ASSETS / "inside").read_text(encoding="utf-8"), "/opt/rehearsal/inside")
    with board.rehearsal.step("try to break out") as step:
        told = json.loads(board.machine.does(f"sh /opt/rehearsal/inside {BIN}/python /opt/rehearsal/walls.py"))
        board.rehearsal.facts["walls"] = told
        expect(told["outside"] == [], f"files could be written in {told['outside']}")
        expect(told["inside"], "the state folder cannot be written")
        expect(int(told["CapEff"], 16) == int(told["CapBnd"], 16) == 0, f"there are capabilities: {told}")
        expect((told["NoNewPrivs"], told["Seccomp"]) == ("1", "2"), f"there are ways up: {told}")
        step.came = (
            f"{told['tried']} folders tried, written: {', '.join(told['inside'] + told['private'])}; no capability"
        )
    with board.rehearsal.step("systemd-analyze security") as step:
        told = board.machine.does(f"systemd-analyze security --no-pager {SERVICE} | tail -n 1").strip()
        exposure = float(re.findall(r"[\d.]+", told)[0])
        board.rehearsal.facts["exposure"] = exposure
        expect(exposure <= EXPOSURE, f"exposure {exposure}, at most {EXPOSURE} may be")
        step.came = f"exposure {exposure}"


def reboot(board: Board) -> None:
    """The board comes back by itself, and so do its events."""
    with board.rehearsal.step("reboot") as step:
        last, since = board.listener.objects("events")[-1]["seq"], board.mark()
        began_s = time.monotonic()
        board.machine.reboot()
        wait_for(lambda: "online" in board.listener.texts("availability", since), "online", PATIENCE_S)
        fresh = wait_for(
            lambda: [one for one in board.listener.objects("events", since) if one["seq"] > last], "events", PATIENCE_S
        )
        step.came = f"seq {last} -> {fresh[0]['seq']} after {time.monotonic() - began_s:.0f} s"
    with board.rehearsal.step("power off"):
        failed = board.machine.does("systemctl --failed --no-legend --plain").strip()
        expect(SERVICE not in failed, f"failed: {failed}")
        board.machine.halt()


ACTS = (boot, install, see_faces, crash, hang, bad_models, break_out, reboot)

if __name__ == "__main__":
    sys.exit(main())
