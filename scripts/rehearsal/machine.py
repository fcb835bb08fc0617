"""An emulated arm64 machine: its disk, its power switch, and ssh into it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from scripts.rehearsal.broker import free_port
from scripts.rehearsal.kernel import Kernel
from scripts.rehearsal.steps import Rehearsal, RehearsalError, wait_for

CPU = "cortex-a72"
DISK = "2200M"
BOOT_S, HALT_S = 1800.0, 600.0  # emulation on a busy machine is slow
# What asks for a network that is not there, or works when nobody looks.
MASKED = (
    "systemd-networkd-wait-online.service",
    "systemd-timesyncd.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "dpkg-db-backup.timer",
)
NETWORK = "[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"


def furnish(rehearsal: Rehearsal, root: Path, kernel: Kernel, keys: Path) -> None:
    """Make a fresh root file system what the Raspberry Pi Imager makes of a card: a name, a user, a network, ssh."""
    etc = root / "etc"
    shutil.copytree(kernel.modules, root / "usr" / "lib" / "modules", dirs_exist_ok=True)
    for version in kernel.modules.iterdir():
        rehearsal.run("depmod", "--basedir", root, version.name)
    write(etc / "hostname", "pi\n")
    write(etc / "hosts", "127.0.0.1 localhost\n127.0.1.1 pi\n")
    write(etc / "fstab", "/dev/vda / ext4 defaults,noatime 0 1\n")
    write(etc / "machine-id", "")
    write(etc / "systemd/network/20-wired.network", NETWORK)
    wanted = etc / "systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    link(wanted / "systemd-networkd.service", "/lib/systemd/system/systemd-networkd.service")
    for unit in MASKED:
        link(etc / "systemd/system" / unit, "/dev/null")
    _add_user(root)
    _let_in(rehearsal, root, keys)


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


def _let_in(rehearsal: Rehearsal, root: Path, keys: Path) -> None:
    """ssh keys of the rehearsal's own, of both sides."""
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
    write(root / "etc/ssh/sshd_config.d/rehearsal.conf", "UseDNS no\nLoginGraceTime 600\n")


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


class Machine:
    """It can be switched on and off, and ssh goes in.

    Args:
        rehearsal: its log folder gets the console.
        disk: as `make_disk` made it.
        kernel: what boots.
        keys: the folder that `furnish` wrote keys to.
    """

    def __init__(self, rehearsal: Rehearsal, disk: Path, kernel: Kernel, keys: Path) -> None:
        self.port = free_port()
        self.console = rehearsal.log.with_suffix(".console")
        self.known_hosts = keys / "known_hosts"
        self.key = keys / "user"
        self._rehearsal, self._disk, self._kernel = rehearsal, disk, kernel
        self._process: subprocess.Popen[bytes] | None = None
        host = (keys / "host.pub").read_text(encoding="utf-8")
        write(self.known_hosts, f"[127.0.0.1]:{self.port} {host}")
        # One connection for all: each handshake takes emulated seconds.
        shared = ("ControlMaster=auto", f"ControlPath={keys}/ssh", "ControlPersist=600", "ConnectTimeout=60")
        options = ("BatchMode=yes", "LogLevel=ERROR", f"UserKnownHostsFile={self.known_hosts}", *shared)
        self._ssh = ["ssh", "-i", str(self.key), "-p", str(self.port), *(f"-o{option}" for option in options)]

    def switch_on(self) -> None:
        """Begin to boot."""
        words = ["qemu-system-aarch64", "-M", "virt,gic-version=2", "-accel", "tcg,thread=multi", "-cpu", CPU]
        words += ["-smp", "2", "-m", "2048", "-kernel", str(self._kernel.image), "-initrd", str(self._kernel.initrd)]
        words += ["-append", "console=ttyAMA0 root=/dev/vda rw quiet", "-display", "none"]
        words += ["-drive", f"file={self._disk},if=none,id=disk,format=raw,cache=unsafe"]
        words += ["-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci"]
        words += ["-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:22"]
        words += ["-device", "virtio-net-pci,netdev=net,romfile=", "-serial", f"file:{self.console}"]
        with self._rehearsal.log.open("ab") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_ssh()

    def wait_ssh(self) -> None:
        """Return when ssh answers."""
        wait_for(self._answers, f"ssh; the console is in {self.console}", BOOT_S, pause_s=2)

    def _answers(self) -> bool:
        assert self._process is not None
        if (code := self._process.poll()) is not None:
            raise RehearsalError(f"qemu ended with {code}; its words are in {self._rehearsal.log}")
        return self.asks("true")[0] == 0

    def asks(self, command: str) -> tuple[int, str]:
        """Exit code and standard output of a root's shell command; its complaints are logged."""
        words = [*self._ssh, "root@127.0.0.1", command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self._rehearsal.note(f"pi# {command}\n{done.stdout}{done.stderr}")
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

    def takes(self, text: str, path: str) -> None:
        """Write a file there."""
        words = [*self._ssh, "root@127.0.0.1", f"mkdir -p $(dirname {path}) && cat > {path}"]
        subprocess.run(words, input=text, text=True, check=True)

    def reboot(self) -> None:
        """Ask it to, and return when ssh answers again."""
        before = self.does("cat /proc/sys/kernel/random/boot_id")
        self.asks("systemctl reboot")
        self._leave()
        again = "cat /proc/sys/kernel/random/boot_id"
        wait_for(lambda: self.asks(again)[1] not in ("", before), "the next boot", BOOT_S, pause_s=3)

    def halt(self) -> None:
        """Switch it off in order, or at once if it does not listen."""
        if self._process is None or self._process.poll() is not None:
            return
        self.asks("systemctl poweroff")
        self._leave()
        try:
            self._process.wait(HALT_S)
        except subprocess.TimeoutExpired:
            self.pull_the_plug()

    def pull_the_plug(self) -> None:
        """Off, now."""
        self._leave()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _leave(self) -> None:
        """Close the shared connection."""
        subprocess.run([*self._ssh, "-O", "exit", "root@127.0.0.1"], capture_output=True)
        time.sleep(1)
