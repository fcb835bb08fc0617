"""Real networks on the portrait: turned, with closed eyes, far, dark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import turned_portrait
from benchmarks.turned_portrait import Image
from device.config.schema import AttentionConfig
from device.errors import ModelError
from device.inference.box import Box
from device.messages import AttentionState
from device.vision import head_geometry
from device.vision.attention_reader import AttentionReader
from device.vision.eye_state import FILE, EyeState, eye_patch
from device.vision.head_geometry import Points
from device.vision.landmarks import LandmarkNetwork
from device.vision.tracker import NO_ID, Track
from scripts.training.closed_eyes import close_eyes

ROLL_DEG = 1.5  # of the portrait as it is


@pytest.fixture(scope="module")
def network() -> LandmarkNetwork:
    return LandmarkNetwork()


@pytest.fixture(scope="module")
def portrait(network: LandmarkNetwork) -> tuple[Image, Points]:
    return turned_portrait.load(network)


def read(network: LandmarkNetwork, image: Image, box: Box, looks: int = 1, track_id: int = 1) -> AttentionState | None:
    reader = AttentionReader(AttentionConfig())
    track = Track(track_id, box, 0.9, 0.0, 0.0, 3)
    roll_deg = 0.0
    for n in range(looks):
        seen = network.look(image, box, roll_deg)
        roll_deg = head_geometry.roll_deg(seen.points)
        reader.read(image, track, seen, 0.2 * n)
    return reader.state(track, 0.2 * looks)


@pytest.mark.parametrize("yaw", [-40, -20, 0, 20, 40])
def test_yaw_of_a_turned_head(network: LandmarkNetwork, portrait: tuple[Image, Points], yaw: int) -> None:
    image, box = turned_portrait.turned(*portrait, turned_portrait.rotation(yaw, 0, 0))
    state = read(network, image, box)
    assert state is not None and state.yaw_deg == pytest.approx(yaw, abs=10)


@pytest.mark.parametrize("pitch", [-20, 0, 20])
def test_pitch_of_a_nodding_head(network: LandmarkNetwork, portrait: tuple[Image, Points], pitch: int) -> None:
    image, box = turned_portrait.turned(*portrait, turned_portrait.rotation(0, pitch, 0))
    state = read(network, image, box)
    assert state is not None and state.pitch_deg == pytest.approx(pitch, abs=10)


def test_closed_eyes(network: LandmarkNetwork, portrait: tuple[Image, Points]) -> None:
    image, points = portrait
    opened = read(network, image, turned_portrait.FACE_BOX, 10)
    closed = read(network, close_eyes(image, points, 1.0), turned_portrait.FACE_BOX, 10)
    assert opened is not None and opened.eye_openness is not None and opened.eye_openness > 0.7
    assert closed is not None and closed.eye_openness is not None and closed.eye_openness <= 0.2
    assert (opened.eyes_closed, closed.eyes_closed) == (False, True)


def test_both_eyes_are_seen_alike(portrait: tuple[Image, Points]) -> None:
    """The mirrored picture gives the same patches, the other way round."""
    image, points = portrait
    mirrored = points * [-1, 1, 1] + [image.shape[1] - 1, 0, 0]
    other = np.empty_like(points)
    for one, two in ((33, 263), (133, 362)):
        other[[one, two]] = mirrored[[two, one]]
    flipped = np.ascontiguousarray(image[:, ::-1])
    for side in (0, 1):
        difference = eye_patch(image, points, side).astype(int) - eye_patch(flipped, other, 1 - side)
        assert np.abs(difference).max() <= 6


def test_a_far_face_a_dark_one_and_no_face_give_null(network: LandmarkNetwork, portrait: tuple[Image, Points]) -> None:
    image, box = portrait[0], turned_portrait.FACE_BOX
    far = read(network, image, Box(box.x + 40, box.y + 40, 40, 40))
    wall = read(network, np.full_like(image, 100), box)
    for state in (far, wall):
        assert state is not None and set(vars(state).values()) == {None}
    dark = read(network, (image * 0.02).astype(np.uint8), box)
    assert dark is not None and dark.eye_openness is None


def test_a_track_that_is_not_confirmed_has_no_attention(
    network: LandmarkNetwork, portrait: tuple[Image, Points]
) -> None:
    assert read(network, portrait[0], turned_portrait.FACE_BOX, track_id=NO_ID) is None


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "eye-state.npz"
    for content in (b"", b"PK\x03\x04 half", FILE.read_bytes()[:200]):
        broken.write_bytes(content)
        with pytest.raises(ModelError, match="damaged"):
            EyeState(broken)
