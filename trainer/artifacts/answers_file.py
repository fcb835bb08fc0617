"""Files of answers: what teachers say of seeded views of Training, without the views themselves.

A file needs neither PyTorch nor the teachers: one line of JSON (the header), then for each view the
block: 1 byte for each face and label, the view's signature, and a checksum. The views are drawn
again from the seed. A folder of answers holds several files of at most 16 MiB.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.augment_config import AugmentConfig
from trainer.errors import CheckpointError, RunError

FORMAT, VERSION = "emotion-edge answers", 1
MAX_BYTES = 16 * 2**20  # of a file
LOWEST = 16.0  # nats: log-probabilities below -16 are stored as -16
SIGNED = 16  # faces whose mean grey levels are a view's signature
CHECKSUM_BYTES = 4

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class AnswersHeader:
    """To what the answers of a file belong.

    Attributes:
        faces: sha256 over the pixels and labels of the Training faces, hexadecimal.
        count: number of these faces.
        labels: of the answers, in order.
        augment: every setting of `AugmentConfig` with which the views are drawn.
        mixup: alpha; 0 where nothing is mixed.
        mixup_share: share of the chunks that are mixed.
        seed: of the views.
        teachers: name of each teacher by the sha256 of its weights.
        temperature: of the softmax of each teacher; the answers are the logarithm of their mean.
        mirror: whether the mean is also over the mirror image of each view.
        first: number of the first view in this file.
    """

    faces: str
    count: int
    labels: tuple[str, ...]
    augment: dict[str, float]
    mixup: float
    mixup_share: float
    seed: int
    teachers: dict[str, str]
    temperature: float
    mirror: bool
    first: int = 0

    @property
    def signed(self) -> int:
        """Bytes of a view's signature."""
        return min(SIGNED, self.count)

    @property
    def block_bytes(self) -> int:
        """Bytes of one view in a file."""
        return self.count * len(self.labels) + self.signed + CHECKSUM_BYTES

    def line(self) -> bytes:
        """The first line of a file."""
        return json.dumps({"format": FORMAT, "version": VERSION} | asdict(self)).encode() + b"\n"


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
    """Answers from one or several files; `views` has them by the number of the view."""

    header: AnswersHeader
    views: dict[int, Answer]


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
        path, line = self.folder / f"answers-{number:03}.bin", header.line()
        block = codes.tobytes() + signature.tobytes()
        block += zlib.crc32(block).to_bytes(CHECKSUM_BYTES, "little")
        try:
            with path.open("r+b" if place else "wb") as file:
                if not place:
                    file.write(line)
                file.seek(len(line) + place * header.block_bytes)
                file.truncate()
                file.write(block)
        except OSError as error:
            raise RunError(f"{path}: the answers cannot be written: {error.strerror}.") from error
        self.done += 1


def files_in(folder: Path) -> list[Path]:
    """The files of a folder of answers, in order, but not one that a full disk left empty."""
    return sorted(path for path in folder.glob("answers-*.bin") if path.stat().st_size)


def views_in(folder: Path) -> int:
    """The number of whole views in a folder of answers; 0 where there is no such folder."""
    return sum(_whole_views(path, read_header(path)) for path in files_in(folder))


def read_answers(paths: Sequence[Path]) -> Answers:
    """All whole views of files and folders of files.

    Raises:
        CheckpointError: there is none, one is damaged, or they do not go together.
    """
    files = [file for path in paths for file in (files_in(path) if path.is_dir() else [path])]
    if not files:
        raise CheckpointError(f"{paths[0]}: there are no answers here; `trainer answers` writes them.")
    header = read_header(files[0])
    views: dict[int, Answer] = {}
    for file in files:
        own = read_header(file)
        other = difference(own, header)
        if other:
            raise CheckpointError(f"{file}: its answers do not go with those of {files[0]}: {other}.")
        views |= _read_views(file, own)
    if not views:
        raise CheckpointError(f"{files[0]}: no view is answered yet; run the same `trainer answers` again.")
    return Answers(header, dict(sorted(views.items())))


def read_header(path: Path) -> AnswersHeader:
    """The header of one file.

    Raises:
        CheckpointError: the file is missing, or holds no answers.
    """
    try:
        with path.open("rb") as file:
            values = json.loads(file.readline(2**20))
        found, version = values.pop("format"), values.pop("version")
        if found != FORMAT or version != VERSION:
            raise ValueError
        header = AnswersHeader(**values | {"labels": tuple(values["labels"])})
        return replace(header, augment=vars(AugmentConfig.only(**header.augment)))  # a newer setting is off
    except OSError as error:
        raise CheckpointError(f"{path}: the answers cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: this is no file of answers of this version of the trainer.") from error


def difference(one: AnswersHeader, other: AnswersHeader) -> str:
    """What distinguishes two headers, apart from `first`, in words; empty if nothing does."""
    for name in ("faces", "count"):
        if getattr(one, name) != getattr(other, name):
            return f"they are of other faces ({one.count:,} instead of {other.count:,}, or others)"
    for name in sorted(one.augment.keys() | other.augment.keys()):
        if one.augment.get(name) != other.augment.get(name):
            return f"augment.{name} is {one.augment.get(name)} instead of {other.augment.get(name)}"
    if one.teachers.keys() != other.teachers.keys():
        return f"the teachers are {_names(one)} instead of {_names(other)}"
    for name in ("labels", "mixup", "mixup_share", "seed", "temperature", "mirror"):
        if getattr(one, name) != getattr(other, name):
            return f"{name} is {getattr(one, name)} instead of {getattr(other, name)}"
    return ""


def _names(header: AnswersHeader) -> str:
    return ", ".join(f"{name} ({sha256[:8]})" for sha256, name in header.teachers.items()) or "none"


def _whole_views(path: Path, header: AnswersHeader) -> int:
    with path.open("rb") as file:
        start = len(file.readline())
    return (path.stat().st_size - start) // header.block_bytes


def _read_views(path: Path, header: AnswersHeader) -> dict[int, Answer]:
    content = path.read_bytes()
    start, size, labels = content.index(b"\n") + 1, header.block_bytes, len(header.labels)
    views = {}
    for place in range((len(content) - start) // size):
        block = content[start + place * size : start + (place + 1) * size]
        stored = int.from_bytes(block[-CHECKSUM_BYTES:], "little")
        if zlib.crc32(block[:-CHECKSUM_BYTES]) != stored:
            raise CheckpointError(
                f"{path}: the answers are damaged (view {header.first + place}); copy the file again."
            )
        values = np.frombuffer(block[:-CHECKSUM_BYTES], np.uint8)
        codes = values[: header.count * labels].reshape(header.count, labels)
        views[header.first + place] = Answer(codes, values[header.count * labels :], path)
    return views
