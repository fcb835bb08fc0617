"""A whole emulated board: Debian's arm64 kernel, systemd, a camera, ssh, and our playbook.

make rehearse-pi, or:
  sudo scripts/dev/rehearse-pi                               # Bookworm
  sudo scripts/dev/rehearse-pi --install trixie              # fetch the tools that are missing
  sudo scripts/dev/rehearse-pi --json report.json
  sudo scripts/dev/rehearse-pi --container trixie    # the same in a container, in minutes
Boot, playbook twice, a camera through the kernel's vivid, events at a broker outside, SIGKILL, a
hang, bad models, access tests, reboot. Emulation: the times are not those of a board.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tests.emulation.rehearsal import debian, workshop
from tests.emulation.rehearsal.acts import boot, break_out, crash, hang, install, power_off, reboot, see_faces
from tests.emulation.rehearsal.broker import broker, free_port
from tests.emulation.rehearsal.by_hand import by_hand
from tests.emulation.rehearsal.emulated import emulation
from tests.emulation.rehearsal.kernel import kernel
from tests.emulation.rehearsal.machine import CPU, Board, Container, Machine, connect, furnish, make_disk
from tests.emulation.rehearsal.model_acts import bad_models, roll_out
from tests.emulation.rehearsal.stage import NAME, PORTRAIT, Stage
from tests.emulation.rehearsal.steps import Rehearsal, conduct

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


ACTS = (boot, by_hand, install, see_faces, crash, hang, bad_models, roll_out, break_out, reboot, power_off)

if __name__ == "__main__":
    sys.exit(main())
