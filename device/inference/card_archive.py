"""The ZIP entry at the end of a .tflite: written, read within bounds, removed.

LiteRT reads the flatbuffer from the front and a ZIP reader finds its directory from the back, so
both can open the same file. The ZIP's comment is the flatbuffer's sha256, which detects damage; old
files have none. Nothing is unpacked before its size is known.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from pathlib import Path

from device.bounded_file import read_bounded
from device.errors import ModelError

ENTRY = "model_card.json"
FLATBUFFER_ID = b"TFL3"
MAX_FILE = 100_000_000  # bytes of a model file
MAX_CARD = 1_000_000  # bytes of a card's text
MAX_RATIO = 100  # times that a card may be larger than its compressed form; JSON is about five
MAX_ENTRIES = 16
MAX_DIRECTORY = 64_000  # bytes of the ZIP's directory

END_OF_ARCHIVE, ZIP64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
END_SIZE, MAX_COMMENT = 22, 65_535
ZIP64_LOCATOR_SIZE = 20

# What zipfile raises for changed bytes: in sizes, offsets, methods, flags or the compressed text.
DAMAGE = (zipfile.BadZipFile, zlib.error, LookupError, EOFError, ValueError, RuntimeError, OSError, struct.error)


def read_model(path: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        ModelError: it cannot be read, or is larger than `MAX_FILE`.
    """
    try:
        return read_bounded(path, MAX_FILE)
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read: {error.strerror}.") from error


def read_text(data: bytes, where: str) -> bytes:
    """The card's text inside a model file, not decoded.

    Raises:
        ModelError: this is no .tflite, it has no card, its card is too large, or it is damaged.
    """
    if data[4:8] != FLATBUFFER_ID:
        raise ModelError(f"{where}: this is not a .tflite model.")
    try:
        _check_directory(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info, checksum = archive.getinfo(ENTRY), archive.comment
            if info.file_size > MAX_CARD or info.file_size > MAX_RATIO * max(info.compress_size, 1):
                raise _too_large(where)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile("another compression, which may take any amount of memory")
            with archive.open(info) as entry:
                text = entry.read(MAX_CARD + 1)  # the directory may be wrong about the size
            if len(text) > MAX_CARD:
                raise _too_large(where)
    except DAMAGE as error:
        raise ModelError(
            f"{where}: there is no model card inside, or the file is cut short; make it with `trainer convert`."
        ) from error
    if checksum and checksum != network_checksum(strip(data)):
        raise ModelError(f"{where}: the file was damaged or cut short after it was made; copy it again.")
    return text


def attach_text(model: bytes, text: str) -> bytes:
    """The model with this card, replacing any it had; equal cards give equal files."""
    network = strip(model)
    buffer = io.BytesIO(network)
    buffer.seek(0, io.SEEK_END)
    entry = zipfile.ZipInfo(ENTRY, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(entry, text)
        archive.comment = network_checksum(network)
    return buffer.getvalue()


def strip(model: bytes) -> bytes:
    """The flatbuffer alone, without a card."""
    try:
        _check_directory(model)
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            entries = archive.infolist()
            return model[: min(e.header_offset for e in entries)] if entries else model
    except DAMAGE:
        return model


def network_checksum(network: bytes) -> bytes:
    """sha256 of a flatbuffer, hexadecimal, as the ZIP's comment holds it."""
    return hashlib.sha256(network).hexdigest().encode()


def _check_directory(data: bytes) -> None:
    """Refuse a ZIP whose directory has more entries than a model needs: zipfile reads it whole.

    Raises:
        zipfile.BadZipFile: there is no directory, or it is too large.
    """
    tail = data[-(END_SIZE + MAX_COMMENT) :]
    at = tail.rfind(END_OF_ARCHIVE)
    if at < 0 or len(tail) - at < END_SIZE:
        raise zipfile.BadZipFile("no directory")
    entries, size = struct.unpack_from("<HL", tail, at + 10)
    if entries > MAX_ENTRIES or size > MAX_DIRECTORY or ZIP64_LOCATOR in tail[max(0, at - ZIP64_LOCATOR_SIZE) : at]:
        raise zipfile.BadZipFile("the directory is too large")


def _too_large(where: str) -> ModelError:
    return ModelError(f"{where}: the model card is larger than {MAX_CARD // 1000} kB, or packed more than any card is.")
