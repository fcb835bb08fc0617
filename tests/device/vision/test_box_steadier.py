"""Boxes before the crop: steadied at rest, on the face in motion."""

from __future__ import annotations

import numpy as np
import pytest

from device.inference.box import Box
from device.vision.box_steadier import BoxSteadier

FRAME_S = 1 / 15
SIDE = 100.0


def steadied(boxes: list[Box], steady_s: float = 0.4) -> list[Box]:
    steadier = BoxSteadier(steady_s)
    return [steadier.steady(1, box, n * FRAME_S) for n, box in enumerate(boxes)]


def jumping(speed: float, frames: int = 90) -> list[Box]:
    """A face with that speed, sides a second, whose boxes jump by 3 % of its side."""
    generator = np.random.default_rng(3)
    jumps = generator.normal(0, 0.03 * SIDE, (frames, 3))
    return [Box(x + speed * SIDE * n * FRAME_S, y, SIDE + side, SIDE + side) for n, (x, y, side) in enumerate(jumps)]


def test_the_first_box_is_taken_as_it_is() -> None:
    assert steadied([Box(5, 6, 70, 80)]) == [Box(5, 6, 70, 80)]


def test_a_face_at_rest_is_steadied() -> None:
    boxes = jumping(0.0)
    spread = [np.std(np.diff(np.array(some)[30:, :3], axis=0)) for some in (boxes, steadied(boxes))]
    assert spread[1] < 0.35 * spread[0]


@pytest.mark.parametrize("speed", [0.3, 1.0, 3.0])
def test_the_box_stays_on_a_face_that_moves(speed: float) -> None:
    lags = [found.x - box.x for found, box in zip(jumping(speed)[30:], steadied(jumping(speed))[30:], strict=True)]
    assert abs(np.mean(lags)) < 0.14 * SIDE  # steady_s / AGILITY, at any speed


def test_size_is_steadied_and_reached() -> None:
    sides = [box.width for box in steadied([Box(0, 0, 50, 50)] + [Box(0, 0, 80, 80)] * 40)]
    assert sides == sorted(sides)
    assert sides[1] < 70
    assert sides[-1] == pytest.approx(80, abs=0.5)


def test_zero_is_off_and_an_ended_track_is_forgotten() -> None:
    boxes = jumping(0.5)
    assert steadied(boxes, 0.0) == boxes
    steadier = BoxSteadier(0.4)
    steadier.steady(1, Box(0, 0, 50, 50), 0.0)
    steadier.forget(1)
    steadier.forget(2)
    assert steadier.steady(1, Box(300, 0, 50, 50), 0.1) == Box(300, 0, 50, 50)


def test_tracks_do_not_mix_and_a_frame_shown_twice_is_harmless() -> None:
    steadier = BoxSteadier(0.4)
    steadier.steady(1, Box(0, 0, 50, 50), 0.0)
    assert steadier.steady(2, Box(300, 0, 50, 50), 0.1) == Box(300, 0, 50, 50)
    assert steadier.steady(1, Box(4, 0, 50, 50), 0.0) == Box(4, 0, 50, 50)
