"""Pixels to tensor: the contract between training and the device, to the last bit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from device.inference.box import Box
from device.inference.model_card import CropMargin, InputSpec
from device.inference.preprocess import crop_face, dequantise, face_square, quantise, to_bgr, to_grey, to_input

greys = arrays(np.uint8, st.tuples(st.integers(1, 60), st.integers(1, 60)))
places = st.builds(Box, st.floats(-200, 200), st.floats(-200, 200), st.floats(0.01, 150), st.just(0.0)).map(
    lambda box: box._replace(height=box.width)
)


# ---- squares


def test_the_square_around_a_box() -> None:
    square = face_square(Box(100, 200, 40, 40), CropMargin(scale=1.5, up=0.25))
    assert square == Box(90, 180, 60, 60)  # centre (120, 220), raised by 10


@given(places, st.floats(0.1, 10), st.floats(-5, 5))
def test_the_square_moves_and_grows_with_the_box(box: Box, scale: float, up: float) -> None:
    margin = CropMargin(scale, up)
    square = face_square(box, margin)
    moved = face_square(box._replace(x=box.x + 7), margin)
    doubled = face_square(Box(2 * box.x, 2 * box.y, 2 * box.width, 2 * box.height), margin)
    assert tuple(moved) == pytest.approx((square.x + 7, square.y, square.width, square.height))
    assert tuple(doubled) == pytest.approx(tuple(2 * side for side in square))


# ---- colour


def test_grey_is_luma() -> None:
    assert to_grey(np.full((1, 1, 3), (255, 0, 0), np.uint8))[0, 0] == 29  # blue
    assert to_grey(np.full((1, 1, 3), (0, 255, 0), np.uint8))[0, 0] == 150
    assert to_grey(np.full((1, 1, 4), (0, 0, 255, 9), np.uint8))[0, 0] == 76


@given(greys)
def test_grey_and_back_changes_nothing(grey: np.ndarray) -> None:
    assert np.array_equal(to_grey(grey), grey)
    assert np.array_equal(to_grey(grey[:, :, np.newaxis]), grey)
    assert to_bgr(grey).shape == (*grey.shape, 3)
    assert np.array_equal(to_grey(to_bgr(grey)), grey)


# ---- cropping


@given(greys, places, st.integers(8, 64))
def test_a_crop_is_made_of_the_frames_pixels_wherever_it_lies(grey: np.ndarray, square: Box, size: int) -> None:
    face = crop_face(grey, square, size)
    assert face.shape == (size, size)
    assert face.dtype == np.uint8
    assert grey.min() <= face.min()
    assert face.max() <= grey.max()


@given(greys, st.integers(-70, 70), st.integers(-70, 70))
def test_outside_the_frame_its_edge_is_repeated(grey: np.ndarray, x: int, y: int) -> None:
    wide = np.pad(grey, 200, mode="edge")
    face = crop_face(grey, Box(x, y, 48, 48), 48)
    assert np.array_equal(face, wide[200 + y : 248 + y, 200 + x : 248 + x])


def test_a_crop_of_the_right_size_is_left_alone() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (100, 100), dtype=np.uint8)
    assert np.array_equal(crop_face(grey, Box(20, 30, 48, 48), 48), grey[30:78, 20:68])


def test_shrinking_averages_and_growing_interpolates() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (96, 96), dtype=np.uint8)
    mean = grey.reshape(48, 2, 48, 2).mean(axis=(1, 3))
    assert np.abs(crop_face(grey, Box(0, 0, 96, 96), 48) - mean).max() <= 0.5
    part = np.ascontiguousarray(grey[:24, :24])
    grown = cv2.resize(part, (48, 48), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(crop_face(grey, Box(0, 0, 24, 24), 48), grown)


# ---- tensors


def test_every_grey_level_goes_in_as_itself() -> None:
    """With the scale 1/255 and the zero point -128, int8 input is the pixel less 128, exactly."""
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    tensor = to_input(levels, InputSpec(16))
    assert tensor.shape == (1, 16, 16, 1)
    assert tensor.dtype == np.float32
    packed = quantise(tensor, 1 / 255, -128)
    assert packed.dtype == np.int8
    assert np.array_equal(packed.ravel(), np.arange(256) - 128)


def test_offset_and_scale() -> None:
    levels = np.array([[[0, 255], [51, 102]]], np.uint8)
    assert to_input(levels, InputSpec(2, offset=127.5, scale=1 / 127.5)).ravel() == pytest.approx([-1, 1, -0.6, -0.2])


@given(arrays(np.float32, 20, elements=st.floats(-1000, 1000, width=32)), st.floats(1e-3, 10), st.integers(-128, 127))
def test_quantising_saturates_and_else_errs_by_half_a_step(values: np.ndarray, scale: float, zero_point: int) -> None:
    back = dequantise(quantise(values, scale, zero_point), scale, zero_point)
    least, most = (-128 - zero_point) * scale, (127 - zero_point) * scale
    assert np.abs(back - np.clip(values, least, most)).max() <= 0.5 * scale * 1.001 + 1e-4
    assert back.dtype == np.float32


# ---- a tilted head


def tilted_face(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """A smooth picture, and the same turned clockwise about its middle."""
    rough = np.random.default_rng(0).integers(0, 256, (15, 15), dtype=np.uint8)
    upright = cv2.resize(rough, (300, 300), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((149.5, 149.5), -degrees, 1.0)
    return upright, cv2.warpAffine(upright, turn, (300, 300))


@pytest.mark.parametrize("degrees", [-60, -25, 12, 30, 90])
@pytest.mark.parametrize("side", [30, 50, 80])
def test_the_crop_of_a_tilted_head_is_that_of_the_upright_one(degrees: float, side: int) -> None:
    upright, tilted = tilted_face(degrees)
    box, margin = Box(150 - side / 2, 150 - side / 2, side, side), CropMargin(scale=1.2, up=0.2)
    wanted = crop_face(upright, face_square(box, margin), 48).astype(int)
    got = crop_face(tilted, face_square(box, margin, degrees), 48, degrees).astype(int)
    assert np.abs(got - wanted).mean() < 4  # interpolation only; unturned crops differ by 15 and more
    assert np.abs(crop_face(tilted, face_square(box, margin), 48) - wanted).mean() > 15


def test_no_roll_changes_no_bit() -> None:
    upright, _ = tilted_face(0)
    box, margin = Box(101.3, 88.8, 70.2, 71), CropMargin(scale=1.2, up=0.2)
    assert face_square(box, margin, 0.0) == face_square(box, margin)
    square = face_square(box, margin)
    assert np.array_equal(crop_face(upright, square, 48, 0.0), crop_face(upright, square, 48))


@given(greys, places, st.integers(8, 64), st.floats(-180, 180))
def test_a_turned_crop_is_made_of_the_frames_pixels_too(
    grey: np.ndarray, square: Box, size: int, roll_deg: float
) -> None:
    face = crop_face(grey, square, size, roll_deg)
    assert (face.shape, face.dtype) == ((size, size), np.uint8)
    assert grey.min() <= face.min()
    assert face.max() <= grey.max()
