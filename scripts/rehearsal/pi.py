"""A whole board, emulated: Debian's arm64 kernel and systemd, a camera, ssh, and this project's own playbook.

make rehearse-pi, or:
  sudo scripts/rehearse-pi                               # Bookworm
  sudo scripts/rehearse-pi --install trixie              # fetch the tools that are missing
  sudo scripts/rehearse-pi --json report.json
  sudo scripts/rehearse-pi --container trixie            # the same in a container of this processor: minutes
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
from scripts.rehearsal.broker import Listener, broker, free_port
from scripts.rehearsal.emulated import emulation
from scripts.rehearsal.kernel import kernel
from scripts.rehearsal.machine import CPU, Board, Container, Machine, connect, furnish, make_disk
from scripts.rehearsal.steps import Rehearsal, conduct, expect, wait_for

SPAWN = {"systemd-nspawn": "systemd-container"}
EMULATOR = {
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-aarch64-static": "qemu-user-static",
    "arch-test": "arch-test",
    "cpio": "cpio",
    "depmod": "kmod",
    "mke2fs": "e2fsprogs",
}
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    debian.KEYRING: "debian-archive-keyring",
    "zstd": "zstd",
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
NAME = "pi"
SERVICE = "emotion-device"
STATE = "/var/lib/private/emotion-device"
CAMERA = "v4l2:///dev/video0"
WEBCAM = "n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0"  # that is what vivid plays; it shows colour bars
PORTRAIT = "/opt/portrait.jpg"  # what a container sees at first, for it has no camera
FILM = "/opt/clip"
PATIENT = "WatchdogSec=150\nTimeoutStartSec=900\nTimeoutStopSec=60\n"
EXPOSURE = (
    1.9  # at most, as systemd sees it on the board; offline, which tests/unit/test_systemd.py measures, it is less
)
PATIENCE_S = 900.0  # emulation on a busy machine is slow; on an idle one nothing takes a tenth of this
ASSETS = Path(__file__).with_name("board")  # what runs on the board


class Stage:
    """The board, the broker that hears it, and the controller that plays the playbook."""

    def __init__(self, rehearsal: Rehearsal, board: Board, listener: Listener, scratch: Path, wheels: Path) -> None:
        self.rehearsal, self.board, self.listener = rehearsal, board, listener
        self.emulated = isinstance(board, Machine)
        self._controller = workshop.controller(rehearsal)
        self._inventory = scratch / "inventory.json"
        self._inventory.write_text(json.dumps(inventory(board, listener.port, wheels)), encoding="utf-8")

    def play(self, *options: str) -> dict[str, int]:
        """Run the playbook; its recap for the board, `changed` for example."""
        env = os.environ | {"ANSIBLE_TIMEOUT": "300", "ANSIBLE_NOCOLOR": "1"}
        command = [self._controller / "ansible-playbook", "--inventory", self._inventory, "site.yml", *options]
        told = self.rehearsal.run(*command, cwd=workshop.REPOSITORY / "deploy", env=env)
        recap = re.findall(rf"^{NAME} +: (.*)$", told, flags=re.MULTILINE)[-1]
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", recap)}

    def wait_event(self, since: int, what: str, kind: str = "") -> dict[str, Any]:
        """The first event, of a kind if one is named, after the first `since` messages of all."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.listener.objects("events", since) if kind in ("", event["type"])]

        events: list[dict[str, Any]] = wait_for(found, what, PATIENCE_S)
        return events[0]

    def shows(self, *names: str) -> dict[str, str]:
        """Properties of the service, as systemd tells them."""
        asked = " ".join(f"-p {name}" for name in names)
        told = self.board.does(f"systemctl show {SERVICE} {asked}")
        return dict(line.split("=", 1) for line in told.splitlines())

    def mark(self) -> int:
        """How many messages came until now."""
        return len(self.listener.heard)


