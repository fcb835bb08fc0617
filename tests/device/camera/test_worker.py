"""The code of the worker process, run inside the test: the messages it sends, and when."""

from __future__ import annotations

import dataclasses
import itertools
import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from device.camera import worker
from device.camera.fault_injection import inject
from device.camera.frame import RawFrame
from device.camera.freeze import with_still_time
from device.camera.shared_memory import SharedFrame
from device.camera.sources import v4l2
from device.camera.sources.registry import open_source
from device.camera.worker import END, FAILURE, FRAME, HELLO, Server
from device.config.schema import CameraConfig
from device.errors import SourceError
from tests.support.clips import number_of, numbered, write_clip

FAST = CameraConfig(fast=True)


def frames_of(*numbers: int) -> Iterator[RawFrame]:
    for n in numbers:
        yield RawFrame(numbered(n), float(n), 1e9 + n)


def serve(config: CameraConfig, slots: list[SharedFrame]) -> list[bytes]:
    """Every message about a source."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            Server(config, theirs, slots).serve()
        return list(iter(lambda: ours.recv(4096), b""))


def outcome(monkeypatch: pytest.MonkeyPatch, source: Callable[[], Generator[Any, None, None]]) -> bytes:
    """The last message about an invented source."""
    monkeypatch.setattr(worker, "open_source", lambda *_: source())
    slots = [SharedFrame.create(), SharedFrame.create()]
    try:
        return serve(dataclasses.replace(FAST, source="invented"), slots)[-1]
    finally:
        for slot in slots:
            slot.close()


def test_it_sends_hello_then_the_slot_of_each_frame_then_the_end(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", map(numbered, range(5)))
    slots = [SharedFrame.create() for _ in range(3)]
    messages = serve(dataclasses.replace(FAST, source=str(clip)), slots)
    assert messages == [HELLO, *(FRAME + bytes([n % 3]) for n in range(1, 6)), END]
    found = [slot.read() for slot in slots]
    assert sorted((number, number_of(frame.image)) for number, frame in filter(None, found)) == [(3, 2), (4, 3), (5, 4)]
    for slot in slots:
        slot.close()


def test_whatever_a_driver_raises_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Generator[RawFrame, None, None]:
        yield from frames_of(1)
        raise IndexError("no such buffer")

    assert outcome(monkeypatch, broken) == FAILURE + b"invented: the camera failed: IndexError: no such buffer."


@pytest.mark.parametrize(
    "image",
    [None, np.zeros((4, 5, 4), np.uint8), np.zeros((4, 5, 3)), np.zeros((0, 5, 3), np.uint8), np.zeros(5, np.uint8)],
    ids=["none", "four channels", "floats", "empty", "one dimension"],
)
def test_an_image_of_the_wrong_type_or_shape_is_not_passed_on(monkeypatch: pytest.MonkeyPatch, image: Any) -> None:
    def garbage() -> Generator[RawFrame, None, None]:
        yield RawFrame(image, 0.0, 0.0)

    messages = outcome(monkeypatch, garbage)
    assert messages.startswith(FAILURE + b"invented: the camera gave something that is not a picture (")
    assert messages.endswith(b").")


def test_the_source_is_freed_when_the_agent_has_ended() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()
    with theirs:
        server = Server(FAST, theirs, [])
        with pytest.raises(worker.ClosedError):
            server._pause(60.0)
        server.serve()


def test_a_frame_goes_to_another_slot_while_its_own_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, free = SharedFrame.create(), SharedFrame.create()
    monkeypatch.setattr(busy, "write", lambda *_: False)
    monkeypatch.setattr(worker, "open_source", lambda *_: frames_of(1, 2))
    assert serve(dataclasses.replace(FAST, source="invented"), [busy, free])[1:3] == [FRAME + b"\1", FRAME + b"\1"]
    busy.close()
    free.close()


def test_the_time_without_a_changed_pixel_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    assert [frame.still_s for frame in with_still_time(frames_of(1, 1, 1, 2, 2, 1))] == [0, 1, 2, 0, 1, 0]


def test_one_changed_pixel_is_enough() -> None:
    def changing() -> Iterator[RawFrame]:
        for n in range(3):
            image = numbered(1)
            image[33, 7, 1] += n  # not on a row that is compared first
            yield RawFrame(image, float(n), 0.0)

    assert [frame.still_s for frame in with_still_time(changing())] == [0, 0, 0]


def test_faults_begin_after_fault_frame_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)

    def faulty(kind: str) -> list[RawFrame]:
        return list(inject(frames_of(1, 2, 3, 4), dataclasses.replace(FAST, fault=kind, fault_frame=2)))

    assert [number_of(frame.image) for frame in faulty("repeat")] == [1, 2, 2, 2]
    assert [frame.time_s for frame in faulty("repeat")] == [1, 2, 3, 4]
    assert [number_of(frame.image) for frame in faulty("slow")] == [1, 2, 3, 4]
    assert [frame.image.ndim for frame in faulty("garbage")] == [3, 3, 4, 4]


class Unreliable:
    """A USB camera as OpenCV presents it, whose reads with these numbers fail."""

    def __init__(self, bad: set[int]) -> None:
        self.released = False
        self._reads = itertools.count()
        self._bad = bad

    def get(self, key: int) -> float:
        return float(cv2.VideoWriter.fourcc(*"MJPG")) if key == cv2.CAP_PROP_FOURCC else 0.0

    def read(self) -> tuple[bool, Any]:
        n = next(self._reads)
        return (False, None) if n in self._bad else (True, numbered(n % 20))

    def release(self) -> None:
        self.released = True


@pytest.mark.parametrize(("bad", "frames"), [({2, 3, 4}, 9), (set(range(3, 13)), 3)])
def test_a_few_broken_frames_are_skipped_and_many_are_an_error(
    monkeypatch: pytest.MonkeyPatch, bad: set[int], frames: int
) -> None:
    capture = Unreliable(bad | set(range(12, 100)))
    monkeypatch.setattr(v4l2, "_open_v4l2", lambda *_: capture)
    given = []
    with pytest.raises(SourceError, match="stopped giving frames"):
        for frame in open_source(CameraConfig(source="v4l2:///dev/video0"), lambda _: None):
            given.append(frame)
    assert len(given) == frames
    assert {frame.pixel_format for frame in given} == {"MJPG"}
    assert capture.released


def test_a_frame_that_opencv_cannot_decode_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = Unreliable(set())

    def fail() -> tuple[bool, Any]:
        cv2.imdecode(np.zeros(0, np.uint8), cv2.IMREAD_COLOR)
        return True, numbered(1)

    monkeypatch.setattr(capture, "read", fail)
    monkeypatch.setattr(v4l2, "_open_v4l2", lambda *_: capture)
    with pytest.raises(SourceError, match=r"/dev/video0: the camera gave a frame that cannot be decoded: .*"):
        next(open_source(CameraConfig(source="v4l2:///dev/video0"), lambda _: None))
    assert capture.released
