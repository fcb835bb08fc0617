"""A shared frame is read exactly as it was written, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.camera.frame import RawFrame
from device.camera.shared_memory import HEADER, SharedFrame


def frame(*shape: int, level: int = 7) -> RawFrame:
    return RawFrame(np.full(shape, level, np.uint8), 1.5, 1e9 + 0.25, 0.125)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(1, 40), st.integers(1, 40)),
            st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_frames_of_any_size_come_back_as_they_were(shapes: list[tuple[int, ...]]) -> None:
    writer = SharedFrame.create()
    reader = SharedFrame(os.dup(writer.descriptor))
    for number, shape in enumerate(shapes, start=1):
        drawn = RawFrame(np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8), 1.5, 1e9 + 0.25, 0.125)
        assert writer.write(number, drawn)
        found = reader.read()
        assert found is not None
        assert found[0] == number
        assert found[1][1:] == drawn[1:]
        assert np.array_equal(found[1].image, drawn.image)
    reader.close()
    writer.close()


def test_a_frame_that_was_read_does_not_change_when_the_slot_does() -> None:
    slot = SharedFrame.create()
    slot.write(1, frame(4, 5, 3))
    found = slot.read()
    slot.write(2, frame(4, 5, 3, level=9))
    assert found is not None
    assert found[1].image.max() == 7
    slot.close()


def test_an_empty_slot_has_no_frame() -> None:
    slot = SharedFrame.create()
    assert slot.read() is None
    slot.close()
    slot.close()


@pytest.mark.parametrize("header", [(1, 0, 0, 0, 1 << 31, 1, 3), (1, 0, 0, 0, 0, 5, 3), (1, 0, 0, 0, 100, 100, 3)])
def test_a_wrong_header_is_rejected(header: tuple[int, ...]) -> None:
    slot = SharedFrame.create()
    slot.write(1, frame(4, 5, 3))
    os.pwrite(slot.descriptor, HEADER.pack(*header[:4], b"", *header[4:]), 0)
    assert slot.read() is None
    slot.close()


HOLDER = """
import fcntl, os, sys
fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_locked_slot_is_skipped_and_a_kill_frees_the_lock() -> None:
    slot = SharedFrame.create()
    slot.write(1, frame(4, 5))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(slot.descriptor)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[slot.descriptor],
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert slot.read() is None
        assert not slot.write(2, frame(4, 5))
        holder.kill()
    found = slot.read()
    assert found is not None
    assert found[0] == 1
    slot.close()


def test_a_frame_whose_writer_was_killed_is_not_read() -> None:
    slot = SharedFrame.create()
    slot.write(1, frame(4, 5))
    os.pwrite(slot.descriptor, HEADER.pack(0, 0, 0, 0, b"", 4, 5, 0), 0)  # the state that a killed writer leaves
    assert slot.read() is None
    slot.close()
