"""Programs of an arm64 root file system run on this processor, by qemu's user-mode emulation.

Each command gets namespaces of its own, so that its mounts and whatever it started end with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.emulation.rehearsal.steps import Rehearsal, Skipped

# A Raspberry Pi 4. With `max`, its default, qemu 7.2 computes wrong int8 results (SME), and is slow
# on Trixie (pointer authentication).
CPU = "cortex-a72"
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
CORE = """\
processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
BOARD = "Revision\t: c03114\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n"
ENTER = """\
set -e
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/proc/cpuinfo"
root=$1
shift 2
exec chroot "$root" "$@"
"""


@contextmanager
def emulation(scratch: Path) -> Iterator[None]:
    """The kernel hands arm64 programs to qemu, for as long as this lasts.

    Raises:
        Skipped: the kernel does not let us.
    """
    qemu = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    name = f"emotion-edge-{os.getpid()}"
    table = scratch / "binfmt"
    table.mkdir()
    try:
        _root_does("mount", "-t", "binfmt_misc", "binfmt_misc", table)
        # F: the interpreter is opened now, so the root file system needs none.
        (table / "register").write_text(f":{name}:M::{MAGIC}:{MASK}:{qemu}:F", encoding="ascii")
    except OSError as error:
        raise Skipped(f"the kernel's binfmt_misc is not for us here ({error}).") from error
    try:
        yield
    finally:
        (table / name).write_text("-1", encoding="ascii")
        _root_does("umount", table)
        table.rmdir()


def _root_does(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(done.stderr.strip())


class Root:
    """A root file system whose programs can be run."""

    def __init__(self, rehearsal: Rehearsal, folder: Path) -> None:
        self.folder = folder
        self._rehearsal = rehearsal
        # LiteRT reads what processor this is; of an x86 one it makes a crash.
        self._cpuinfo = folder.with_name(f"{folder.name}.cpuinfo")
        cores = "".join(CORE.format(number=number) for number in range(os.cpu_count() or 1))
        self._cpuinfo.write_text(cores + BOARD, encoding="ascii")

    def run(self, *command: object) -> str:
        """Output of a command; of this machine it has loopback and devices only."""
        spaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
        around = ("env", "-i", f"QEMU_CPU={CPU}", "HOME=/root", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        return self._rehearsal.run(
            *around,
            "PIP_DISABLE_PIP_VERSION_CHECK=1",
            "PIP_ROOT_USER_ACTION=ignore",
            *spaces,
            "sh",
            "-c",
            ENTER,
            "sh",
            self.folder,
            self._cpuinfo,
            *command,
        )
