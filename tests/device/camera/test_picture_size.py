"""A picture's size is known before it is decoded, and one that is too large takes no memory."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.camera.decoding import read_picture
from device.camera.picture_size import size_of
from device.camera.sources.media_file import play
from device.config.schema import CameraConfig
from device.errors import SourceError
from tests.support.clips import scene, write_clip

FORMATS = (".png", ".jpg", ".bmp", ".pgm", ".ppm", ".tiff", ".webp")


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("shape", [(120, 161, 3), (33, 1000, 3)])
def test_the_size_in_the_file_is_that_of_the_picture(tmp_path: Path, ending: str, shape: tuple[int, int, int]) -> None:
    path, image = tmp_path / f"picture{ending}", np.full(shape, 90, np.uint8)
    assert cv2.imwrite(str(path), image[..., 0] if ending == ".pgm" else image)
    with path.open("rb") as file:
        assert size_of(file) == (shape[1], shape[0])
    assert read_picture(path, shape[0] * shape[1]).shape == shape
    with pytest.raises(SourceError, match=r"has \d+ x \d+ pixels; at most [\d,]+ are decoded \(device.camera.max_pix"):
        read_picture(path, shape[0] * shape[1] - 1)


def huge_png(path: Path, side: int = 20_000) -> Path:
    """A grey picture of 400 million pixels in 400 kB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer, rows = zlib.compressobj(), b""
    for _ in range(side):
        rows += packer.compress(bytes(side + 1))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", rows + packer.flush()) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


@pytest.mark.parametrize("fast", [True, False])
def test_a_picture_of_400_million_pixels_takes_no_memory(tmp_path: Path, fast: bool) -> None:
    huge = huge_png(tmp_path / "huge.png")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match="20000 x 20000 pixels; at most 25,000,000"):
        next(play(huge, CameraConfig(source=str(huge), fast=fast)))
    with pytest.raises(SourceError, match="20000 x 20000 pixels"):
        next(play(tmp_path, CameraConfig(source=str(tmp_path), fast=fast)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kB"


def test_a_video_with_large_frames(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", [scene([])] * 3)
    with pytest.raises(SourceError, match="640 x 480 pixels; at most 5,000"):
        next(play(path, CameraConfig(source=str(path), max_pixels=5000)))


@pytest.mark.parametrize("ending", FORMATS)
def test_a_header_that_was_cut_short(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"picture{ending}"
    assert cv2.imwrite(str(path), np.full((40, 50) if ending == ".pgm" else (40, 50, 3), 90, np.uint8))
    whole = path.read_bytes()
    for end in (1, 3, 9, 17, 21, 27):
        path.write_bytes(whole[:end])
        with pytest.raises(SourceError):
            read_picture(path, 10_000)


QUIET = """
import sys
from pathlib import Path
from device.camera.decoding import read_picture
read_picture(Path(sys.argv[1]), 10**6)
"""


def test_the_decoders_say_nothing_themselves(tmp_path: Path) -> None:
    path = tmp_path / "torn.jpg"
    assert cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    done = subprocess.run([sys.executable, "-c", QUIET, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
