"""Figures of photos, on a few faces that can be counted by hand."""

from __future__ import annotations

import pytest

from device.messages import UNKNOWN
from device.replay.photo_metrics import Found, chain_metrics, detection_metrics
from device.replay.photos import FaceScore, PhotoScore


def face(side_px: float = 100.0, **figures: object) -> FaceScore:
    return FaceScore(**({"side_px": side_px, "emotion": None} | figures))  # type: ignore[arg-type]


def photo(*faces: FaceScore, **figures: int) -> PhotoScore:
    return PhotoScore(image="1.jpg", faces=faces, **({"false_alarms": 0} | figures))


def test_faces_are_counted_by_size() -> None:
    sides = {20: True, 39.9: False, 40: True, 79: True, 80: False, 150: True, 200: True, 500: True}
    found = detection_metrics([photo(*(face(s, found=hit) for s, hit in sides.items()), false_alarms=2), photo()])
    assert found.bands == {
        "under 40": Found(2, 1),
        "40-80": Found(2, 2),
        "80-120": Found(1, 0),
        "120-200": Found(1, 1),
        "over 200": Found(2, 2),
        "all": Found(8, 6),
        "from 40": Found(6, 5),
    }
    assert (found.photos, found.false_alarms) == (2, 2)
    assert found.bands["all"].share == 0.75 and detection_metrics([]).bands["all"].share is None


def test_what_is_heard_is_counted_over_the_clear_faces() -> None:
    scores = [
        photo(
            face(emotion="happy", tracks=1, heard="happy", first_label_s=0.2, followed_s=30.0),
            face(emotion="happy", tracks=2, heard="sad", first_label_s=0.6, changes=3, followed_s=30.0),
            face(emotion="sad", tracks=1, heard=UNKNOWN, followed_s=30.0),
            face(emotion="sad"),
            face(emotion=None, tracks=1, heard="sad", first_label_s=9.0, followed_s=30.0),
            false_tracks=2,
            false_labels=1,
            events=9,
        ),
        photo(events=4),
    ]
    found = chain_metrics(scores)
    assert (found.faces, found.followed, found.tracks_per_person) == (5, 4, 1.25)
    assert (found.clear, found.right, found.wrong, found.unknown, found.never_followed) == (4, 0.25, 0.25, 0.25, 0.25)
    assert found.right_of_followed == pytest.approx(1 / 3)
    assert (found.labelled, found.first_label_p50_s) == (2, pytest.approx(0.4))
    assert found.changes_per_minute == 1.5
    assert (found.false_tracks, found.false_labels, found.empty_photos, found.events_on_empty) == (2, 1, 1, 4)


def test_shares_of_nothing_are_none() -> None:
    found = chain_metrics([photo()])
    assert (found.right, found.tracks_per_person, found.first_label_p50_s, found.changes_per_minute) == (None,) * 4
