"""Boards to rehearse on, emulated machine or container: preparation, power switch, ssh."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.emulation.rehearsal.broker import free_port
from tests.emulation.rehearsal.kernel import Kernel
from tests.emulation.rehearsal.steps import Rehearsal, RehearsalError, wait_for

CPU = "cortex-a72"
CORES = 4  # of a Raspberry Pi; no more than this machine lends, or they would only wait for each other
DISK = "2200M"
BOOT_S, HALT_S = 1800.0, 600.0  # emulation on a busy machine is slow
# What asks for a network that is not there, or works when nobody looks.
MASKED = (
    "systemd-networkd-wait-online.service",
    "systemd-timesyncd.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "systemd-sysctl.service",
    "proc-sys-fs-binfmt_misc.automount",
    "systemd-binfmt.service",
    "serial-getty@ttyAMA0.service",
    "e2scrub_all.timer",
    "fstrim.timer",
    "dpkg-db-backup.timer",
)
NETWORK = "[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"


def furnish(rehearsal: Rehearsal, root: Path, keys: Path, sshd: str = "") -> None:
    """Prepare a fresh root file system as the Raspberry Pi Imager does: a name, a user, ssh.

    Args:
        rehearsal: logs.
        root: the folder.
        keys: an empty folder for ssh keys of the rehearsal's own, of both sides.
        sshd: more settings of sshd.
    """
    etc = root / "etc"
    write(etc / "hostname", "pi\n")
    write(etc / "hosts", "127.0.0.1 localhost\n127.0.1.1 pi\n")
    write(etc / "machine-id", "")
    for unit in MASKED:
        link(etc / "systemd/system" / unit, "/dev/null")
    _add_user(root)
    _let_in(rehearsal, root, keys, sshd)


def connect(rehearsal: Rehearsal, root: Path, kernel: Kernel) -> None:
    """Give it what a machine of its own needs: a disk, a network, drivers."""
    etc = root / "etc"
    write(etc / "fstab", "/dev/vda / ext4 defaults,noatime 0 1\n")
    write(etc / "systemd/network/20-wired.network", NETWORK)
    wanted = etc / "systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    link(wanted / "systemd-networkd.service", "/lib/systemd/system/systemd-networkd.service")
    shutil.copytree(kernel.modules, root / "usr" / "lib" / "modules", dirs_exist_ok=True)
    for version in kernel.modules.iterdir():
        rehearsal.run("depmod", "--basedir", root, version.name)


def _add_user(root: Path) -> None:
    """`pi`, who may sudo without a password, as on Raspberry Pi OS."""
    for file, line in (
        ("passwd", "pi:x:1000:1000::/home/pi:/bin/bash"),
        ("group", "pi:x:1000:"),
        ("shadow", "pi:*:19000:0:99999:7:::"),
    ):
        with (root / "etc" / file).open("a", encoding="utf-8") as out:
            out.write(f"{line}\n")
    write(root / "etc/sudoers.d/pi", "pi ALL=(ALL) NOPASSWD:ALL\n", mode=0o440)
    (root / "home/pi").mkdir(exist_ok=True)
    os.chown(root / "home/pi", 1000, 1000)


def _let_in(rehearsal: Rehearsal, root: Path, keys: Path, sshd: str) -> None:
    for name in ("user", "host"):
        rehearsal.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name)
    public = (keys / "user.pub").read_text(encoding="utf-8")
    for home, owner in (("root", 0), ("home/pi", 1000)):
        write(root / home / ".ssh/authorized_keys", public, mode=0o600)
        for path in (root / home / ".ssh", root / home / ".ssh/authorized_keys"):
            os.chown(path, owner, owner)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    write(root / "etc/ssh/ssh_host_ed25519_key", (keys / "host").read_text(encoding="utf-8"), mode=0o600)
    write(root / "etc/ssh/ssh_host_ed25519_key.pub", (keys / "host.pub").read_text(encoding="utf-8"))
    write(root / "etc/ssh/sshd_config.d/rehearsal.conf", f"UseDNS no\nLoginGraceTime 600\n{sshd}")


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """A file, and its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def link(path: Path, target: str) -> None:
    """A symbolic link, whatever was there."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def make_disk(rehearsal: Rehearsal, root: Path, disk: Path) -> None:
    """A disk with that root file system."""
    rehearsal.run("truncate", "--size", DISK, disk)
    rehearsal.run("mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum", "-E", "lazy_itable_init=1", "-d", root, disk)


class Board:
    """Something with systemd that can be switched on and off, and ssh goes in.

    Args:
        rehearsal: its log folder gets the console.
        keys: the folder that `furnish` wrote keys to.
        port: where its sshd can be reached on this machine's loopback interface.
    """

    def __init__(self, rehearsal: Rehearsal, keys: Path, port: int) -> None:
        self.port = port
        self.console = rehearsal.log.with_suffix(".console")
        self.known_hosts = keys / "known_hosts"
        self.key = keys / "user"
        self._rehearsal = rehearsal
        self._process: subprocess.Popen[bytes] | None = None
        host = (keys / "host.pub").read_text(encoding="utf-8")
        write(self.known_hosts, f"[127.0.0.1]:{self.port} {host}")
        # One connection for all: each handshake takes emulated seconds.
        shared = ("ControlMaster=auto", f"ControlPath={keys}/ssh", "ControlPersist=600", "ConnectTimeout=300")
        options = ("BatchMode=yes", "LogLevel=ERROR", f"UserKnownHostsFile={self.known_hosts}", *shared)
        self._ssh = ["ssh", "-i", str(self.key), "-p", str(self.port), *(f"-o{option}" for option in options)]

    def command(self) -> list[str]:
        """What runs it on this machine."""
        raise NotImplementedError

    def switch_on(self) -> None:
        """Boot, and return when ssh answers."""
        with self.console.open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, f"ssh; the console is in {self.console}", BOOT_S, pause_s=1)

    def _answers(self) -> bool:
        assert self._process is not None
        if (code := self._process.poll()) is not None:
            raise RehearsalError(f"the board ended with {code}; its last words are in {self.console}")
        return self.asks("true")[0] == 0

    def asks(self, command: str) -> tuple[int, str]:
        """Exit code and standard output of a root's shell command; its complaints are logged."""
        words = [*self._ssh, "root@127.0.0.1", command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self._rehearsal.note(f"board# {command}\n{done.stdout}{done.stderr}")
        return done.returncode, done.stdout

    def does(self, command: str) -> str:
        """The same for a command that must succeed.

        Raises:
            RehearsalError: it did not.
        """
        code, told = self.asks(command)
        if code != 0:
            raise RehearsalError(f"on the board, {command!r} ended with {code}: {told.strip()[-500:]}")
        return told

    def takes(self, content: str | bytes, path: str) -> None:
        """Write a file there."""
        words = [*self._ssh, "root@127.0.0.1", f"mkdir -p $(dirname {path}) && cat > {path}"]
        subprocess.run(words, input=content.encode() if isinstance(content, str) else content, check=True)

    def gives(self, path: str) -> bytes:
        """Read a file there."""
        words = [*self._ssh, "root@127.0.0.1", f"cat {path}"]
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout

    def reboot(self) -> None:
        """Ask it to, and return when ssh answers again."""
        which = "systemctl show --property=UserspaceTimestampMonotonic"
        before = self.does(which)
        self.asks("systemctl reboot")
        self._leave()
        wait_for(lambda: self.asks(which)[1] not in ("", before), "the next boot", BOOT_S, pause_s=1)

    def halt(self) -> None:
        """Switch it off in order, or at once if it does not listen."""
        self._end("systemctl poweroff")

    def _end(self, command: str) -> None:
        """Say the command after which the process ends; what does not listen is switched off."""
        self.asks(command)
        self._leave()
        assert self._process is not None
        try:
            self._process.wait(HALT_S)
        except subprocess.TimeoutExpired:
            self.pull_the_plug()

    def pull_the_plug(self) -> None:
        """Off, now."""
        self._leave()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _leave(self) -> None:
        """Close the shared connection."""
        subprocess.run([*self._ssh, "-O", "exit", "root@127.0.0.1"], capture_output=True)


class Machine(Board):
    """An arm64 machine with Debian's kernel, emulated.

    Args:
        rehearsal: its log folder gets the console.
        keys: the folder that `furnish` wrote keys to.
        disk: as `make_disk` made it.
        kernel: what boots.
    """

    def __init__(self, rehearsal: Rehearsal, keys: Path, disk: Path, kernel: Kernel) -> None:
        super().__init__(rehearsal, keys, free_port())
        self._disk, self._kernel = disk, kernel

    def command(self) -> list[str]:
        """qemu, with a disk, a network and a serial console."""
        words = ["qemu-system-aarch64", "-M", "virt,gic-version=2", "-accel", "tcg,thread=multi", "-cpu", CPU]
        words += [
            "-smp",
            str(min(CORES, len(os.sched_getaffinity(0)))),
            "-m",
            "2048",
            "-kernel",
            str(self._kernel.image),
            "-initrd",
            str(self._kernel.initrd),
        ]
        words += ["-append", "console=ttyAMA0 root=/dev/vda rw quiet", "-display", "none"]
        words += ["-drive", f"file={self._disk},if=none,id=disk,format=raw,cache=unsafe"]
        words += ["-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci"]
        words += ["-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:22"]
        return [*words, "-device", "virtio-net-pci,netdev=net,romfile=", "-serial", "stdio", "-monitor", "none"]


class Container(Board):
    """A container on this machine's processor and kernel: the same systemd, quick, no camera.

    Args:
        rehearsal: its log folder gets the console.
        keys: the folder that `furnish` wrote keys to.
        port: of its sshd.
        root: its root file system.
    """

    def __init__(self, rehearsal: Rehearsal, keys: Path, port: int, root: Path) -> None:
        super().__init__(rehearsal, keys, port)
        self._root = root

    def command(self) -> list[str]:
        """systemd-nspawn, in a process namespace that takes everything with it."""
        spawn = ["systemd-nspawn", "--quiet", f"--directory={self._root}", "--machine=emotion-edge-rehearsal"]
        spawn += ["--register=no", "--keep-unit", "--link-journal=no", "--boot"]
        return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *spawn]

    def reboot(self) -> None:
        """nspawn ends where a machine would begin anew, so it is started again."""
        self._end("systemctl reboot")
        self.switch_on()
