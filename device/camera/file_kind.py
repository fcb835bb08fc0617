"""What a media file is, by its first bytes: a picture, an animation, a raw stream, or a video."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from device.camera.opencv_logs import silence_opencv_logs
from device.errors import SourceError, unreadable_as

FileKind = Literal["picture", "animation", "raw", "video"]

PHONE_PHOTOS = frozenset((".avif", ".heic", ".heif"))  # not every OpenCV decodes them
PICTURES = PHONE_PHOTOS | {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
RAW_JPEGS = frozenset((".mjpeg", ".mjpg"))  # many JPEG pictures in a row; one alone looks the same
PHOTO_BRANDS = frozenset((b"avif", b"avis", b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"))
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
GIF_EXTENSION, GIF_IMAGE = b"!", b","
WEBP_ANIMATED = 0x02  # of the flags at byte 20


def kind_of(path: Path) -> FileKind:
    """What a file is: `raw` is a video without container and clock; what is not known is `video`.

    Raises:
        SourceError: it does not exist, is empty, or cannot be read.
    """
    with unreadable_as(SourceError, path, "the file"):
        _check_file(path)
        with path.open("rb") as file:
            head = file.read(32)
            if not head:
                raise SourceError(f"{path}: the file is empty.")
            if path.suffix.lower() in RAW_JPEGS and head.startswith(JPEG):
                return "raw"
            if _starts_with_nal_unit(head):
                return "raw"
            if _is_animated(file, head):
                return "animation"
        return "picture" if is_phone_photo(head) or _is_picture(path) else "video"


def is_phone_photo(head: bytes) -> bool:
    """Whether a file's first bytes are those of HEIC or AVIF."""
    return head[4:8] == b"ftyp" and head[8:12] in PHOTO_BRANDS


@contextmanager
def opencv_name(path: Path) -> Iterator[str]:
    """A name under which OpenCV can open the file: it crashes on one that is not UTF-8."""
    try:
        name = os.fsencode(path).decode()
    except UnicodeDecodeError:
        with path.open("rb") as file:
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        yield name


def _check_file(path: Path) -> None:
    if not path.exists():
        raise SourceError(f"{path}: there is no such file or folder.")
    if not path.is_file():
        raise SourceError(f"{path}: this is no file; a camera is written as v4l2://{path}.")


def _is_picture(path: Path) -> bool:
    import cv2

    silence_opencv_logs()
    with opencv_name(path) as name:
        try:
            return path.suffix.lower() in PICTURES or cv2.haveImageReader(name)
        except cv2.error:  # a picture in a format that is turned off, as OpenEXR
            return True


def _starts_with_nal_unit(head: bytes) -> bool:
    """H.264 or H.265 in Annex B format; the byte after the start code is larger in others."""
    after = head[4:5] if head.startswith(b"\0\0\0\1") else head[3:4] if head.startswith(b"\0\0\1") else b""
    return after != b"" and after[0] < 0x80


def _is_animated(file: BinaryIO, head: bytes) -> bool:
    """Whether a GIF, PNG, WebP or AVIF holds more than one picture."""
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        return bool(int.from_bytes(head[20:21], "little") & WEBP_ANIMATED)
    if head.startswith(PNG):
        return b"acTL" in _png_chunks(file)
    if head[:3] == b"GIF":
        return len(list(_gif_pictures(file))) > 1
    return is_phone_photo(head) and head[8:12] == b"avis"


def _png_chunks(file: BinaryIO) -> Iterator[bytes]:
    """The types of the chunks before the pixels."""
    file.seek(len(PNG))
    while len(start := file.read(8)) == 8 and start[4:] != b"IDAT":
        yield start[4:]
        file.seek(struct.unpack(">I", start[:4])[0] + 4, os.SEEK_CUR)  # and the checksum


def _gif_pictures(file: BinaryIO) -> Iterator[int]:
    """Where each picture begins, until two are found."""
    file.seek(10)
    flags = file.read(3)[:1]
    _skip_colours(file, flags)
    found = 0
    while found < 2 and (block := file.read(1)) in (GIF_EXTENSION, GIF_IMAGE):
        if block == GIF_EXTENSION:
            file.read(1)  # its kind
        else:
            yield file.tell()
            found += 1
            _skip_colours(file, file.read(9)[8:])
            file.read(1)  # the size of its codes
        while (size := file.read(1)) not in (b"", b"\0"):
            file.seek(size[0], os.SEEK_CUR)


def _skip_colours(file: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 * 2 ** ((flags[0] & 7) + 1), os.SEEK_CUR)
