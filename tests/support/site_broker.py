"""Brokers with the configurations of deploy/mosquitto/, as a site runs them, on loopback."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.support.broker import Mosquitto

FILES = Path(__file__).parents[2] / "deploy/mosquitto"
PASSWORD = "change-me"  # as bridge.conf has it


class SiteBroker(Mosquitto):
    """A broker with configuration files of deploy/mosquitto/, on its own port and folders.

    Args:
        folder: an empty one, for everything it writes.
        files: which of them, such as "site.conf".
        users: who may connect, all with `PASSWORD`.
        changes: text of the files to be replaced, and by what; each must be there.
    """

    def __init__(
        self, folder: Path, files: Iterable[str], users: Iterable[str], changes: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self.folder = folder
        places = {"listener 1883": f"listener {self.port} 127.0.0.1", "/etc/mosquitto": str(folder)}
        included = folder / "conf.d"
        included.mkdir()
        for name, text in changed({name: (FILES / name).read_text() for name in files}, places | dict(changes or {})):
            (included / name).write_text(text)
        user = "user root\n" if folder.owner() == "root" else ""  # else it drops to a user who cannot read the folder
        self._config.write_text(f"{user}persistence true\npersistence_location {folder}/\ninclude_dir {included}\n")
        shutil.copy(FILES / "acl", folder / "acl")
        (folder / "acl").chmod(0o600)
        write_passwords(folder / "passwd", users)

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def connections(self) -> list[tuple[int, str]]:
        """When each client connected, UNIX seconds, and its id; from the log."""
        found = re.findall(r"^(\d+): New client connected from \S+ as (\S+)", self.log(), re.MULTILINE)
        return [(int(when), client) for when, client in found]


def changed(files: Mapping[str, str], changes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Files by name, with each text in them replaced; each text must occur."""
    for old in changes:
        assert any(old in text for text in files.values()), f"{old!r} stands in none of the files"
    for name, text in files.items():
        for old, new in changes.items():
            text = text.replace(old, new)
        yield name, text


def write_passwords(path: Path, users: Iterable[str]) -> None:
    """A password file for Mosquitto, hashed by its own tool."""
    path.write_text("".join(f"{user}:{PASSWORD}\n" for user in users))
    path.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, capture_output=True)
