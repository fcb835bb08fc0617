"""Hits and false alarms, on boxes small enough to judge by eye."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.inference.box import Box
from device.replay.matching import match
from device.replay.truth import PhotoTruth, TrueFace

FACE = Box(100, 100, 40, 50)


def truth(*faces: Box, ignored: tuple[Box, ...] = ()) -> PhotoTruth:
    return PhotoTruth("a.jpg", tuple(TrueFace(face, None) for face in faces), ignored)


@pytest.mark.parametrize(
    ("found", "hit"),
    [
        (FACE, True),
        (Box(112, 117, 16, 16), True),  # .4 times the width
        (Box(113, 117, 14, 16), False),
        (Box(80, 85, 80, 80), True),  # twice the width
        (Box(79, 85, 82, 80), False),
        (Box(122, 100, 36, 50), True),  # its centre is on the edge
        (Box(123, 100, 36, 50), False),
    ],
)
def test_a_hit_is_centred_in_the_face_and_about_as_wide(found: Box, hit: bool) -> None:
    assert match([found], truth(FACE)) == (({0: 0}, []) if hit else ({}, [0]))


def test_a_face_has_one_hit_the_best_and_the_other_is_a_false_alarm() -> None:
    worse = Box(110, 110, 30, 40)
    assert match([worse, FACE], truth(FACE)) == ({1: 0}, [0])


def test_two_faces_that_overlap_have_a_hit_each() -> None:
    beside = Box(120, 100, 40, 50)
    assert match([beside, FACE], truth(FACE, beside)).faces == {0: 1, 1: 0}


def test_what_touches_an_ignored_place_counts_neither_way() -> None:
    ignored = Box(0, 0, 20, 20)
    assert match([Box(10, 10, 30, 30), Box(20, 20, 30, 30)], truth(ignored=(ignored,))) == ({}, [1])


def test_a_hit_that_touches_an_ignored_place_is_a_hit() -> None:
    assert match([FACE], truth(FACE, ignored=(Box(90, 90, 20, 20),))) == ({0: 0}, [])


def test_nothing_found_and_nothing_there() -> None:
    assert match([], truth(FACE)) == ({}, [])
    assert match([FACE], truth()) == ({}, [0])


boxes = st.lists(
    st.builds(Box, st.integers(0, 60), st.integers(0, 60), st.integers(1, 40), st.integers(1, 40)), max_size=6
)


@given(boxes, boxes, boxes)
def test_every_box_is_counted_at_most_once(found: list[Box], faces: list[Box], ignored: list[Box]) -> None:
    matches = match(found, truth(*faces, ignored=tuple(ignored)))
    assert len(set(matches.faces.values())) == len(matches.faces) <= len(faces)
    assert not matches.faces.keys() & set(matches.false_alarms)
    if not ignored:
        assert len(matches.faces) + len(matches.false_alarms) == len(found)
