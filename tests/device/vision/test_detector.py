"""The detectors find the faces of real pictures, frame them alike, and find no others."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config.schema import DetectorConfig
from device.inference.box import Box
from device.vision import detectors
from device.vision.detection import Detector, merge
from device.vision.detector import open_detector
from device.vision.detectors import yunet as yunet_module
from device.vision.detectors.blazeface import NETWORKS, anchors
from tests.support.clips import Image, portrait, scene

FACE = Box(178, 81, 94, 94)  # of the portrait, as BlazeFace frames it


@pytest.fixture(scope="module")
def yunet() -> Detector:
    return open_detector(DetectorConfig())


@pytest.fixture(scope="module")
def blazeface() -> Detector:
    return open_detector(DetectorConfig(kind="blazeface"))


@pytest.fixture(scope="module")
def haar() -> Detector:
    return open_detector(DetectorConfig(kind="haar"))


@pytest.fixture(scope="module")
def room() -> Detector:
    return open_detector(DetectorConfig(kind="blazeface", range="room", view="tiles"))


@pytest.fixture(params=["yunet", "blazeface"])
def network(request: pytest.FixtureRequest) -> Detector:
    """Each detector that is a network."""
    detector: Detector = request.getfixturevalue(request.param)
    return detector


@pytest.mark.parametrize("file", [yunet_module.MODEL, *(spec.file for spec in NETWORKS.values())])
def test_the_vendored_files_are_those_in_notice(file: Path) -> None:
    notice = (Path(__file__).parents[3] / "NOTICE").read_text(encoding="utf-8")
    assert f"device/models/{file.name}" in notice
    assert hashlib.sha256(file.read_bytes()).hexdigest() in notice


def test_blazeface_finds_the_portrait(blazeface: Detector) -> None:
    (found,) = blazeface.detect(portrait())
    assert found.score == pytest.approx(0.92, abs=0.02)
    assert found.box.iou(FACE) > 0.9


def test_yunet_frames_a_face_as_blazeface_does(yunet: Detector) -> None:
    (found,) = yunet.detect(portrait())
    assert found.score == pytest.approx(0.93, abs=0.02)
    assert found.box.iou(FACE) > 0.8
    assert found.box.mean_side == pytest.approx(FACE.mean_side, rel=0.1)


def test_the_room_network_frames_a_face_as_the_near_one_does() -> None:
    for view in ("squares", "whole"):
        (found,) = open_detector(DetectorConfig(kind="blazeface", range="room", view=view)).detect(portrait())
        assert found.box.iou(FACE) > 0.75
        assert found.box.mean_side == pytest.approx(FACE.mean_side, rel=0.1)


def test_haar_frames_a_face_as_blazeface_does(haar: Detector) -> None:
    (found,) = haar.detect(portrait())
    assert found.box.iou(FACE) > 0.75
    assert found.box.mean_side == pytest.approx(FACE.mean_side, rel=0.12)


VARIANTS: dict[str, Callable[[Image], Image]] = {
    "grey": lambda image: np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8),
    "bgra": lambda image: np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2BGRA), np.uint8),
    "one channel": lambda image: np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)[:, :, np.newaxis],
    "odd size": lambda image: image[:, :511],
    "view of a larger": lambda image: np.pad(image, ((9, 9), (9, 9), (0, 0)))[9:-9, 9:-9],
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_any_colour_format_and_memory_layout_works(network: Detector, haar: Detector, variant: str) -> None:
    image = VARIANTS[variant](portrait())
    for detector in (network, haar):
        (found,) = detector.detect(image)
        assert found.box.iou(FACE) > 0.7


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (2, 3, 4), (1, 3000, 3), (3000, 1), (480, 640, 3)])
def test_nothing_is_found_on_a_plain_frame(network: Detector, haar: Detector, shape: tuple[int, ...]) -> None:
    for detector in (network, haar):
        assert detector.detect(np.full(shape, 90, np.uint8)) == []


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (1280, 720)])
def test_a_face_is_found_once_wherever_it_is(network: Detector, width: int, height: int) -> None:
    """Also where the tiles overlap, and where one cuts it."""
    side = height // 3
    for x in range(0, width - side + 1, side // 4):
        y = (height - side) // 2
        (found,) = network.detect(scene([(x, y, side)], width, height))
        assert found.box.x + found.box.width / 2 == pytest.approx(x + 0.52 * side, abs=0.12 * side)


EIGHT = [(160 * column, 20 + 220 * row, 150) for row in range(2) for column in range(4)]


def test_eight_faces_are_found(network: Detector) -> None:
    assert len(network.detect(scene(EIGHT))) == 8


def test_squares_find_smaller_faces_than_the_whole(blazeface: Detector) -> None:
    image = scene([(250, 150, 130)])
    assert len(blazeface.detect(image)) == 1
    assert open_detector(DetectorConfig(kind="blazeface", view="whole")).detect(image) == []


def test_small_and_surplus_faces_are_dropped() -> None:
    image = scene([(20, 20, 240), (400, 200, 170)])
    assert len(open_detector(DetectorConfig()).detect(image)) == 2
    for config in (DetectorConfig(max_faces=1), DetectorConfig(min_face_px=80)):
        (found,) = open_detector(config).detect(image)
        assert found.box.x < 260


@pytest.mark.parametrize("kind", ["yunet", "blazeface"])
def test_a_higher_threshold_finds_no_more(kind: str) -> None:
    assert open_detector(DetectorConfig(kind=kind, min_score=0.95)).detect(portrait()) == []


def test_yunet_finds_faces_of_24_px_in_frames_of_any_size(yunet: Detector) -> None:
    """A face takes about .41 of the pasted head's side."""
    for width, height in ((640, 480), (480, 640), (1280, 720), (1920, 1080), (320, 240)):
        heads = [(width // 5 * n, height // 5 * n, 64) for n in range(4)]
        found = yunet.detect(scene(heads, width, height))
        assert len(found) == 4, (width, height)
        assert all(20 <= detection.box.mean_side <= 32 for detection in found)


def test_yunet_searches_tiles_only_where_the_smallest_face_is_too_small_in_the_whole(yunet: Detector) -> None:
    assert len(yunet.tiles(640, 480)) == 1
    assert len(yunet.tiles(1920, 1080)) > 1
    assert len(open_detector(DetectorConfig(min_face_px=60)).tiles(1920, 1080)) == 1


def test_tiles_find_the_small_faces_of_a_room_and_the_large_one_once(room: Detector) -> None:
    small = [(150 + 400 * n, 200 + 150 * n, 80) for n in range(4)]
    image = scene([*small, (1300, 60, 600)], 1920, 1080)
    found = room.detect(image)
    assert len(found) == 5
    assert found[0].box.mean_side == pytest.approx(0.41 * 600, rel=0.15)  # the face's part of the pasted head
    for n, (x, y, side) in enumerate(small):
        (box,) = [f.box for f in found if x <= f.box.x + f.box.width / 2 <= x + side]
        assert y <= box.y + box.height / 2 <= y + side, n
    squares = open_detector(DetectorConfig(kind="blazeface"))
    assert [f for f in squares.detect(image) if f.box.mean_side < 60] == []


def test_look_finds_only_the_faces_of_its_tiles(room: Detector) -> None:
    image = scene([(100, 100, 60), (1700, 900, 60)], 1920, 1080)
    parts = room.tiles(1920, 1080)
    showing = [part for part in parts if room.look(image, [part])]
    assert 2 <= len(showing) <= 6  # of 151
    for x, y in ((100, 100), (1700, 900)):
        assert any(part.covers(Box(x + 18, y + 14, 25, 25)) for part in showing)
    assert room.look(image, []) == []


def test_haar_has_one_tile(haar: Detector) -> None:
    (part,) = haar.tiles(512, 512)
    assert haar.look(portrait(), [part]) == haar.detect(portrait())
    assert haar.look(portrait(), []) == []


def test_every_module_is_a_detector_and_a_choice_of_the_setting() -> None:
    (kind,) = [field for field in dataclasses.fields(DetectorConfig) if field.name == "kind"]
    modules = [module.name for module in pkgutil.iter_modules(detectors.__path__)]
    assert tuple(sorted(modules)) == kind.metadata["choices"]
    assert {"blazeface", "haar", "yunet"} <= set(modules)
    assert all(importlib.import_module(f"{detectors.__name__}.{name}").DETECTOR for name in modules)


def test_anchors_are_those_of_the_networks() -> None:
    near, room = (anchors(NETWORKS[name].side, NETWORKS[name].strides) for name in ("near", "room"))
    assert near.shape == (896, 2)
    assert near[:2].tolist() == [[1 / 32, 1 / 32]] * 2
    assert near[2].tolist() == [3 / 32, 1 / 32]
    assert near[512:518].tolist() == [[1 / 16, 1 / 16]] * 6
    assert near[-1].tolist() == [15 / 16, 15 / 16]
    assert room.shape == (2304, 2)
    assert room[49].tolist() == pytest.approx([1.5 / 48, 1.5 / 48])


rows = st.lists(
    st.tuples(*[st.floats(0, 500)] * 2, *[st.floats(5, 200)] * 2, st.floats(0.5, 1)).map(list), min_size=1, max_size=20
)


@given(rows, st.randoms(use_true_random=False))
def test_merging_does_not_depend_on_the_order(found: list[list[float]], random: object) -> None:
    merged = merge(np.array(found))
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(np.array(shuffled)) == merged
    assert 1 <= len(merged) <= len(found)
    assert merged[0].score == max(row[4] for row in found)
    assert all(0.5 <= detection.score <= 1 for detection in merged)
