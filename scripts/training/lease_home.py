"""What must come home from a lent machine, in few files of limited size."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from device.errors import UsageError
from scripts.training.lease_queue import SMALL
from trainer.artifacts.answers_file import files_in, views_in
from trainer.artifacts.checkpoint import save_small
from trainer.artifacts.run_dir import BEST, CONFIG, LAST, METRICS, SUMMARY, RunFolder, write_bytes, write_text

PIECES, PIECE_BYTES, TOTAL_BYTES = 8, 16 * 2**20, 64 * 2**20
NAME = "lease.tar.{}"
LEDGER = "came-home.json"
OVERHEAD_BYTES = 64 * tarfile.BLOCKSIZE  # at most: headers of a file, what tar buffers, its end
END = bytes(2 * tarfile.BLOCKSIZE)  # of an archive
LIGHT_BYTES = 16 * 2**20  # a checkpoint above it travels with int8 weights


def pack(runs: Path, home: Path, views: int, again: bool = False) -> list[str]:
    """Write what is new since the last call into `home`, the most important first.

    Args:
        runs: folder of all work.
        home: folder of the pieces. Older pieces that still lie there did not come home: they are
            replaced, and what they hold is written again.
        views: of the answers; the teachers travel until there are so many.
        again: also what came home before.

    Returns:
        What found no place, by its path in `runs`.

    Raises:
        RunError, OSError: the disk is full; the next call writes all of it.
    """
    home.mkdir(parents=True, exist_ok=True)
    runs.mkdir(parents=True, exist_ok=True)
    known = {} if again else _without(_ledger(runs), home)
    if older := _pieces(home):
        write_text(runs / LEDGER, json.dumps(known))
        for piece in older:
            piece.unlink()
    stream, left_out = Pieces(home), []
    with tarfile.open(fileobj=cast(Any, stream), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path, travels_as in _wanted(runs, views):
            name, state = str(path.relative_to(runs)), _state(path)
            if known.get(name) == state:
                continue
            source = _travelling(path, travels_as)
            if stream.written + source.stat().st_size + OVERHEAD_BYTES > TOTAL_BYTES:
                left_out.append(name)
                continue
            tar.add(source, str(travels_as.relative_to(runs)))
            known[name] = state
    stream.close()
    write_text(runs / LEDGER, json.dumps(known))
    return left_out


def unpack(home: Path, runs: Path) -> int:
    """Put what came home into `runs`, but never over a file there that is as new.

    Args:
        home: folder of the pieces.
        runs: folder of all work.

    Returns:
        The number of files that were written.

    Raises:
        UsageError: a piece is missing or damaged.
        RunError: the disk is full; the same call goes on.
    """
    content = _whole(home)
    runs.mkdir(parents=True, exist_ok=True)
    known, count = _ledger(runs), 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            for member in tar:
                target = runs / tarfile.data_filter(member, str(runs)).name
                source = tar.extractfile(member)
                if source is None or (target.is_file() and target.stat().st_mtime >= member.mtime):
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(target, source.read())
                os.utime(target, (member.mtime, member.mtime))
                known[member.name] = _state(target)
                count += 1
    except tarfile.TarError as error:
        raise UsageError(_damaged(home)) from error
    write_text(runs / LEDGER, json.dumps(known))
    return count


def _whole(home: Path) -> bytes:
    """The content of all pieces.

    Raises:
        UsageError: one is missing, or was cut.
    """
    pieces = _pieces(home)
    names = [NAME.format(number) for number in range(len(pieces))]
    full = [PIECE_BYTES] * (len(pieces) - 1)
    content = b"".join(piece.read_bytes() for piece in pieces)
    if [piece.name for piece in pieces] != names or [piece.stat().st_size for piece in pieces][:-1] != full:
        raise UsageError(_damaged(home))
    if not content.endswith(END):
        raise UsageError(_damaged(home))
    return content


def _pieces(home: Path) -> list[Path]:
    return sorted(home.glob(NAME.format("*")))


def _damaged(home: Path) -> str:
    if not _pieces(home):
        return f"{home}: there are no pieces {NAME.format('N')} here; name the folder that --home filled."
    return f"{home}: a piece {NAME.format('N')} is missing or damaged; bring all of them."


def _without(known: dict[str, list[int]], home: Path) -> dict[str, list[int]]:
    """The ledger without what the pieces in `home` hold; empty where one of them is missing."""
    if not _pieces(home):
        return known
    try:
        with tarfile.open(fileobj=io.BytesIO(_whole(home))) as tar:
            held = set(tar.getnames())
    except (UsageError, tarfile.TarError):
        return {}
    return {name: state for name, state in known.items() if name not in held}


def _ledger(runs: Path) -> dict[str, list[int]]:
    """Size and time of each file, by its path, when it travelled; none if it is damaged."""
    try:
        return dict(json.loads((runs / LEDGER).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return {}


def _state(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


class Pieces:
    """A stream that goes on in the next file when one is full."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder, 0
        self.file: io.BufferedWriter | None = None

    def write(self, content: bytes) -> int:
        """Append."""
        size = len(content)
        while content:
            number, place = divmod(self.written, PIECE_BYTES)
            if self.file is None or not place:
                self._open(number)
            assert self.file is not None
            part = content[: PIECE_BYTES - place]
            self.file.write(part)
            self.written, content = self.written + len(part), content[len(part) :]
        return size

    def close(self) -> None:
        """Close the last piece."""
        if self.file is not None:
            self.file.close()

    def _open(self, number: int) -> None:
        self.close()
        self.file = (self.folder / NAME.format(number)).open("wb")


