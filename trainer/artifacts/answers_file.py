"""Files of answers: what teachers say of seeded views of Training, without the views themselves.

A file needs neither PyTorch nor the teachers: one line of JSON (the header), then for each view the
block: 1 byte for each face and label, the view's signature, and a checksum. The views are drawn
again from the seed. A folder of answers holds several files of at most 16 MiB.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.errors import unreadable_as
from trainer.artifacts.answers_header import CHECKSUM_BYTES, AnswersHeader, difference, read_header
from trainer.errors import CheckpointError, RunError

MAX_BYTES = 16 * 2**20  # of a file
LOWEST = 16.0  # nats: log-probabilities below -16 are stored as -16

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """What the teachers say of one view.

    Attributes:
        codes: uint8 (N, K), see `encode`.
        signature: uint8 (16,), mean grey level of the first faces of the view.
        source: the file, for errors.
    """

    codes: Bytes
    signature: Bytes
    source: Path


@dataclass(frozen=True)
class Answers:
    """Answers from one or several files.

    Attributes:
        header: of all files, apart from `first`.
        views: by their numbers, in order.
        missing: what the files lack, a sentence each.
    """

    header: AnswersHeader
    views: dict[int, Answer]
    missing: tuple[str, ...] = ()


def encode(logs: NDArray[np.floating[Any]]) -> Bytes:
    """Log-probabilities, in nats, as uint8: fine near 0, coarse near `-LOWEST`."""
    return np.asarray(np.rint(255 * np.sqrt(np.clip(-logs / LOWEST, 0, 1))), np.uint8)


def decode(codes: Bytes) -> NDArray[np.float32]:
    """The log-probabilities that `encode` stored, in nats; not normalised."""
    shares = codes.astype(np.float32) / 255
    return np.asarray(-LOWEST * shares * shares, np.float32)


class AnswersWriter:
    """Appends views to the files of a folder; a view that was cut off is written again.

    Args:
        folder: of the files; made where it is missing.
        header: of all of them.

    Raises:
        CheckpointError: the folder holds answers of other teachers, faces or views.
        RunError: the folder cannot be made.
    """

    def __init__(self, folder: Path, header: AnswersHeader) -> None:
        self.folder, self.header = folder, header
        self.views_per_file = max(1, (MAX_BYTES - len(header.line()) - 8) // header.block_bytes)
        self.done = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{folder}: the folder cannot be created: {error.strerror}.") from error
        for path in files_in(folder):
            found = read_header(path)
            other = difference(found, header)
            if other or found.first != self.done:
                why = other or "the files before it are missing"
                raise CheckpointError(f"{path}: its answers do not go with this command: {why}; name another folder.")
            self.done += _whole_views(path, found)

    def write(self, codes: Bytes, signature: Bytes) -> None:
        """Append the next view: codes uint8 (N, K) and its signature.

        Raises:
            RunError: the disk is full; the views before stay.
        """
        number, place = divmod(self.done, self.views_per_file)
        header = replace(self.header, first=number * self.views_per_file)
        path = self.folder / f"answers-{number:03}.bin"
        block = codes.tobytes() + signature.tobytes()
        block += zlib.crc32(block).to_bytes(CHECKSUM_BYTES, "little")
        try:
            with path.open("r+b" if place else "wb") as file:
                if place:  # behind the header that is there: a teacher may have had another name
                    file.seek(len(file.readline()) + place * header.block_bytes)
                else:
                    file.write(header.line())
                file.truncate()
                file.write(block)
        except OSError as error:
            raise RunError(f"{path}: the answers cannot be written: {error.strerror}.") from error
        self.done += 1


def files_in(folder: Path) -> list[Path]:
    """The files of a folder of answers, in order, but not one that a full disk left empty.

    Raises:
        CheckpointError: the folder cannot be read; one that is missing has no files.
    """
    with unreadable_as(CheckpointError, folder, "the answers"):
        every = folder.iterdir() if folder.exists() else ()
        return sorted(path for path in every if path.match("answers-*.bin") and path.stat().st_size)


def _files(path: Path) -> list[Path]:
    with unreadable_as(CheckpointError, path, "the answers"):
        return files_in(path) if path.is_dir() else [path]


def views_in(folder: Path) -> int:
    """The number of whole views in a folder of answers; 0 where there is no such folder."""
    return sum(_whole_views(path, read_header(path)) for path in files_in(folder))


def read_answers(paths: Sequence[Path]) -> Answers:
    """All whole views of files and folders of files, and what else should be there.

    Raises:
        CheckpointError: there is none, one is damaged, or they do not go together.
    """
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise CheckpointError(f"{paths[0]}: there are no answers here; `trainer answers` writes them.")
    header = read_header(files[0])
    views: dict[int, Answer] = {}
    missing = []
    for file in files:
        own = read_header(file)
        other = difference(own, header)
        if other:
            raise CheckpointError(f"{file}: its answers do not go with those of {files[0]}: {other}.")
        found, is_cut = _read_views(file, own)
        views |= found
        if is_cut:
            missing.append(
                f"{file}: the file ends within view {own.first + len(found)}, which is left out; "
                "copy the file again, or run the same `trainer answers` again."
            )
    if not views:
        raise CheckpointError(
            f"{files[0]}: no whole view is here; copy the file again, or run `trainer answers` again."
        )
    lost = max(views) - min(views) + 1 - len(views)
    if lost:
        missing.append(f"{files[0]}: {lost} views between {min(views)} and {max(views)} are missing; copy all files.")
    return Answers(header, dict(sorted(views.items())), tuple(missing))


def _whole_views(path: Path, header: AnswersHeader) -> int:
    with unreadable_as(CheckpointError, path, "the answers"), path.open("rb") as file:
        start = len(file.readline())
        return (path.stat().st_size - start) // header.block_bytes


def _read_views(path: Path, header: AnswersHeader) -> tuple[dict[int, Answer], bool]:
    """The whole views of a file, and whether another begins behind them."""
    with unreadable_as(CheckpointError, path, "the answers"):
        content = path.read_bytes()
    start, size, labels = content.index(b"\n") + 1, header.block_bytes, len(header.labels)
    views = {}
    count, left_over = divmod(len(content) - start, size)
    for place in range(count):
        block = content[start + place * size : start + (place + 1) * size]
        stored = int.from_bytes(block[-CHECKSUM_BYTES:], "little")
        if zlib.crc32(block[:-CHECKSUM_BYTES]) != stored:
            raise CheckpointError(
                f"{path}: the answers are damaged (view {header.first + place}); copy the file again."
            )
        values = np.frombuffer(block[:-CHECKSUM_BYTES], np.uint8)
        codes = values[: header.count * labels].reshape(header.count, labels)
        views[header.first + place] = Answer(codes, values[header.count * labels :], path)
    return views, left_over > 0
