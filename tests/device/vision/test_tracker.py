"""Ids are stable and never used twice, and every track that starts ends exactly once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config.schema import TrackerConfig
from device.inference.box import Box
from device.vision.detection import Detection
from device.vision.tracker import Tracker, TrackUpdate, Verdict

CONFIG = TrackerConfig(min_iou=0.3, confirm_frames=3, lost_s=1.0)
FRAME_S = 0.1


def face(x: float = 100, y: float = 100, side: float = 50, score: float = 0.9) -> Detection:
    return Detection(Box(x, y, side, side), score)


def follow(tracker: Tracker, frames: list[list[Detection]], start_s: float = 0.0) -> list[TrackUpdate]:
    return [tracker.update(found, start_s + n * FRAME_S) for n, found in enumerate(frames)]


# ---- examples


def test_a_face_counts_from_its_third_frame() -> None:
    updates = follow(Tracker(CONFIG), [[face()]] * 4)
    assert [len(update.live) for update in updates] == [0, 0, 1, 1]
    assert [[track.id for track in update.started] for update in updates] == [[], [], [1], []]
    track = updates[-1].live[0]
    assert (track.frames, track.first_s, track.last_s) == (4, 0.0, pytest.approx(0.3))


def test_a_moving_face_keeps_its_id() -> None:
    updates = follow(Tracker(CONFIG), [[face(x=10 * n)] for n in range(30)])
    assert {track.id for update in updates for track in update.live} == {1}
    assert updates[-1].live[0].box.x == 290


def test_a_face_that_jumps_by_its_own_width_keeps_its_id() -> None:
    tracker = Tracker(CONFIG)
    follow(tracker, [[face()]] * 3)
    updates = [tracker.update([face(x=160)], 0.4), tracker.update([face(x=220)], 0.6)]
    assert [track.id for update in updates for track in update.live] == [1, 1]


def test_a_face_does_not_jump_in_no_time() -> None:
    """One face is missed on the frame on which another appears beside it."""
    tracker = Tracker(CONFIG)
    follow(tracker, [[face()]] * 3)
    times = [0.2 + (n + 1) / 30 for n in range(4)]
    frames = [[face(x=160)], *[[face(), face(x=160)]] * 3]
    updates = [tracker.update(found, time_s) for found, time_s in zip(frames, times, strict=True)]
    assert {track.box.x: track.id for track in updates[-1].live} == {100: 1, 160: 2}


def test_a_face_far_away_is_another_person() -> None:
    updates = follow(Tracker(CONFIG), [[face()]] * 3 + [[face(x=180)]])
    assert not updates[-1].live


def test_who_sits_beside_a_lost_face_is_another_person_after_half_a_second() -> None:
    updates = follow(Tracker(CONFIG), [[face()]] * 3 + [[]] * 5 + [[face(x=160)]] * 3)
    assert [track.id for track in updates[-1].live] == [2]


def test_a_neighbour_does_not_take_the_place_of_a_face_that_jumped() -> None:
    updates = follow(Tracker(CONFIG), [[face(), face(x=160)]] * 3 + [[face(x=220), face(x=160)]])
    assert {track.box.x: track.id for track in updates[2].live} == {100: 1, 160: 2}
    assert {track.box.x: track.id for track in updates[3].live} == {160: 2}


def test_a_face_whose_place_was_not_searched_did_not_jump() -> None:
    tracker = Tracker(CONFIG)
    follow(tracker, [[face()]] * 3)
    update = tracker.update([face(x=160)], 0.3, covers=lambda box: box.x > 120)
    assert not update.live and len(update.in_view) == 0


def test_a_face_may_be_hidden_for_a_moment() -> None:
    updates = follow(Tracker(CONFIG), [[face()]] * 5 + [[]] * 9 + [[face()]] * 2)
    assert [track.id for track in updates[-1].live] == [1]
    assert not any(update.ended for update in updates)


def test_a_face_that_is_gone_ends_once_after_the_hold_off() -> None:
    updates = follow(Tracker(CONFIG), [[face()]] * 5 + [[]] * 30)
    ended = [(n, track.id) for n, update in enumerate(updates) for track in update.ended]
    assert ended == [(14, 1)]  # last seen on frame 4, and 1 s later


def test_a_hold_off_of_zero_ends_at_the_first_miss() -> None:
    updates = follow(Tracker(TrackerConfig(lost_s=0.0)), [[face()]] * 5 + [[]] * 2)
    assert [len(update.ended) for update in updates] == [0, 0, 0, 0, 0, 1, 0]


def test_false_alarms_use_up_no_ids() -> None:
    tracker = Tracker(CONFIG)
    follow(tracker, [[face(x=200 * n)] for n in range(20)])
    (started,) = follow(tracker, [[face()]] * 3, start_s=60.0)[-1].started
    assert started.id == 1


def test_faces_that_pass_each_other_keep_their_ids_by_overlap() -> None:
    frames = [[face(x=100 + 5 * n, y=100), face(x=200 - 5 * n, y=130)] for n in range(20)]
    updates = follow(Tracker(CONFIG), frames)
    assert {track.id: track.box.y for track in updates[-1].live} == {1: 100, 2: 130}


def test_finish_ends_confirmed_tracks_and_drops_all() -> None:
    tracker = Tracker(CONFIG)
    follow(tracker, [[face()], [face()], [face(), face(x=400)]])
    assert [track.id for track in tracker.finish()] == [1]
    assert tracker.finish() == []
    (started,) = follow(tracker, [[face()]] * 3, start_s=1.0)[-1].started
    assert started.id == 2


# ---- frames that were not searched, or not everywhere


def nowhere(box: Box) -> bool:
    return False


def drift(boxes: Sequence[Box]) -> list[Box | None]:
    """A flow of 10 pixels to the right a frame."""
    return [box._replace(x=box.x + 10) for box in boxes]


def known(tracker: Tracker) -> float:
    """Confirm one face at x = 100; when the next frame is due."""
    follow(tracker, [[face()]] * 3)
    return 0.3


def test_between_two_searches_a_face_is_followed_and_stays_live() -> None:
    tracker = Tracker(CONFIG)
    start_s = known(tracker)
    for n in range(30):
        update = tracker.update([], start_s + n * FRAME_S, nowhere, drift)
        (track,) = update.live
        assert (track.id, track.box.x, track.frames) == (1, 110 + 10 * n, 3)
        assert track.last_s == start_s + n * FRAME_S
        assert update.ended == [] and update.started == []
    (track,) = tracker.update([face(x=410)], start_s + 3.0, lambda box: True, drift).live
    assert (track.id, track.box.x, track.frames) == (1, 410, 4)


def test_a_face_that_cannot_be_followed_is_not_live_and_ends_only_after_a_search() -> None:
    tracker = Tracker(CONFIG)
    start_s = known(tracker)
    for n in range(50):
        update = tracker.update([], start_s + n * FRAME_S, nowhere)
        assert (update.live, update.started, update.ended) == ([], [], [])
    assert tracker.wanted() == [face().box]
    (ended,) = tracker.update([], start_s + 5.0).ended
    assert (ended.id, ended.last_s) == (1, pytest.approx(0.2))


def test_a_face_not_found_is_followed_but_not_live() -> None:
    tracker = Tracker(CONFIG)
    start_s = known(tracker)
    assert tracker.update([], start_s).live == []
    for n in range(1, 5):
        assert tracker.update([], start_s + n * FRAME_S, nowhere, drift).live == []
    assert tracker.wanted() == [face(x=140).box]
    (track,) = tracker.update([face(x=150)], start_s + 0.5).live
    assert (track.id, track.missing) == (1, False)
    assert tracker.wanted() == []


def test_a_new_face_is_wanted_until_confirmed_and_the_flow_does_not_confirm_it() -> None:
    tracker = Tracker(CONFIG)
    tracker.update([face()], 0.0)
    for n in range(1, 9):
        assert tracker.update([], n * FRAME_S, nowhere, drift).live == []
    assert tracker.wanted() == [face(x=180).box]
    tracker.update([face(x=190)], 0.9)
    (track,) = tracker.update([face(x=200)], 1.0).started
    assert (track.id, track.frames, track.first_s) == (1, 3, 0.0)


def test_only_faces_outside_the_search_are_followed() -> None:
    tracker, asked = Tracker(CONFIG), []

    def note(boxes: Sequence[Box]) -> list[Box | None]:
        asked.append(list(boxes))
        return [None] * len(boxes)

    follow(tracker, [[face(), face(x=400), face(x=700)]] * 3)
    tracker.update([face(x=702)], 0.3, lambda box: box.x < 300, note)
    assert asked == [[face(x=400).box]]


# ---- who is matched with whom


def test_an_overlap_equal_to_min_iou_is_enough() -> None:
    tracker = Tracker(TrackerConfig(min_iou=0.5, confirm_frames=2))
    tracker.update([Detection(Box(0, 0, 10, 10), 0.9)], 0.0)
    (track,) = tracker.update([Detection(Box(0, 0, 10, 5), 0.9)], 0.1).live
    assert track.frames == 2


def test_the_better_overlap_is_matched_first() -> None:
    tracker = Tracker(CONFIG)
    start_s = known(tracker)
    live = tracker.update([face(x=115), face(x=105)], start_s).live
    assert [(track.id, track.box.x) for track in live] == [(1, 105)]


def test_a_confirmed_face_is_matched_before_one_that_is_not() -> None:
    tracker = Tracker(CONFIG)
    start_s = known(tracker)
    tracker.update([face(), face(x=130)], start_s)  # the second is new
    (track,) = tracker.update([face(x=122)], start_s + FRAME_S).live
    assert (track.id, track.box.x) == (1, 122)  # though the new one was nearer


# ---- properties

detections = st.builds(
    face,
    x=st.sampled_from([0, 10, 30, 60, 200]),  # few places, so that faces meet, overlap and coincide
    y=st.sampled_from([0, 10, 100]),
    side=st.sampled_from([20, 50, 60]),
    score=st.sampled_from([0.6, 0.9]),
)
clips = st.lists(st.lists(detections, max_size=5), max_size=30)
configs = st.builds(
    TrackerConfig,
    min_iou=st.sampled_from([0.05, 0.3, 0.9]),
    confirm_frames=st.integers(1, 4),
    lost_s=st.sampled_from([0.0, 0.1, 0.35, 5.0]),
)


@given(configs, clips)
def test_every_track_that_starts_ends_exactly_once(config: TrackerConfig, clip: list[list[Detection]]) -> None:
    tracker = Tracker(config)
    updates = follow(tracker, clip)
    started = [track.id for update in updates for track in update.started]
    ended = [track.id for update in updates for track in update.ended] + [track.id for track in tracker.finish()]
    assert started == list(range(1, len(started) + 1))  # from 1, in order, never again
    assert Counter(ended) == Counter(started)


@given(configs, clips)
def test_a_track_is_live_only_between_start_and_end(config: TrackerConfig, clip: list[list[Detection]]) -> None:
    running: set[int] = set()
    for update in follow(Tracker(config), clip):
        ids = [track.id for track in update.live]
        assert len(set(ids)) == len(ids)
        started, ended = {track.id for track in update.started}, {track.id for track in update.ended}
        assert started <= set(ids)
        assert ended <= running
        assert not ended & set(ids)
        running = (running | started) - ended
        assert set(ids) <= running


@given(configs, clips)
def test_live_tracks_are_this_frames_detections(config: TrackerConfig, clip: list[list[Detection]]) -> None:
    for n, (found, update) in enumerate(zip(clip, follow(Tracker(config), clip), strict=True)):
        seen = Counter(Detection(track.box, track.score) for track in update.live)
        assert seen <= Counter(found)
        for track in update.live:
            assert track.last_s == n * FRAME_S
            assert config.confirm_frames <= track.frames <= n + 1
            assert track.first_s <= track.last_s


@given(configs, clips, st.integers(0, 2**32))
def test_the_order_of_detections_does_not_matter(config: TrackerConfig, clip: list[list[Detection]], seed: int) -> None:
    shuffler = random.Random(seed)
    shuffled = [shuffler.sample(found, len(found)) for found in clip]
    assert follow(Tracker(config), shuffled) == follow(Tracker(config), clip)


# ---- the judge of what is a face


def test_what_is_undecided_waits_and_what_is_refused_uses_no_id() -> None:
    verdicts = {1: Verdict.UNDECIDED}
    tracker = Tracker(CONFIG, lambda track: verdicts.get(track.key, Verdict.FACE))
    updates = follow(tracker, [[face(), face(x=300)]] * 5)
    assert {track.box.x: track.id for track in updates[-1].live} == {300: 1}
    assert [len(update.in_view) for update in updates] == [0, 2, 2, 2, 2]
    assert [box.x for box in tracker.wanted()] == [100]
    verdicts[1] = Verdict.OTHER
    assert tracker.wanted() == []  # no hurry to see it again
    updates = follow(tracker, [[face(), face(x=300)]] * 5, 0.5)
    assert [[track.id for track in update.live] for update in updates] == [[1]] * 5
    verdicts[1] = Verdict.FACE
    update = tracker.update([face(), face(x=300)], 1.0)
    assert [track.id for track in update.started] == [2]


def test_what_is_no_face_does_not_jump_to_a_face() -> None:
    tracker = Tracker(CONFIG, lambda track: Verdict.OTHER if track.key == 1 else Verdict.FACE)
    updates = follow(tracker, [[face()]] * 3 + [[face(x=160)]] * 3)
    assert [track.key for track in updates[-1].live] == [2]


def test_a_face_that_is_one_no_more_ends_once_and_may_start_anew() -> None:
    verdict = [Verdict.FACE]
    tracker = Tracker(CONFIG, lambda track: verdict[0])
    follow(tracker, [[face()]] * 5)
    verdict[0] = Verdict.OTHER
    updates = follow(tracker, [[face()]] * 20, 0.5)
    assert [[track.id for track in update.ended] for update in updates] == [[1], *[[]] * 19]
    assert not any(update.live for update in updates)
    verdict[0] = Verdict.FACE
    update = tracker.update([face()], 2.5)
    assert [track.id for track in update.started] == [2]
    assert update.dropped == []
    dropped = [track.key for update in follow(tracker, [[]] * 20, 2.6) for track in update.dropped]
    assert dropped == [1]
