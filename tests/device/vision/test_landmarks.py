"""The landmark network tells a portrait from other things, however its head is turned."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.inference.box import Box
from device.vision import head_geometry
from device.vision.landmarks import FILE, POINTS, LandmarkNetwork
from tests.support.clips import FACE_BOX, Image, portrait, rotated, things

NOTICE = Path(__file__).parents[3] / "NOTICE"
RIGHT_EYE_CORNER_OF_THE_PORTRAIT = (256, 103)  # seen by eye, pixels


@pytest.fixture(scope="module")
def network() -> LandmarkNetwork:
    return LandmarkNetwork()


def settled_roll_deg(network: LandmarkNetwork, image: Image, box: Box) -> float:
    roll_deg = 0.0
    for _ in range(5):
        roll_deg = head_geometry.roll_deg(network.look(image, box, roll_deg).points)
    return roll_deg


def test_the_file_is_the_one_in_the_notice() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() in NOTICE.read_text()


def test_the_portrait_is_a_face_and_its_points_lie_on_it(network: LandmarkNetwork) -> None:
    seen = network.look(portrait(), FACE_BOX)
    assert seen.presence > 0.99
    assert (seen.points.shape, seen.points.dtype) == ((POINTS, 3), np.float32)
    corner = seen.points[head_geometry.RIGHT_EYE_CORNER, :2]
    assert np.linalg.norm(corner - RIGHT_EYE_CORNER_OF_THE_PORTRAIT) < 5
    assert head_geometry.roll_deg(seen.points) == pytest.approx(0, abs=5)
    assert head_geometry.yaw_deg(seen.points) == pytest.approx(0, abs=10)


@pytest.mark.parametrize("broken", ["_logit", "_points"])
def test_what_is_no_number_is_no_face(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN would else pass for a presence of 1 and a head at 90 degrees."""
    network = LandmarkNetwork()
    get = network._interpreter.get_tensor
    nan = np.float32(np.nan)
    monkeypatch.setattr(
        network._interpreter, "get_tensor", lambda n: get(n) * nan if n == getattr(network, broken) else get(n)
    )
    seen = network.look(portrait(), FACE_BOX)
    assert seen.presence == 0 and np.isfinite(seen.points).all()


@pytest.mark.parametrize("side", [24, 32, 48])
def test_a_small_face_is_a_face(network: LandmarkNetwork, side: int) -> None:
    scale = side / FACE_BOX.width
    small = cv2.resize(portrait(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    box = Box(*(scale * value for value in FACE_BOX))
    assert network.look(np.asarray(small, np.uint8), box).presence > 0.9


@pytest.mark.parametrize("name", things())
def test_other_things_are_no_face(network: LandmarkNetwork, name: str) -> None:
    assert network.look(things()[name], Box(70, 70, 110, 110)).presence < 0.2


@pytest.mark.parametrize("degrees", [-40, -30, -15, 0, 15, 30, 40])
def test_roll_is_right_within_5_degrees(network: LandmarkNetwork, degrees: int) -> None:
    upright_deg = settled_roll_deg(network, portrait(), FACE_BOX)
    image, box = rotated(degrees)
    assert settled_roll_deg(network, image, box) - upright_deg == pytest.approx(degrees, abs=5)


@pytest.mark.parametrize("degrees", [0, 20])
def test_points_turn_with_the_crop(network: LandmarkNetwork, degrees: int) -> None:
    """The same face, found in an upright crop and in a turned one, is at the same place."""
    image, box = rotated(degrees)
    one, other = (network.look(image, box, roll).points[:, :2] for roll in (degrees, degrees + 8))
    assert np.median(np.linalg.norm(one - other, axis=1)) < 0.04 * box.mean_side


@pytest.mark.parametrize("variant", ["grey", "bgra", "one channel"])
def test_any_colour_format_works(network: LandmarkNetwork, variant: str) -> None:
    grey = cv2.cvtColor(portrait(), cv2.COLOR_BGR2GRAY)
    images: dict[str, NDArray[np.uint8]] = {
        "grey": np.asarray(grey, np.uint8),
        "one channel": np.asarray(grey, np.uint8)[:, :, np.newaxis],
        "bgra": np.asarray(cv2.cvtColor(portrait(), cv2.COLOR_BGR2BGRA), np.uint8),
    }
    assert network.look(images[variant], FACE_BOX).presence > 0.99


def test_a_box_outside_the_frame_is_no_face(network: LandmarkNetwork) -> None:
    assert network.look(portrait(), Box(-500, -500, 90, 90)).presence < 0.2
