"""Debian's arm64 kernel and a small initrd, made on this machine: emulation is far slower."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.emulation.rehearsal import debian
from tests.emulation.rehearsal.steps import Rehearsal, RehearsalError, expect
from tests.emulation.rehearsal.workshop import CACHE

BOOT = ("virtio_pci", "virtio_mmio", "virtio_blk", "ext4")  # in the initrd
LATER = ("virtio_net", "virtio_rng", "autofs4", "vivid")  # in the root file system
INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc; /bin/busybox mount -t sysfs sys /sys; /bin/busybox mount -t devtmpfs dev /dev
while read m; do /bin/busybox insmod /mod/$m; done < /mod/order
n=0; while [ ! -b /dev/vda ] && [ $n -lt 300 ]; do /bin/busybox sleep 0.1; n=$((n+1)); done
/bin/busybox mount -t ext4 -o rw /dev/vda /mnt || exec /bin/busybox sh
/bin/busybox umount /proc /sys; /bin/busybox mount --move /dev /mnt/dev
exec /bin/busybox switch_root /mnt /sbin/init
"""


class Kernel(NamedTuple):
    """What the machine boots, and the modules that it loads later: a folder like /lib/modules."""

    image: Path
    initrd: Path
    modules: Path


def kernel(rehearsal: Rehearsal, release: str) -> Kernel:
    """From the cache if it was fetched before."""
    folder = CACHE / f"kernel-{release}"
    if not (folder / "initrd.gz").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        packages = _download(rehearsal, release, folder)
        tree = folder / "tree"
        for package in packages:
            rehearsal.run("dpkg-deb", "--extract", package, tree)
            package.unlink()
        (image,) = (tree / "boot").glob("vmlinuz-*")
        version = image.name.removeprefix("vmlinuz-")
        _put_modules(rehearsal, tree, version, folder / "modules" / version)
        image.rename(folder / "vmlinuz")
        _put_initrd(rehearsal, tree, version, folder / "initrd.gz")
        shutil.rmtree(tree)
    return Kernel(folder / "vmlinuz", folder / "initrd.gz", folder / "modules")


def _download(rehearsal: Rehearsal, release: str, folder: Path) -> list[Path]:
    """The packages of the newest kernel and of a static busybox."""
    text = debian.sources(release)
    if text is None:
        raise RehearsalError("the kernel comes from Debian's archive, which this machine's apt does not use.")
    listed = folder / ("debian.sources" if "URIs:" in text else "debian.list")
    listed.write_text(text, encoding="utf-8")
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / "apt" / part).mkdir(parents=True)
    (folder / "apt" / "status").touch()
    config = folder / "apt" / "apt.conf"
    config.write_text(
        f'APT::Architecture "arm64"; APT::Architectures {{ "arm64"; }}; Acquire::Languages "none"; '
        f'APT::Sandbox::User "root"; Dir::Etc::sourcelist "{listed}"; Dir::Etc::sourceparts "-"; '
        f'Dir::State::lists "{folder}/apt/lists"; Dir::State::status "{folder}/apt/status"; '
        f'Dir::Cache "{folder}/apt/cache";\n',
        encoding="utf-8",
    )
    env = {"APT_CONFIG": str(config), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    rehearsal.run("apt-get", "-qq", "update", env=env)
    needs = rehearsal.run("apt-cache", "depends", "linux-image-arm64", env=env)
    found = re.search(r"Depends: (linux-image-\S+)", needs)
    expect(found, "linux-image-arm64 depends on no kernel")
    assert found is not None
    rehearsal.run("apt-get", "-qq", "download", found[1], "busybox-static", cwd=folder, env=env)
    shutil.rmtree(folder / "apt")
    return sorted(folder.glob("*.deb"))


def _needed(tree: Path, version: str, names: tuple[str, ...]) -> list[Path]:
    """Files of modules and of what they depend on, in the order of loading."""
    files: dict[Path, None] = {}
    for name in names:
        command = ["modprobe", "--dirname", str(tree), "--set-version", version, "--show-depends", name]
        done = subprocess.run(command, capture_output=True, text=True)
        expect(done.returncode == 0, f"the kernel {version} has no module {name}: {done.stderr.strip()}")
        lines = done.stdout.splitlines()
        files |= {Path(line.split()[1]): None for line in lines if line.startswith("insmod")}
    return list(files)


def _put_modules(rehearsal: Rehearsal, tree: Path, version: str, target: Path) -> None:
    """Copy the modules that the board needs, a tenth of Debian's, and write their index."""
    rehearsal.run("depmod", "--basedir", tree, version)
    source = tree / "lib" / "modules" / version
    for file in _needed(tree, version, BOOT + LATER):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    for index in source.glob("modules.builtin*"):
        shutil.copy(index, target)
    shutil.copy(source / "modules.order", target)


def _put_initrd(rehearsal: Rehearsal, tree: Path, version: str, target: Path) -> None:
    """Busybox that loads a few modules, mounts the disk, and hands over."""
    folder = tree / "initrd"
    for part in ("bin", "dev", "proc", "sys", "mnt", "mod"):
        (folder / part).mkdir(parents=True)
    (busybox,) = (path for path in (tree / "bin/busybox", tree / "usr/bin/busybox") if path.exists())
    shutil.copy(busybox, folder / "bin" / "busybox")
    files = _needed(tree, version, BOOT)
    for file in files:
        shutil.copy(file, folder / "mod")
    (folder / "mod" / "order").write_text("".join(f"{file.name}\n" for file in files), encoding="ascii")
    (folder / "init").write_text(INIT, encoding="ascii")
    (folder / "init").chmod(0o755)
    pack = f"cd {folder} && find . | cpio --create --format=newc --quiet | gzip -1 > {target}"
    rehearsal.run("sh", "-c", pack)
