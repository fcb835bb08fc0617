"""A file name that is not UTF-8 is refused; OpenCV would crash on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from device.camera.sources.media_file import play
from device.config import CameraConfig
from device.errors import SourceError


@pytest.mark.parametrize(
    ("name", "as_folder"), [(b"gr\xf6\xdfe.png", False), (b"gr\xf6\xdfe.png", True), (b"f\xf6.mp4", False)]
)
def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path, name: bytes, as_folder: bool) -> None:
    path = tmp_path / os.fsdecode(name)
    try:
        path.write_bytes(b"x")
    except OSError:
        pytest.skip("the file system allows only UTF-8 names")
    with pytest.raises(SourceError, match="not UTF-8; rename"):
        next(iter(play(tmp_path if as_folder else path, CameraConfig())))
