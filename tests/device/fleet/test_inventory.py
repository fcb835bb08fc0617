"""The file with the names of the boards that must be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.errors import UsageError
from device.fleet import read_inventory


def test_an_inventory(tmp_path: Path) -> None:
    (tmp_path / "boards.txt").write_text("hall\n  porch   # by the door\n\n# cellar\n")
    assert read_inventory(tmp_path / "boards.txt") == ["hall", "porch"]
    (tmp_path / "wrong.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="it is not UTF-8 text"):
        read_inventory(tmp_path / "wrong.txt")
