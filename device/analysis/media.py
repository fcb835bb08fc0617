"""Finds the photos and films among files and folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from device.camera.sources.media_file import PICTURES
from device.errors import SourceError, unreadable_as

# A file that is named is tried, whatever its suffix; in a folder only these and PICTURES are.
FILMS = frozenset(
    (
        ".avi",
        ".gif",
        ".h264",
        ".m4v",
        ".mjpeg",
        ".mjpg",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".ogv",
        ".webm",
        ".wmv",
    )
)


@dataclass(frozen=True)
class Media:
    """The files to read, in order, and the number of other files in their folders."""

    files: list[Path]
    passed_over: int


def find_media(paths: Iterable[Path]) -> Media:
    """The files that are named, and the photos and films in the folders that are named.

    A folder is searched with the folders in it. Hidden files and folders are left out.

    Raises:
        SourceError: a path does not exist, a folder cannot be read, or there is no file at all.
    """
    files: list[Path] = []
    others = 0
    named = list(paths)
    for path in named:
        kind = _kind(path)
        if kind is None:
            raise SourceError(f"{path}: there is no such file or folder.")
        inside = list(_walk(path)) if kind == "folder" else [path]
        chosen = [each for each in inside if each == path or each.suffix.lower() in PICTURES | FILMS]
        files += chosen
        others += len(inside) - len(chosen)
    if not files:
        where = ", ".join(map(str, named))
        raise SourceError(f"{where}: there is no photo and no film in it ({', '.join(sorted(PICTURES | FILMS))}).")
    return Media(list(dict.fromkeys(files)), others)


def _walk(folder: Path) -> Iterator[Path]:
    """The files in a folder and in those in it, in the order in which people count."""
    with unreadable_as(SourceError, folder, "the folder"):
        entries = sorted(folder.iterdir(), key=_natural)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        kind = _kind(entry)
        if kind == "folder" and not entry.is_symlink():  # a link may lead in a circle
            yield from _walk(entry)
        elif kind == "file":
            yield entry


def _kind(path: Path) -> Literal["file", "folder", "other"] | None:
    """What a path names, None for nothing; "file" where that is unknown: reading it says why."""
    try:
        if path.is_dir():
            return "folder"
        if path.is_file():
            return "file"
        return "other" if path.exists() else None
    except OSError:
        return "file"


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts day-2 before day-10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