def _wanted(runs: Path, views: int) -> Iterator[tuple[Path, Path]]:
    """Files in the order of their worth, each with the file as which it travels."""
    for path in files_in(runs / "answers"):
        yield path, path
    if views_in(runs / "answers") < views:
        for run in sorted(runs.glob("teacher-*")):
            yield from _teacher(run)
    for run in sorted(runs.glob("student-*")):
        yield from _texts(run)
        yield from _checkpoints(run)
    rows = sorted(runs.glob(f"compare/*/*/{CONFIG}"), key=_size)
    for config in rows:
        yield from _texts(config.parent)
    for config in rows:
        yield from _checkpoints(config.parent)


def _teacher(run: Path) -> Iterator[tuple[Path, Path]]:
    yield from _texts(run)
    if RunFolder(run).finished:
        found = [path for path in (run / BEST, run / SMALL) if path.is_file()]  # best.pt does not travel
        if found:
            yield found[0], run / SMALL
    elif (run / LAST).is_file():
        yield run / LAST, run / LAST


def _texts(run: Path) -> Iterator[tuple[Path, Path]]:
    for name in (CONFIG, METRICS, SUMMARY, "row.json", "reading.npz"):
        if (run / name).is_file():
            yield run / name, run / name


def _checkpoints(run: Path) -> Iterator[tuple[Path, Path]]:
    """The best epoch; and of an unfinished run the last."""
    for name in (BEST,) if RunFolder(run).finished else (BEST, LAST):
        if (run / name).is_file():
            yield run / name, run / name


def _travelling(path: Path, travels_as: Path) -> Path:
    """The file whose content travels: a heavy checkpoint is made small first."""
    if travels_as != path:
        if not travels_as.is_file():
            save_small(path, travels_as)
        return travels_as
    if path.suffix != ".pt" or path.stat().st_size <= LIGHT_BYTES:
        return path
    light = path.with_suffix(".travelling")
    save_small(path, light)
    return light


def _size(config: Path) -> int:
    return sum(path.stat().st_size for path in config.parent.iterdir() if path.is_file())


def describe(home: Path, left_out: Sequence[str]) -> str:
    """The pieces, and what found no place, in words."""
    pieces = _pieces(home)
    size = sum(piece.stat().st_size for piece in pieces) / 2**20
    text = f"{home}: {len(pieces)} files, {size:.1f} MiB"
    return text + (f"; no place for {', '.join(left_out)}: move these files away and call again" if left_out else "")
