"""Lines that libpng and libjpeg write to stderr themselves do not reach the log."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

READ = "from pathlib import Path; from device.camera.decoding import read_picture; read_picture(Path({!r}))"
TRAIN = """
from contextlib import suppress
from pathlib import Path
from trainer.data.pictures import read_grey
from trainer.errors import DataError
with suppress(DataError):
    read_grey(Path({!r}))
"""
PLAIN = "import cv2; assert cv2.imread({!r}) is not None"


def broken_profile() -> bytes:
    """A PNG with a colour profile that is too short."""
    data = cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    kind, content = b"iCCP", b"x\0\0junk"
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data[:33] + chunk + data[33:]  # after the signature and IHDR


def cut_short() -> bytes:
    """A JPEG whose second half is missing."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    return data[: len(data) // 2]


@pytest.mark.parametrize(("make", "name"), [(broken_profile, "a.png"), (cut_short, "a.jpg")])
def test_what_a_decoder_prints_is_dropped(make: Callable[[], bytes], name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(make())
    assert stderr_of(PLAIN.format(str(path))), "OpenCV alone prints a line, else this test would prove nothing"
    assert stderr_of(READ.format(str(path))) == ""
    assert stderr_of(TRAIN.format(str(path))) == ""


def stderr_of(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
