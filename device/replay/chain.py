"""Scores the whole chain, from the frame to what a subscriber hears, on photos or clips."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from device.config.schema import DeviceConfig
from device.replay.chain_report import ClipReport, PhotoReport
from device.replay.clips import play_clip
from device.replay.photo_metrics import chain_metrics, detection_metrics
from device.replay.photos import detect_photo, open_photo, play_photo
from device.replay.truth import chosen, find_file, is_of_clips, read_clips, read_photos
from device.vision.detector import open_detector
from device.vision.pipeline import Pipeline, from_config

Advance = Callable[[int, int], None]  # called after each photo or clip: how many are done, of how many


def score_chain(
    config: DeviceConfig,
    truth: Path,
    folder: Path,
    *,
    which: str = "all",
    detection_only: bool = False,
    advance: Advance = lambda done, all: None,
) -> PhotoReport | ClipReport:
    """Play the photos or the clips of a truth file through the pipeline, without waiting.

    Each gets a pipeline of its own, so that none depends on the one before. See `new_pipeline` for
    the time budget.

    Args:
        config: the pipeline; `camera` has the size of a frame, the rate, and for how long a photo
            is shown (`picture_s`).
        truth: see `read_photos` and `read_clips`; its columns say which of them it is.
        folder: where the photos or clips are.
        which: photos with odd numbers, even ones, or all.
        detection_only: of photos: only search each whole frame once.
        advance: is told of the progress.

    Raises:
        UsageError: the truth file is invalid, or does not fit the model.
        SourceError: a photo or clip cannot be read.
        ModelError: a network cannot be loaded.
    """
    if is_of_clips(truth):
        return _clips(config, truth, folder, advance)
    return _photos(config, truth, folder, which, detection_only, advance)


def _photos(
    config: DeviceConfig, truth: Path, folder: Path, which: str, detection_only: bool, advance: Advance
) -> PhotoReport:
    labels = None if detection_only else new_pipeline(config).labels
    photos = chosen(read_photos(truth, labels), which)
    for photo in photos:  # before the first is played: that takes long
        find_file(folder, photo.image)
    detector, stages, scores = open_detector(config.detector), StageTotals(), []
    for n, photo in enumerate(photos, 1):
        opened = open_photo(folder, photo, config.camera)
        if detection_only:
            scores.append(detect_photo(opened, detector))
        else:
            pipeline = new_pipeline(config)
            scores.append(play_photo(opened, detector, pipeline, config.camera))
            stages.add(pipeline, scores[-1].frames)
        advance(n, len(photos))
    return PhotoReport(
        which=which,
        camera=config.camera,
        budget_ms=config.pipeline.budget_ms,
        detection=detection_metrics(scores),
        chain=None if detection_only else chain_metrics(scores),
        mean_ms=stages.mean_ms(),
        scores=tuple(scores),
    )


def _clips(config: DeviceConfig, truth: Path, folder: Path, advance: Advance) -> ClipReport:
    clips, stages, scores = read_clips(truth, new_pipeline(config).labels), StageTotals(), []
    for clip in clips:  # before the first is played: that takes long
        find_file(folder, clip.clip, folders=True)
    for n, clip in enumerate(clips, 1):
        pipeline = new_pipeline(config)
        scores.append(play_clip(folder, clip, pipeline, config.camera))
        stages.add(pipeline, scores[-1].frames)
        advance(n, len(clips))
    return ClipReport(budget_ms=config.pipeline.budget_ms, mean_ms=stages.mean_ms(), scores=tuple(scores))


def new_pipeline(config: DeviceConfig) -> Pipeline:
    """A pipeline whose time budget counts processor time, so that other programs change little.

    Only without a budget (`pipeline.budget_ms` null) is the result exactly the same every time.

    Raises:
        ModelError: a network cannot be loaded.
        ConfigError: settings contradict each other.
    """
    return from_config(config, clock=time.thread_time)


class StageTotals:
    """Times of the stages of several pipelines together."""

    def __init__(self) -> None:
        self.frames = 0  # in all
        self._totals_ms: dict[str, float] = {}

    def add(self, pipeline: Pipeline, frames: int) -> None:
        """Add all that a pipeline did with that many frames."""
        self.frames += frames
        for stage, took_ms in pipeline.timings.totals_ms().items():
            self._totals_ms[stage] = self._totals_ms.get(stage, 0.0) + took_ms

    def mean_ms(self) -> dict[str, float]:
        """Milliseconds a frame, by stage."""
        return {stage: took_ms / self.frames for stage, took_ms in self._totals_ms.items()}
