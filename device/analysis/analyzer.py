"""Reads the faces of photos and films through the pipeline of the device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from device.analysis.media import find_media
from device.camera.camera import every_frame_of, open_camera
from device.camera.sources.media_file import is_picture
from device.config import usage_policy
from device.config.schema import CameraConfig, DeviceConfig, PipelineConfig, SmootherConfig, TrackerConfig, load_config
from device.errors import ConfigError
from device.messages import UNKNOWN, AttentionState
from device.vision.face_check import MAX_BURST
from device.vision.observation import FaceReading, Observation
from device.vision.pipeline import from_config

SHOWN = MAX_BURST + 1  # frames of a photo: until the second look has decided, and turned a tilted head


@dataclass(frozen=True)
class FaceRow:
    """One face at one moment of a file."""

    file: str  # as it was named, or as it was found in a folder that was named
    time_s: float | None  # since the film's start; None in a photo
    face: int  # from 1 in each file; in a film: the same face as before, in a photo: from the left
    emotion: str  # one of the model's labels, or unknown
    confidence: float  # score of the emotion, 0 to 1; of the best label while it is unknown
    box: tuple[float, float, float, float]  # x, y, width, height in pixels of the picture
    scores: Mapping[str, float]  # of each of the model's labels, sum 1
    attention: AttentionState | None = None  # None unless device.attention is enabled


class Analyzer:
    """Reads one file after another with the same settings.

    In a film, faces are tracked and their labels smoothed as in `device run`, on every frame. In a
    photo each face is classified once and named by its best label; it is unknown only where it is
    smaller than `device.smoother.min_face_px`.

    Raises:
        ConfigError: purpose or jurisdiction are not set, prohibited together, or allow groups only.
        ModelError: the network cannot be loaded.
    """

    def __init__(self, config: DeviceConfig) -> None:
        usage_policy.check(config)
        if usage_policy.aggregate(config):
            raise ConfigError(
                f"device.purpose is {config.purpose}, which allows summaries of groups only, and a table of single "
                "faces is none; docs/privacy.md explains the purposes."
            )
        self._config = dataclasses.replace(config, pipeline=PipelineConfig(budget_ms=None))
        self._photos = from_config(_for_photos(self._config))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the model, in the order of `FaceRow.scores`."""
        return self._photos.labels

    @property
    def attention(self) -> bool:
        """Whether rows have attention."""
        return self._config.attention.enabled

    def read(self, path: Path) -> Iterator[FaceRow]:
        """The rows of one photo or film, in the order of their times.

        Raises:
            SourceError: while iterating; the file is neither, or cannot be read.
        """
        photo = is_picture(path)
        camera = self._camera(path)
        if photo:
            yield from self._read_photo(camera)
            return
        pipeline = from_config(self._config)
        with open_camera(camera) as frames:
            for frame in frames:
                seen = pipeline.process(frame)
                yield from (_row(camera, seen, face, face.track.id, frame.time_s) for face in seen.faces)

    def _read_photo(self, camera: CameraConfig) -> Iterator[FaceRow]:
        with open_camera(camera) as frames:
            for frame in frames:
                seen = self._photos.process(frame)  # the last one counts
        self._photos.finish()
        from_the_left = sorted(seen.faces, key=lambda face: face.track.box)
        for number, face in enumerate(from_the_left, 1):
            row = _row(camera, seen, face, number, None)
            small = face.track.box.mean_side < self._config.smoother.min_face_px
            yield dataclasses.replace(row, emotion=UNKNOWN) if small else row

    def _camera(self, path: Path) -> CameraConfig:
        """The file as a camera that gives every frame, and a photo as often as it is looked at."""
        shown_s = SHOWN / self._config.camera.fps
        return dataclasses.replace(every_frame_of(path, self._config.camera), picture_s=shown_s)


def analyze(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    *,
    purpose: str | None = None,
    jurisdiction: str | None = None,
    config: str | PathLike[str] | None = None,
    settings: Iterable[str] = (),
) -> Iterator[FaceRow]:
    """Read the faces of photos and films; docs/api.md describes this call.

    Args:
        paths: a file, a folder, or several; a folder is searched with the folders in it.
        purpose: what it is for, one of the words of docs/privacy.md; None: as in the config file.
        jurisdiction: eu or elsewhere; None: as in the config file.
        config: a config file; None takes the defaults.
        settings: single settings, such as "device.detector.range=room".

    Returns:
        one row a face and moment, computed while you iterate.

    Raises:
        ConfigError: at once; a setting is wrong or not allowed.
        ModelError: at once; the network cannot be loaded.
        SourceError: at once, there is no such file; or while iterating, it cannot be read.
    """
    declared = {"device.purpose": purpose, "device.jurisdiction": jurisdiction}
    overrides = [*settings, *(f"{key}={value}" for key, value in declared.items() if value is not None)]
    analyzer = Analyzer(load_config(None if config is None else Path(config), overrides))
    named = [paths] if isinstance(paths, str | PathLike) else list(paths)
    files = find_media(map(Path, named)).files
    return (row for file in files for row in analyzer.read(file))


def _for_photos(config: DeviceConfig) -> DeviceConfig:
    """A face counts on the first frame, and its label is the best one of this frame."""
    min_face_px = config.smoother.min_face_px
    as_it_is = SmootherConfig(kind="none", enter=0.0, leave=0.0, dwell_s=0.0, min_face_px=min_face_px)
    at_once: TrackerConfig = dataclasses.replace(config.tracker, confirm_frames=1)
    return dataclasses.replace(config, smoother=as_it_is, tracker=at_once)


def _row(camera: CameraConfig, seen: Observation, face: FaceReading, number: int, time_s: float | None) -> FaceRow:
    reading, box = face.reading, face.track.box
    scores = dict(zip(seen.labels, reading.scores, strict=True))
    sides = (box.x, box.y, box.width, box.height)
    return FaceRow(camera.source, time_s, number, reading.emotion, reading.confidence, sides, scores, face.attention)