def inventory(board: Board, broker_port: int, wheels: Path) -> dict[str, Any]:
    """As docs/deployment.md has it written, with more time for everything: emulated seconds are short."""
    emulated = isinstance(board, Machine)
    camera = {"source": CAMERA, "fps": 5, "timeout_s": 60, "reopen_min_s": 10}
    picture = {"source": PORTRAIT, "picture_s": 3600, "fps": 5}
    config = {
        "purpose": "test",
        "jurisdiction": "elsewhere",
        "camera": camera if emulated else picture,
        "mqtt": {"host": HOST if emulated else "127.0.0.1", "port": broker_port, "connect_timeout_s": 120},
        "selftest": {"budget_ms": 60000, "runs": 5, "warmup": 1},
        "model": {"test_s": 600, "trial_s": 20, "trial_frames": 10},
    }
    host = {
        "ansible_host": "127.0.0.1",
        "ansible_port": board.port,
        "ansible_user": "pi",
        "ansible_ssh_private_key_file": str(board.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={board.known_hosts}",
        "ansible_python_interpreter": "/usr/bin/python3",
        "emotion_device_config": config,
        "emotion_device_wheelhouse": str(wheels),
        "emotion_device_time_in_sync": False,  # there is no time server, and the clock is right
        "emotion_device_min_free_mb": 500,
        "emotion_device_unit_settings": PATIENT if emulated else "",
    }
    return {"emotion_devices": {"hosts": {NAME: host}}}


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        prog="rehearse-pi", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help="bookworm (the default) or trixie")
    parser.add_argument("--install", action="store_true", help="fetch missing tools with apt-get")
    parser.add_argument("--container", action="store_true", help="a container instead of an emulated machine")
    parser.add_argument("--json", type=Path, metavar="F", help="write times and findings there")
    options = parser.parse_args()
    releases = options.releases or ["bookworm"]
    if unknown := set(releases) - set(debian.PYTHONS):
        parser.error(f"{', '.join(sorted(unknown))}: not known; there are {' and '.join(debian.PYTHONS)}")

    def work() -> dict[str, Any]:
        workshop.need(PROGRAMS | (SPAWN if options.container else EMULATOR), options.install)
        with workshop.scratch() as scratch:
            return {release: rehearse(release, scratch, options.container) for release in releases}

    return conduct("rehearse-pi", work, options.json)


def rehearse(release: str, scratch: Path, container: bool) -> dict[str, Any]:
    """All of it on one release; the report."""
    rehearsal = Rehearsal(f"{'container' if container else 'pi'}-{release}", workshop.LOGS)
    if not container:
        rehearsal.facts["emulated"] = f"times are those of qemu's {CPU} on this machine, not of a board"
    with rehearsal.step("fetch the wheels of others"):
        wheels = workshop.wheelhouse(rehearsal, debian.PYTHONS[release], "x86_64" if container else "aarch64")
    board = (build_container if container else build_machine)(rehearsal, release, scratch)
    try:
        with broker(rehearsal, scratch, NAME) as listener:
            stage = Stage(rehearsal, board, listener, scratch, wheels)
            try:
                for act in ACTS:
                    act(stage)
            finally:
                board.asks("journalctl --no-pager -o short-monotonic -n 400; systemctl --failed --no-pager")
    finally:
        board.pull_the_plug()
        print(f"\n{rehearsal.table()}\nlog: {rehearsal.log}\n")
    return rehearsal.report()


def build_machine(rehearsal: Rehearsal, release: str, scratch: Path) -> Board:
    """The emulated machine, switched off."""
    with rehearsal.step("fetch the kernel"):
        core = kernel(rehearsal, release)
    with rehearsal.step("make the root file system") as step:
        step.came = f"Debian {release}, arm64, configured"
        with emulation(scratch):
            archive = debian.root_archive(rehearsal, release, "apt", PACKAGES)
        root = debian.unpack(rehearsal, archive, scratch / f"root-{release}")
    with rehearsal.step("make the card"):
        keys = key_folder(scratch, release)
        furnish(rehearsal, root, keys)
        connect(rehearsal, root, core)
        make_disk(rehearsal, root, scratch / f"{release}.img")
        rehearsal.run("rm", "--recursive", root)
    return Machine(rehearsal, keys, scratch / f"{release}.img", core)


def build_container(rehearsal: Rehearsal, release: str, scratch: Path) -> Board:
    """A container, switched off."""
    with rehearsal.step("make the root file system") as step:
        step.came = f"Debian {release}, amd64, configured"
        archive = debian.root_archive(rehearsal, release, "apt", PACKAGES, "amd64")
        root = debian.unpack(rehearsal, archive, scratch / f"root-{release}")
        keys, port = key_folder(scratch, release), free_port()
        furnish(rehearsal, root, keys, f"Port {port}\nListenAddress 127.0.0.1\n")
        rehearsal.run("cp", workshop.REPOSITORY / "device" / "assets" / "astronaut.jpg", root / PORTRAIT.lstrip("/"))
    return Container(rehearsal, keys, port, root)


