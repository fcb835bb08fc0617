"""Plays photos through the pipeline and notes what it finds and says of each true face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.camera.frame import Frame
from device.camera.sources.media_file import read_picture
from device.config.schema import CameraConfig
from device.errors import SourceError, UsageError, unreadable_as
from device.inference.box import Box
from device.messages import UNKNOWN
from device.replay.heard import HeardTrack, Subscriber
from device.replay.matching import match
from device.replay.truth import PhotoTruth, find_file
from device.vision.detection import Detector
from device.vision.pipeline import Pipeline

Image = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class FaceScore:
    """What the chain made of one true face."""

    side_px: float  # mean side of the true box, pixels of the frame
    emotion: str | None  # the true one; None where the eye is not sure
    found: bool = False  # by the detector in the whole frame
    tracks: int = 0  # that started on it
    heard: str | None = None  # the label at the end; None: no track ever started
    first_label_s: float | None = None  # after the photo appeared; None: never
    changes: int = 0  # of the label after the first one
    followed_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PhotoScore:
    """What the chain made of one photo."""

    image: str
    faces: tuple[FaceScore, ...]
    false_alarms: int  # of the detector
    false_tracks: int = 0  # that started on no face
    false_labels: int = 0  # of these, that ever had a label
    events: int = 0
    frames: int = 0  # that were played


@dataclass(frozen=True)
class Photo:
    """A photo as a frame of the camera, and its truth in the pixels of that frame."""

    image: Image  # (H, W, 3) BGR
    truth: PhotoTruth


def open_photo(folder: Path, truth: PhotoTruth, camera: CameraConfig) -> Photo:
    """Read a photo and fit it into the camera's frame, small ones enlarged; nothing is added.

    Raises:
        SourceError: it cannot be read.
        UsageError: a box of the truth lies outside it.
    """
    import cv2

    path = find_file(folder, truth.image)
    with unreadable_as(SourceError, path, "the photo"):
        image = read_picture(path, camera.max_pixels)
    height, width = image.shape[:2]
    for box, where in truth.line_of_box.items():
        if box is not None and (box.x >= width or box.y >= height):
            raise UsageError(f"{where}: this box lies outside {path}, which has {width} x {height} pixels; correct it.")
    factor = min(camera.width / width, camera.height / height)
    size = max(1, round(factor * width)), max(1, round(factor * height))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return Photo(np.asarray(cv2.resize(image, size, interpolation=method), np.uint8), truth.scaled(factor))


def detect_photo(photo: Photo, detector: Detector) -> PhotoScore:
    """Search the whole frame once, and note which faces were found."""
    return score_boxes(photo, [found.box for found in detector.detect(photo.image)])


def score_boxes(photo: Photo, boxes: Sequence[Box]) -> PhotoScore:
    """Note which faces some boxes, in pixels of the frame, are."""
    matches = match(boxes, photo.truth)
    hits = set(matches.faces.values())
    faces = tuple(
        FaceScore(side_px=face.box.mean_side, emotion=face.emotion, found=n in hits)
        for n, face in enumerate(photo.truth.faces)
    )
    return PhotoScore(image=photo.truth.image, faces=faces, false_alarms=len(matches.false_alarms))


def play_photo(photo: Photo, detector: Detector, pipeline: Pipeline, camera: CameraConfig) -> PhotoScore:
    """Show a photo for `camera.picture_s`, and note what a subscriber hears.

    Args:
        photo: see `open_photo`.
        detector: for `detect_photo`.
        pipeline: a new one.
        camera: frames a second, and seconds.
    """
    seen, subscriber = detect_photo(photo, detector), Subscriber()
    places: dict[int, int | None] = {}  # track -> index of its face; None: of no face
    for frame in frames(photo.image, camera):
        observation = pipeline.process(frame)
        subscriber.observe(observation)
        _note_places(places, [(face.track.id, face.track.box) for face in observation.faces], photo.truth)
    subscriber.finish()
    tracks = subscriber.tracks
    followed = [
        _followed(face, [tracks[id] for id, place in places.items() if place == n and id in tracks])
        for n, face in enumerate(seen.faces)
    ]
    false = [tracks[id] for id, place in places.items() if place is None and id in tracks]
    return PhotoScore(
        image=seen.image,
        faces=tuple(followed),
        false_alarms=seen.false_alarms,
        false_tracks=len(false),
        false_labels=sum(track.first_label_s is not None for track in false),
        events=subscriber.events,
        frames=subscriber.frames,
    )


def frames(image: Image, camera: CameraConfig) -> Iterator[Frame]:
    """The same picture again and again, at the camera's rate."""
    for n in range(max(1, round(camera.picture_s * camera.fps))):
        yield Frame(image, n, n / camera.fps, n / camera.fps)


def _note_places(places: dict[int, int | None], seen: Sequence[tuple[int, Box]], truth: PhotoTruth) -> None:
    """Note the face of each track of a frame; a track at an ignored place is left out."""
    matches = match([box for _, box in seen], truth)
    places.update({seen[b][0]: f for b, f in matches.faces.items()})
    for b in matches.false_alarms:
        places.setdefault(seen[b][0], None)


def _followed(face: FaceScore, tracks: list[HeardTrack]) -> FaceScore:
    """A face with what is heard of its tracks, of the latest one at the end."""
    if not tracks:
        return face
    labelled = [track.first_label_s for track in tracks if track.first_label_s is not None]
    open_ones = [track.emotion for track in tracks if not track.ended]
    return replace(
        face,
        tracks=len(tracks),
        heard=open_ones[-1] if open_ones else UNKNOWN,
        first_label_s=min(labelled, default=None),
        changes=sum(track.changes for track in tracks),
        followed_s=sum(track.seconds for track in tracks),
    )
