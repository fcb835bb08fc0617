"""Plays clips through the pipeline and notes the tracks and labels that a subscriber hears of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device.camera.camera import every_frame_of, open_camera
from device.config.schema import CameraConfig
from device.replay.heard import HeardTrack, Subscriber
from device.replay.truth import ClipTruth, find_file
from device.vision.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True)
class ClipScore:
    """What a subscriber hears of one clip."""

    clip: str
    seconds: float
    frames: int
    expected_tracks: int
    tracks: int
    expected_emotion: str | None
    shares: dict[str, float]  # of the tracks' time, by label, the longest first
    each: tuple[str, ...]  # the label of each track for most of its time
    changes: int  # of the labels after the first one of each track
    first_label_s: float | None  # from the start of the first track that had one
    events: int
    as_expected: bool


def play_clip(folder: Path, truth: ClipTruth, pipeline: Pipeline, camera: CameraConfig) -> ClipScore:
    """Play a clip, every frame at its own time, and note what a subscriber hears.

    Args:
        folder: where the clip is.
        truth: what it shows.
        pipeline: a new one.
        camera: frames a second where the clip does not say, and what applies to any file.

    Raises:
        SourceError: the clip cannot be read.
    """
    subscriber, last_s = Subscriber(), 0.0
    with open_camera(every_frame_of(find_file(folder, truth.clip, folders=True), camera)) as frames:
        for frame in frames:
            subscriber.observe(pipeline.process(frame))
            last_s = frame.time_s
    subscriber.finish()
    return score_clip(truth, subscriber, last_s)


def score_clip(truth: ClipTruth, subscriber: Subscriber, seconds: float) -> ClipScore:
    """Compare what was heard with the truth.

    It is as expected if there are as many tracks as people, and each track had the expected label
    for most of its time.
    """
    tracks = list(subscriber.tracks.values())
    each = tuple(track.main_label for track in tracks)
    delays = [track.first_label_s - track.started_s for track in tracks if track.first_label_s is not None]
    right = truth.emotion is None or all(label == truth.emotion for label in each)
    return ClipScore(
        clip=truth.clip,
        seconds=seconds,
        frames=subscriber.frames,
        expected_tracks=truth.tracks,
        tracks=len(tracks),
        expected_emotion=truth.emotion,
        shares=_shares(tracks),
        each=each,
        changes=sum(track.changes for track in tracks),
        first_label_s=delays[0] if delays else None,
        events=subscriber.events,
        as_expected=len(tracks) == truth.tracks and right,
    )


def _shares(tracks: Sequence[HeardTrack]) -> dict[str, float]:
    """Share of the tracks' time by label, the longest first."""
    held_s: dict[str, float] = defaultdict(float)
    for track in tracks:
        for label, took_s in track.held_s.items():
            held_s[label] += took_s
    all_s = sum(held_s.values())
    return {label: held_s[label] / all_s for label in sorted(held_s, key=held_s.__getitem__, reverse=True) if all_s}
