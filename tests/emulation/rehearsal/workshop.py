"""What a rehearsal works with: a cache of downloads, a scratch folder, and tools."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.emulation.rehearsal.steps import Rehearsal, RehearsalError, Skipped

REPOSITORY = Path(__file__).resolve().parents[3]
CACHE = Path(os.environ.get("REHEARSAL_CACHE", REPOSITORY / ".rehearsal")).resolve()
LOGS = CACHE / "logs"
os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def need(programs: Mapping[str, str], install: bool) -> None:
    """See that programs are there; root may have those that are missing installed.

    Args:
        programs: name, or path of a file -> Debian's package that has it.
        install: whether to call apt-get.

    Raises:
        Skipped: this is no root, or something is missing.
    """
    if os.geteuid() != 0:
        raise Skipped("mounting and chroot need root; say it with sudo.")
    packages = sorted({package for program, package in programs.items() if not _is_there(program)})
    if packages and install:
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", *packages)
    elif packages:
        raise Skipped(f"tools are missing: sudo apt install {' '.join(packages)}, or say it again with --install.")


def _is_there(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program) is not None


def _apt_get(*words: str) -> None:
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(["apt-get", "-qq", *words], env=env, stdout=subprocess.DEVNULL).returncode != 0:
        raise RehearsalError(f"apt-get {' '.join(words)} failed; what it said stands above.")


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for this rehearsal alone, removed at its end; one rehearsal at a time.

    Raises:
        RehearsalError: another one runs.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RehearsalError(f"{CACHE}: another rehearsal runs; wait for it, or set REHEARSAL_CACHE.") from error
        _sweep()
        with tempfile.TemporaryDirectory(prefix="work.", dir=CACHE, ignore_cleanup_errors=True) as name:
            yield Path(name)


def _sweep() -> None:
    """Remove what a rehearsal that was killed left behind."""
    for left in CACHE.glob("work.*"):
        subprocess.run(["umount", left / "binfmt"], stderr=subprocess.DEVNULL)
        shutil.rmtree(left, ignore_errors=True)


def controller(rehearsal: Rehearsal) -> Path:
    """A virtual environment with deploy/requirements.txt, as docs/deployment.md describes."""
    wanted = (REPOSITORY / "deploy" / "requirements.txt").read_text(encoding="utf-8")
    folder = CACHE / "controller"
    done = folder / "requirements.txt"
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        rehearsal.run(sys.executable, "-m", "venv", "--clear", folder)
        rehearsal.run(folder / "bin" / "pip", "install", "--quiet", "-r", REPOSITORY / "deploy" / "requirements.txt")
        done.write_text(wanted, encoding="utf-8")
    return folder / "bin"


def wheel(rehearsal: Rehearsal, folder: Path) -> Path:
    """The project's own, built now."""
    env = os.environ | {"PYTHON": str(controller(rehearsal) / "python")}
    return Path(rehearsal.run(REPOSITORY / "scripts" / "release" / "dist", folder, env=env).splitlines()[-1])


def wheelhouse(rehearsal: Rehearsal, python: str, machine: str = "aarch64", *more: str) -> Path:
    """An archive of the wheels of others for a board; fetched if it is not yet.

    Args:
        rehearsal: logs.
        python: the board's, 3.11 for example.
        machine: the board's, as Python calls it.
        more: what it shall hold besides what the program depends on, in pip's words.
    """
    wanted = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    mark = hashlib.sha256("\n".join([python, machine, *wanted, *more]).encode()).hexdigest()[:12]
    archive = CACHE / f"wheels-{python}-{machine}-{mark}.tar"
    if not archive.exists():
        env = os.environ | {"PYTHON": str(controller(rehearsal) / "python"), "MACHINE": machine}
        fetched = archive.with_name(f"new-{archive.name}")
        rehearsal.run(REPOSITORY / "scripts" / "release" / "wheelhouse", python, fetched, *more, env=env)
        fetched.rename(archive)
    return archive
