"""A Debian made on this machine, from the archive that this machine itself uses."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from tests.emulation.rehearsal.steps import Rehearsal
from tests.emulation.rehearsal.workshop import CACHE

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"  # Ubuntu does not have it of itself
HOST_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))


def sources(release: str) -> str | None:
    """This machine's apt sources, for another release; None on other systems."""
    here = platform.freedesktop_os_release()
    if here.get("ID") != "debian" or "VERSION_CODENAME" not in here:
        return None
    text = next(file.read_text(encoding="utf-8") for file in HOST_SOURCES if file.exists())
    return text.replace(here["VERSION_CODENAME"], release)


def archive_path(release: str, variant: str, packages: tuple[str, ...], architecture: str = "arm64") -> Path:
    """Where the cache has such an archive, or will."""
    mark = hashlib.sha256(" ".join([variant, *packages]).encode()).hexdigest()[:12]
    return CACHE / f"{release}-{architecture}-{mark}.tar.zst"


def root_archive(
    rehearsal: Rehearsal, release: str, variant: str, packages: tuple[str, ...], architecture: str = "arm64"
) -> Path:
    """An archive of a root file system, from the cache if it was made before.

    Args:
        rehearsal: logs.
        release: Debian's code name.
        variant: of mmdebstrap; "extract" only unpacks, without emulation; "apt" also configures.
        packages: what it holds.
        architecture: as Debian calls it.
    """
    archive = archive_path(release, variant, packages, architecture)
    if not archive.exists():
        new = archive.with_name(f"new-{archive.name}")
        command = ["mmdebstrap", "--quiet", "--mode=root", f"--architectures={architecture}", f"--variant={variant}"]
        command += ['--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"']
        command += [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "locale")]
        command += [f"--include={','.join(packages)}", release, str(new)]
        if (text := sources(release)) is not None:
            listed = CACHE / ("debian.sources" if "URIs:" in text else "debian.list")
            listed.write_text(text, encoding="utf-8")
            command.append(str(listed))
        rehearsal.run(*command)
        new.rename(archive)
    return archive


def unpack(rehearsal: Rehearsal, archive: Path, folder: Path) -> Path:
    """The root file system in a folder."""
    folder.mkdir()
    rehearsal.run("tar", "--directory", folder, "--zstd", "--extract", "--file", archive)
    return folder


def trust(root: Path) -> None:
    """Write the bundle that the script of ca-certificates writes: pip needs it."""
    bundle = root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    found = sorted((root / "usr" / "share" / "ca-certificates").rglob("*.crt"))
    bundle.write_bytes(b"".join(file.read_bytes() for file in found))
