"""What a subscriber hears of tracks, from observations written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from device.camera.frame import Frame
from device.inference.box import Box
from device.messages import UNKNOWN, EmotionEvent, EventType
from device.replay.clips import score_clip
from device.replay.heard import Subscriber
from device.replay.truth import ClipTruth
from device.vision.observation import Observation

Said = tuple[EventType, int, str]


def heard(*frames: list[Said], step_s: float = 0.5) -> Subscriber:
    """One list of (type, track, label) a frame."""
    subscriber = Subscriber()
    for n, said in enumerate(frames):
        events = [
            EmotionEvent(type=kind, track=track, ts=0.0, emotion=label, confidence=1.0, scores={}, box=Box(0, 0, 9, 9))
            for kind, track, label in said
        ]
        subscriber.observe(Observation(Frame(np.zeros((2, 2), np.uint8), n, n * step_s, 0.0), (), [], events))
    subscriber.finish()
    return subscriber


def test_a_label_is_held_until_the_next_event() -> None:
    subscriber = heard(
        [], [("start", 1, UNKNOWN)], [], [("update", 1, "happy")], [("update", 1, "sad")], [], [("end", 1, "sad")], []
    )
    track = subscriber.tracks[1]
    assert track.held_s == {UNKNOWN: 1.0, "happy": 0.5, "sad": 1.0}
    assert (track.started_s, track.first_label_s, track.seconds) == (0.5, 1.5, 2.5)
    assert (track.changes, track.ended, track.main_label) == (1, True, UNKNOWN)
    assert subscriber.events == 4


def test_the_last_frame_lasts_as_long_as_the_one_before_it() -> None:
    track = heard([("start", 1, "happy")], [], [], step_s=2.0).tracks[1]
    assert (track.held_s, track.ended, track.first_label_s) == ({"happy": 6.0}, False, 0.0)


def test_a_change_to_unknown_is_heard_too() -> None:
    frames = heard([("start", 1, "sad")], [("update", 1, UNKNOWN)], [("update", 1, "sad")])
    assert frames.tracks[1].changes == 2


def test_a_track_without_a_label() -> None:
    track = heard([("start", 1, UNKNOWN)], []).tracks[1]
    assert (track.first_label_s, track.changes, track.main_label) == (None, 0, UNKNOWN)


def test_a_track_of_one_frame_alone_has_the_label_of_its_event() -> None:
    assert heard([("start", 1, "happy")]).tracks[1].main_label == "happy"


TWO = heard([("start", 1, UNKNOWN), ("start", 2, "sad")], [("update", 1, "happy")], [], [("update", 1, "sad")])


def test_a_clip_is_scored() -> None:
    score = score_clip(ClipTruth("a.mp4", 2, "sad"), TWO, 2.0)
    assert (score.tracks, score.events, score.changes, score.each, score.frames) == (2, 4, 1, ("happy", "sad"), 4)
    assert score.shares == pytest.approx({"sad": 2.5 / 4, "happy": 1.0 / 4, UNKNOWN: 0.5 / 4})
    assert list(score.shares) == ["sad", "happy", UNKNOWN]
    assert score.first_label_s == 0.5
    assert not score.as_expected


@pytest.mark.parametrize(
    ("tracks", "emotion", "expected"), [(2, None, True), (1, None, False), (2, "happy", False), (0, None, False)]
)
def test_a_clip_is_as_expected(tracks: int, emotion: str | None, expected: bool) -> None:
    assert score_clip(ClipTruth("a.mp4", tracks, emotion), TWO, 2.0).as_expected is expected


def test_a_clip_without_a_track() -> None:
    score = score_clip(ClipTruth("a.mp4", 0, None), heard([], []), 1.0)
    assert score.as_expected and (score.shares, score.each, score.first_label_s, score.events) == ({}, (), None, 0)