def key_folder(scratch: Path, release: str) -> Path:
    """For ssh keys."""
    keys = scratch / f"keys-{release}"
    keys.mkdir(mode=0o700)
    return keys


def boot(stage: Stage) -> None:
    """Power on, ssh, and the camera."""
    with stage.rehearsal.step("boot until ssh answers") as step:
        stage.board.switch_on()
        step.came = stage.board.does("uname -mr; python3 --version").replace("\n", ", ").strip(", ")
    if not stage.emulated:
        return
    with stage.rehearsal.step("plug the camera in") as step:
        stage.board.does("echo vivid > /etc/modules-load.d/camera.conf")
        stage.board.does(f"echo options vivid {WEBCAM} > /etc/modprobe.d/camera.conf")
        stage.board.does("modprobe vivid && udevadm settle")
        step.came = stage.board.does("v4l2-ctl -d /dev/video0 --info | sed -n 's/.*Card type *: //p'").strip()


def install(stage: Stage) -> None:
    """The playbook; a second run has nothing to do."""
    with stage.rehearsal.step("playbook") as step:
        recap = stage.play()
        step.came = f"changed={recap['changed']}"
        expect(recap["failed"] == 0 and recap["changed"] > 0, f"the playbook ended with {recap}")
    with stage.rehearsal.step("playbook again") as step:
        recap = stage.play()
        step.came = f"changed={recap['changed']}"
        expect(recap["changed"] == 0, f"the second run changed something: {recap}")
    with stage.rehearsal.step("frames of the camera") as step:
        wait_for(lambda: stage.listener.objects("health"), "health", PATIENCE_S)
        status, health = stage.listener.objects("status")[-1], stage.listener.objects("health")[-1]
        expect(status["camera"] == "running", f"the camera is {status['camera']}: {status['camera_error']}")
        step.came = f"{CAMERA if stage.emulated else PORTRAIT}, {health['fps']} frames a second"


def see_faces(stage: Stage) -> None:
    """The demo's film, made on the board, by settings that the running service reads again."""
    with stage.rehearsal.step("the first event of a film") as step:
        stage.board.takes(CLIP, "/opt/rehearsal/clip.py")
        stage.board.does(f"mkdir -p {FILM} && {BIN}/python /opt/rehearsal/clip.py && chmod -R a+rX {FILM}")
        since = stage.mark()
        change = f"s#source: .*#source: {FILM}\\n    fast: true\\n    loop: true#"
        stage.board.does(f"sed -i '{change}' /etc/emotion-edge/config.yaml && systemctl reload {SERVICE}")
        event = stage.wait_event(since, "a first event", "start")
        step.came = f"{event['type']}, seq {event['seq']}"


def crash(stage: Stage) -> None:
    """SIGKILL: systemd starts it again, and the numbers of the events go on."""
    with stage.rehearsal.step("SIGKILL") as step:
        last, since = stage.listener.objects("events")[-1]["seq"], stage.mark()
        stage.board.does(f"systemctl kill --kill-whom=main --signal=KILL {SERVICE}")
        wait_for(lambda: "online" in stage.listener.texts("availability", since), "online", PATIENCE_S)
        event = stage.wait_event(since, "an event after SIGKILL")
        step.came = f"seq {last} -> {event['seq']}, restarts {stage.shows('NRestarts')['NRestarts']}"
        expect(event["seq"] > last or event["replayed"], f"the numbers do not grow: {last}, then {event['seq']}")


def hang(stage: Stage) -> None:
    """A process that stands still: the watchdog ends it."""
    with stage.rehearsal.step("hang") as step:
        since, restarts = stage.mark(), int(stage.shows("NRestarts")["NRestarts"])
        stage.board.does(f"systemctl kill --kill-whom=main --signal=STOP {SERVICE}")
        journal = f"journalctl -u {SERVICE} -o cat --no-pager | grep -i 'watchdog timeout' | tail -n 1"
        told = wait_for(lambda: stage.board.asks(journal)[1].strip(), "the watchdog", PATIENCE_S, pause_s=5)
        wait_for(lambda: "online" in stage.listener.texts("availability", since), "online", PATIENCE_S)
        event = stage.wait_event(since, "an event after the hang")
        step.came = f"{told}; then seq {event['seq']}"
        expect(int(stage.shows("NRestarts")["NRestarts"]) > restarts, "systemd did not start it again")


