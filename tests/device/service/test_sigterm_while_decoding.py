"""SIGTERM while a large picture is being decoded: `device run` ends as at any other time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.device.service.test_service_command import running
from tests.support.broker import wait_for
from tests.support.processes import children


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees which files an agent has open")
def test_sigterm_while_a_picture_is_decoded(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "00.png"), np.zeros((4900, 5000, 3), np.uint8))  # just below camera.max_pixels
    for number in range(1, 20):
        (folder / f"{number:02}.png").hardlink_to(folder / "00.png")
    with running(tmp_path, model, "--source", str(folder), "--loop") as process:
        wait_for(lambda: _reads(process.pid, folder), "a picture that is being read")
        worker = children(process.pid)
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in complaints) == (0, False), complaints
    assert not [pid for pid in worker if Path(f"/proc/{pid}").exists()], "the camera's process ended too"


def _reads(pid: int, folder: Path) -> bool:
    """Whether the process that reads the camera has a file in this folder open."""
    try:
        links = [link for child in children(pid) for link in Path(f"/proc/{child}/fd").iterdir()]
        return any(link.readlink().parent == folder for link in links)
    except FileNotFoundError:  # one was closed meanwhile
        return False
