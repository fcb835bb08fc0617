"""How large a picture is, by the first bytes of its file: known before it is decoded."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import BinaryIO

from device.errors import SourceError

JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that hold height and width
JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length
MAX_MARKERS = 10_000
MAX_ENTRIES = 1000  # of a TIFF directory
TIFF_WIDTH, TIFF_HEIGHT = 256, 257


def check_size(path: Path, max_pixels: int) -> None:
    """Refuse a picture of more pixels, before memory is taken for them.

    Raises:
        SourceError: the file says that it has more. What it is of another format passes.
    """
    try:
        with path.open("rb") as file:
            found = size_of(file)
    except (OSError, struct.error, ValueError, IndexError):  # cut short: decoding says so
        return
    if found is not None:
        refuse_large(path, *found, max_pixels)


def refuse_large(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Raise a SourceError for a picture or video with more pixels than allowed."""
    if width * height > max_pixels:
        raise SourceError(
            f"{path}: this has {width} x {height} pixels; at most {max_pixels:,} are decoded "
            "(device.camera.max_pixels); make it smaller."
        )


def size_of(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF, BMP, JPEG, WebP, TIFF or PNM picture; None of another."""
    head = file.read(512)
    if head.startswith(b"\x89PNG"):
        return _two(">II", head, 16)
    if head.startswith(b"GIF8"):
        return _two("<HH", head, 6)
    if head.startswith(b"BM"):
        width, height = struct.unpack_from("<ii", head, 18)
        return abs(width), abs(height)
    if head.startswith(b"\xff\xd8"):
        return _jpeg(file)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp(head)
    if head[:4] in (b"II*\0", b"MM\0*"):
        return _tiff(file, "<" if head.startswith(b"II") else ">")
    if match := re.match(rb"P[1-6](?:\s+|#[^\n]*\n)+(\d{1,9})(?:\s+|#[^\n]*\n)+(\d{1,9})\s", head):
        return int(match[1]), int(match[2])
    return None


def _two(form: str, data: bytes, at: int) -> tuple[int, int]:
    width, height = struct.unpack_from(form, data, at)
    return width, height


def _jpeg(file: BinaryIO) -> tuple[int, int] | None:
    file.seek(2)
    for _ in range(MAX_MARKERS):
        byte = file.read(1)
        if byte != b"\xff":
            if not byte:
                return None
            continue  # padding, or data without a meaning here
        marker = file.read(1)[0]
        if marker in JPEG_ALONE or marker == 0xFF:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if marker in JPEG_SIZES:
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(max(0, length - 2), 1)
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = _two("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff(file: BinaryIO, order: str) -> tuple[int, int] | None:
    """Of the first picture in the file."""
    file.seek(4)
    file.seek(struct.unpack(f"{order}I", file.read(4))[0])
    (count,) = struct.unpack(f"{order}H", file.read(2))
    found: dict[int, int] = {}
    for _ in range(min(count, MAX_ENTRIES)):
        tag, kind, _, value = struct.unpack(f"{order}HHI4s", file.read(12))
        found[tag] = struct.unpack(f"{order}{'H2x' if kind == 3 else 'I'}", value)[0]
    return (found[TIFF_WIDTH], found[TIFF_HEIGHT]) if {TIFF_WIDTH, TIFF_HEIGHT} <= found.keys() else None