def bad_models(stage: Stage) -> None:
    """Models that must not stay: two refused, two rolled back, the reason on `status`."""
    stage.board.takes((ASSETS / "models.py").read_text(encoding="utf-8"), "/opt/rehearsal/models.py")
    with stage.rehearsal.step("make bad models"):
        stage.board.does(f"{BIN}/python /opt/rehearsal/models.py /opt/rehearsal && chmod -R a+rX /opt/rehearsal")
    before = stage.listener.objects("status")[-1]["model"]["digest"]
    for name, options, state in (
        ("cut", "", "refused"),
        ("worse", "", "refused"),
        ("corrupt", "--no-test --wait 900", "rolled_back"),  # as if the self-test had not noticed
        ("underperforming", "--no-test --wait 900", "rolled_back"),
    ):
        with stage.rehearsal.step(f"model: {name}") as step:
            since = stage.mark()
            code, _ = stage.board.asks(f"emotion-device model install /opt/rehearsal/{name}.tflite --json {options}")
            expect(code == 1, f"the installation of the model {name!r} ended with {code}")
            update = wait_for(lambda: ended(stage, since, state), f"{state} on status", PATIENCE_S)  # noqa: B023
            expect(stage.listener.objects("status")[-1]["model"]["digest"] == before, "the old model does not run")
            step.came = f"{state}: {update['reason']}"
            stage.rehearsal.facts.setdefault("models", {})[name] = update


def ended(stage: Stage, since: int, state: str) -> dict[str, Any] | None:
    """What `status` says of an update that has come to its end."""
    updates = [status["model_update"] for status in stage.listener.objects("status", since)]
    found: list[dict[str, Any]] = [update for update in updates if update and update["state"] == state]
    return found[-1] if found else None


def break_out(stage: Stage) -> None:
    """From inside the unit's walls: what can be written, and what may be done."""
    stage.board.takes((ASSETS / "walls.py").read_text(encoding="utf-8"), "/opt/rehearsal/walls.py")
    stage.board.takes((ASSETS / "inside").read_text(encoding="utf-8"), "/opt/rehearsal/inside")
    with stage.rehearsal.step("try to break out") as step:
        told = json.loads(stage.board.does(f"sh /opt/rehearsal/inside {BIN}/python /opt/rehearsal/walls.py"))
        stage.rehearsal.facts["walls"] = told
        expect(told["outside"] == [], f"files could be written in {told['outside']}")
        expect(told["inside"], "the state folder cannot be written")
        expect(int(told["CapEff"], 16) == int(told["CapBnd"], 16) == 0, f"there are capabilities: {told}")
        expect((told["NoNewPrivs"], told["Seccomp"]) == ("1", "2"), f"there are ways up: {told}")
        step.came = (
            f"{told['tried']} folders tried, written: {', '.join(told['inside'] + told['private'])}; no capability"
        )
    with stage.rehearsal.step("systemd-analyze security") as step:
        told = stage.board.does(f"systemd-analyze security --no-pager {SERVICE} | tail -n 1").strip()
        exposure = float(re.findall(r": (\d+\.\d+) ", told)[0])
        stage.rehearsal.facts["exposure"] = exposure
        expect(exposure <= EXPOSURE, f"exposure {exposure}, at most {EXPOSURE} may be")
        step.came = f"exposure {exposure}"


def reboot(stage: Stage) -> None:
    """The board comes back by itself, and so do its events."""
    with stage.rehearsal.step("reboot") as step:
        last, since = stage.listener.objects("events")[-1]["seq"], stage.mark()
        began_s = time.monotonic()
        stage.board.reboot()
        wait_for(lambda: "online" in stage.listener.texts("availability", since), "online", PATIENCE_S)
        fresh = wait_for(
            lambda: [one for one in stage.listener.objects("events", since) if one["seq"] > last], "events", PATIENCE_S
        )
        step.came = f"seq {last} -> {fresh[0]['seq']} after {time.monotonic() - began_s:.0f} s"
    with stage.rehearsal.step("power off"):
        failed = stage.board.does("systemctl --failed --no-legend --plain").strip()
        expect(SERVICE not in failed, f"failed: {failed}")
        stage.board.halt()


ACTS = (boot, install, see_faces, crash, hang, bad_models, break_out, reboot)

if __name__ == "__main__":
    sys.exit(main())
