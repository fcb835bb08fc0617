"""Runs on the board with the service's restrictions: reports as JSON where it may write."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

STATE = os.environ["STATE_DIRECTORY"]
# The service's own and gone with it: PrivateTmp, and shared memory, where frames are handed over.
PRIVATE = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")
ELSEWHERE = ("/proc", "/sys")  # no files can be made there
DEPTH = 4


def folders(top: str, depth: int) -> Iterator[str]:
    """A folder and those below it."""
    yield top
    if depth == 0 or top in ELSEWHERE:
        return
    try:
        below = [entry.path for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for path in below:
        yield from folders(path, depth - 1)


def takes_a_file(folder: str) -> bool:
    """Whether a file can be made there."""
    path = Path(folder) / f".emotion-device-was-here-{os.getpid()}"
    try:
        path.touch(exist_ok=False)
    except OSError:
        return False
    path.unlink()
    return True


def below(folder: str, tops: tuple[str, ...]) -> bool:
    """Whether it is one of them, or lies in one."""
    return any(folder == top or folder.startswith(f"{top}/") for top in tops)


tried = [*folders("/", DEPTH), STATE]
written = {folder for folder in tried if takes_a_file(folder)}
state = (STATE, os.path.realpath(STATE), "/var/lib/private/emotion-device")
rights = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
told = {
    "tried": len(tried),
    "inside": sorted(folder for folder in written if below(folder, state)),
    "private": sorted(folder for folder in written if below(folder, PRIVATE)),
    "outside": sorted(folder for folder in written if not below(folder, state + PRIVATE)),
    **{name: rights[name].strip() for name in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")},
}
print(json.dumps(told))
