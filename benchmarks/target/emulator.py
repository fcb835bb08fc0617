"""Emulated processors whose instructions are counted: qemu's user mode with the plugin count.c.

The arm64 ones run the Debian of `tests.emulation.rehearsal`, without chroot: qemu looks for each
file in that folder first, then on this machine, so that models and programs are read from here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.emulation.rehearsal import arm64, debian, workshop
from tests.emulation.rehearsal.steps import Rehearsal, Skipped

PROGRAMS = {
    "qemu-aarch64": "qemu-user",  # the static one takes no plugin
    "gcc": "gcc",
    "setarch": "util-linux",
    "mmdebstrap": "mmdebstrap",
    debian.KEYRING: "debian-archive-keyring",
    "arch-test": "arch-test",
    "zstd": "zstd",
}
RELEASE = "bookworm"
PLUGIN = Path(__file__).with_name("count.c")
GUEST = Path(__file__).with_name("guest.py")
FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
NEWER = "atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"  # asimddp: dot products
SHARED = ("bin", "etc", "lib", "opt", "sbin", "usr")  # folders that all processors have in common
PER_VCPU = (8, 2)  # since this version of qemu the plugin interface has number 2


@dataclass(frozen=True)
class Core:
    """An emulated processor.

    Attributes:
        title: for the table.
        cpu: as qemu calls it.
        part: number by which LiteRT knows it and chooses kernels.
        features: as /proc/cpuinfo names them.
    """

    title: str
    cpu: str
    part: int
    features: str = FEATURES

    @property
    def has_dot_products(self) -> bool:
        """Whether int8 dot products are one instruction."""
        return "asimddp" in self.features.split()

    def cpuinfo(self) -> str:
        """The file /proc/cpuinfo of a board with four of them."""
        lines = (
            "processor\t: {}\nBogoMIPS\t: 108.00\nFeatures\t: {}\nCPU implementer\t: 0x41\n"
            "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x{:03x}\nCPU revision\t: 3\n\n"
        )
        return "".join(lines.format(number, self.features, self.part) for number in range(4))


CORES = {
    "a53": Core("Cortex-A53", "cortex-a53", 0xD03),  # Pi 3, Zero 2 W
    "a72": Core("Cortex-A72", "cortex-a72", 0xD08),  # Pi 4
    "a76": Core("Cortex-A76", "cortex-a76", 0xD0B, f"{FEATURES} {NEWER}"),  # Pi 5
}


@dataclass(frozen=True)
class Count:
    """Instructions between two marks, in all and by mnemonic."""

    total: int
    by_name: dict[str, int]


class Emulator:
    """Runs `guest.py` on emulated processors.

    Args:
        rehearsal: says and logs what is done.
        folder: for the file systems, the plugin and its output.
    """

    def __init__(self, rehearsal: Rehearsal, folder: Path) -> None:
        self._rehearsal, self._folder = rehearsal, folder
        self._plugin = folder / "count.so"
        api = plugin_api(rehearsal.run("qemu-aarch64", "--version"))
        rehearsal.run("gcc", "-O2", "-shared", "-fPIC", f"-DAPI={api}", "-o", self._plugin, PLUGIN)
        self._root, self._packages = folder / "root", folder / "packages"

    def prepare(self) -> None:
        """Make the arm64 file system and unpack the wheels that the device depends on."""
        archive = debian.root_archive(self._rehearsal, RELEASE, "extract", arm64.PACKAGES)
        debian.unpack(self._rehearsal, archive, self._root)
        wheels = workshop.wheelhouse(self._rehearsal, debian.PYTHONS[RELEASE])
        unpacked = self._folder / "wheels"
        unpacked.mkdir()
        self._rehearsal.run("tar", "--directory", unpacked, "--extract", "--file", wheels)
        for wheel in sorted(unpacked.rglob("*.whl")):
            zipfile.ZipFile(wheel).extractall(self._packages)
        for core in CORES.values():
            self._add(core)

    def _add(self, core: Core) -> None:
        """Write a folder that has the file system's folders and the processor's /proc/cpuinfo."""
        proc = self._folder / core.cpu / "proc"
        proc.mkdir(parents=True)
        (proc / "cpuinfo").write_text(core.cpuinfo(), encoding="ascii")
        for name in SHARED:
            (proc.parent / name).symlink_to(self._root / name)

    def run(self, core: Core, words: Sequence[object]) -> list[Count]:
        """Run `guest.py` with these words; the counts of its marks, in order.

        Raises:
            RehearsalError: it failed.
        """
        out = self._folder / f"{core.cpu}.counts"
        self._rehearsal.run(*self._command(core, out), GUEST, *words, env=_environment())
        return parse(out.read_text(encoding="ascii"))

    def _command(self, core: Core, out: Path) -> list[object]:
        # Addresses are the same each time, and so are the counts.
        always: list[object] = [
            "setarch",
            "--addr-no-randomize",
            "env",
            "PYTHONHASHSEED=0",
            "PYTHONDONTWRITEBYTECODE=1",
        ]
        plugin = ("-cpu", core.cpu, "-plugin", f"{self._plugin},out={out}", "-U", "LD_LIBRARY_PATH")
        paths = os.pathsep.join([str(self._packages), str(workshop.REPOSITORY)])
        always += [f"PYTHONPATH={paths}", "PYTHONHOME=/usr", "qemu-aarch64", "-L", self._folder / core.cpu]
        return [*always, *plugin, (self._root / "usr" / "bin" / "python3").resolve()]


def need(install: bool) -> None:
    """See that the programs are there.

    Raises:
        Skipped: something is missing, or this is not root.
    """
    workshop.need(PROGRAMS, install)
    if "plugin" not in subprocess.run(["qemu-aarch64", "--help"], capture_output=True, text=True).stdout:
        raise Skipped(f"{shutil.which('qemu-aarch64')}: this qemu was built without plugins.")


def plugin_api(version: str) -> int:
    """The number of the plugin interface that a qemu understands, from its `--version`."""
    found = re.search(r"version (\d+)\.(\d+)", version)
    if found is None:
        raise Skipped(f"no version of qemu: {version[:80]!r}.")
    return 2 if (int(found[1]), int(found[2])) >= PER_VCPU else 1


def parse(text: str) -> list[Count]:
    """What the plugin wrote: of each pair of marks 0 and 1 the instructions between them."""
    counts = []
    for line in text.splitlines():
        mark, total, *names = line.split()
        if mark == "1":
            pairs = (word.rsplit("=", 1) for word in names)
            counts.append(Count(int(total), {name: int(count) for name, count in pairs}))
    return counts


def _environment() -> dict[str, str]:
    kept = ("PATH", "LD_LIBRARY_PATH", "HOME")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LANG": "C.UTF-8"}
