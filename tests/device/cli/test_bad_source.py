"""Sources that give no frames: one sentence, exit code 1."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.broker import free_port
from tests.support.clips import scene
from tests.support.command import DECLARED, device, refusal
from tests.support.files import LONG_NAME, bare, noise, write_picture

HEIC = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + b"\0" * 500


def a_folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).write_bytes(b"not a picture")
    return path


SOURCES: dict[str, tuple[Callable[[Path], Path | str], str]] = {
    "absent": (lambda f: f / "nowhere.mp4", "there is no such file or folder"),
    "unreadable": (lambda f: Path("/proc/self/mem"), "the file cannot be read"),
    "with a long name": (lambda f: f / LONG_NAME, "it cannot be read: File name too long."),
    "empty": (lambda f: bare(f / "a.mp4", b""), "the file is empty"),
    "not a video": (lambda f: bare(f / "a.mp4", b"words" * 999), "damaged or cut short"),
    "not a picture": (lambda f: bare(f / "a.png", b"words" * 999), "the picture cannot be decoded"),
    "empty folder": (lambda f: a_folder(f / "d"), "there is no picture in this folder"),
    "folder of other things": (lambda f: a_folder(f / "d", "a.txt"), "there is no picture in this folder"),
    "folder with a bad picture": (lambda f: a_folder(f / "d", "a.png"), "the picture cannot be decoded"),
    "no such v4l2 device": (lambda f: "v4l2:///dev/video987", "there is no such camera"),
    "a device as a file": (lambda f: "/dev/null", "this is no file"),
    "unknown scheme": (lambda f: "rtmp://host/stream", "this source is not known"),
    "a network camera that is not there": (lambda f: f"rtsp://127.0.0.1:{free_port()}/s", "cannot be reached"),
    "a camera by its path that is not there": (lambda f: "/dev/video987", "there is no such camera"),
    "a photo of a phone": (lambda f: bare(f / "a.heic", HEIC), "save it as JPEG or PNG"),
    "no picamera2 or no camera": (lambda f: "picamera2://0", "picamera2://0: "),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_wrong_source(tmp_path: Path, model: str, name: str) -> None:
    make, sentence = SOURCES[name]
    source = make(tmp_path)
    done = device("run", *DECLARED, "--fast", "--source", source, "--set", model, cwd=tmp_path)
    assert sentence in refusal(done, 1)
    assert done.stdout == ""


def test_a_film_with_too_few_frames_for_a_face_says_so(tmp_path: Path, model: str) -> None:
    (tmp_path / "film").mkdir()
    for n in range(2):
        write_picture(tmp_path / "film" / f"{n}.png", scene([(200, 120, 200)]))
    done = device("run", *DECLARED, "--fast", "--source", "film", "--set", model, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "film: it has 2 frames, but a face is reported after 3 (device.tracker.confirm_frames, " in done.stderr
    once = ("--set", "device.tracker.confirm_frames=1", "--set", "device.face_check.enabled=false", "--set", model)
    done = device("run", *DECLARED, "--fast", "--source", "film", *once, cwd=tmp_path)
    assert "confirm_frames" not in done.stderr
    assert '"start"' in done.stdout


ODD = {
    "1x1": noise(1, 1, 3),
    "1x1 grey": noise(1, 1),
    "1 wide": noise(300, 1, 3),
    "1 high": noise(1, 300),
    "odd sides": noise(331, 127, 3),
    "grey": noise(120, 160),
    "with alpha": noise(120, 160, 4),
    "16 bit": noise(120, 160, 3, dtype=np.uint16),
    "16 bit grey": noise(120, 160, dtype=np.uint16),
}


@pytest.mark.parametrize("name", ODD)
def test_a_picture_of_odd_size_or_colour_is_looked_at(tmp_path: Path, model: str, name: str) -> None:
    picture = write_picture(tmp_path / "p.png", ODD[name])
    done = device("run", *DECLARED, "--fast", "--source", picture, "--set", model, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert all(json.loads(line)["type"] in ("start", "update", "end") for line in done.stdout.splitlines())
