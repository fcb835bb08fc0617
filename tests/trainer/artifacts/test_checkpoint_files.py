"""Paths that are no checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer.artifacts.checkpoint import load_checkpoint
from trainer.errors import CheckpointError


def test_a_pipe_as_a_checkpoint_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "best.pt")
    with pytest.raises(CheckpointError, match="this is no file"):
        load_checkpoint(tmp_path / "best.pt")
    with pytest.raises(CheckpointError, match="this is no file"):
        load_checkpoint(tmp_path)
