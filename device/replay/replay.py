"""Replays labelled clips through the pipeline and evaluates each filter of the smoother."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from device.camera.camera import every_frame_of, open_camera
from device.config.loader import module_names
from device.config.schema import DeviceConfig, PipelineConfig, SmootherConfig
from device.errors import UsageError
from device.replay.csv_files import read_labels, read_scores
from device.replay.metrics import (
    NO_TRACK,
    FrameScores,
    Labeller,
    Metrics,
    Recording,
    Segment,
    evaluate,
    raw_labels,
    smoothed_labels,
)
from device.vision.observation import Observation
from device.vision.pipeline import from_config

SCORES = ".csv"  # a clip with this suffix holds recorded scores: time_s, then a column for each label
DEFAULT = SmootherConfig().kind
FILTERS = (DEFAULT, *(kind for kind in module_names("vision", "filters") if kind != DEFAULT))
NETWORK = "network"  # name of the row without a smoother
COLUMNS: dict[str, Callable[[Metrics], str]] = {
    "flips/min": lambda metrics: f"{metrics.flips_per_minute:.1f}",
    "flips/change": lambda metrics: f"{metrics.flips_per_change:.2f}",
    "restless": lambda metrics: f"{metrics.restless:.1%}",
    "named": lambda metrics: f"{metrics.named:.1%}",
    "delay p50": lambda metrics: _seconds(metrics.delay_p50_s),
    "delay p95": lambda metrics: _seconds(metrics.delay_p95_s),
    "right": lambda metrics: f"{metrics.right:.1%}",
    "wrong": lambda metrics: f"{metrics.wrong:.1%}",
    "unknown": lambda metrics: f"{metrics.unknown:.1%}",
}


@dataclass(frozen=True)
class Report:
    """The metrics of each filter."""

    clips: int
    frames: int
    metrics: dict[str, Metrics]

    def to_json(self) -> str:
        """Return JSON with the keys clips, frames, and filters {name: the fields of `Metrics`}."""
        filters = {name: dataclasses.asdict(each) for name, each in self.metrics.items()}
        return json.dumps({"clips": self.clips, "frames": self.frames, "filters": filters}, indent=2)

    def table(self) -> str:
        """Return the report as text, with a line for each filter."""
        first = next(iter(self.metrics.values()))
        labelled = f"{first.minutes:.1f} labelled minutes, {first.changes} changes"
        return f"{self.clips} clips, {self.frames} frames, {labelled}\n{format_table(self.metrics)}"


def replay(config: DeviceConfig, labels: Path) -> Report:
    """Play every clip in a labels file and evaluate each filter with the configured thresholds.

    Args:
        config: the pipeline to use; only `smoother.kind` is varied.
        labels: a CSV file with the columns clip, start_s, end_s, emotion; see docs/smoothing.md.

    Raises:
        UsageError: the labels file or a file of scores is invalid; or no clip has frames at the
            labelled times.
        SourceError: a clip cannot be read.
        ModelError: the network cannot be loaded.
    """
    recordings = [_recording(config, labels.parent / clip, lines) for clip, lines in read_labels(labels).items()]
    metrics = {name: evaluate(recordings, labeller) for name, labeller in _labellers(config.smoother)}
    return Report(len(recordings), sum(len(each.frames) for each in recordings), metrics)


def _labellers(config: SmootherConfig) -> Iterator[tuple[str, Labeller]]:
    yield NETWORK, raw_labels
    for kind in FILTERS:
        yield kind, smoothed_labels(dataclasses.replace(config, kind=kind))


def _recording(config: DeviceConfig, clip: Path, lines: list[tuple[int, Segment]]) -> Recording:
    names, frames = read_scores(clip) if clip.suffix == SCORES else _classify(config, clip)
    for number, segment in lines:
        if segment.emotion not in names:
            raise UsageError(
                f"{clip.name}: line {number} of the labels has the label {segment.emotion!r}, which the model does not "
                f"have; use one of {', '.join(names)}."
            )
    return Recording(clip.name, names, tuple(frames), tuple(segment for _, segment in lines))


def _classify(config: DeviceConfig, clip: Path) -> tuple[tuple[str, ...], list[FrameScores]]:
    """Run the pipeline on a clip, without smoothing and without a time budget; one face a frame."""
    no_smoothing = SmootherConfig(
        kind="none", enter=0.0, leave=0.0, dwell_s=0.0, min_face_px=config.smoother.min_face_px
    )
    pipeline = from_config(dataclasses.replace(config, smoother=no_smoothing, pipeline=PipelineConfig(budget_ms=None)))
    with open_camera(every_frame_of(clip, config.camera)) as frames:
        return pipeline.labels, list(_main_face(pipeline.process(frame) for frame in frames))


def _main_face(observations: Iterable[Observation]) -> Iterator[FrameScores]:
    """Yield one face of each frame: the one tracked so far, else the most certain detection."""
    track = NO_TRACK
    for observation in observations:
        if not observation.faces:
            yield FrameScores(observation.frame.time_s, NO_TRACK, (), 0.0)
            continue
        face = max(observation.faces, key=lambda face: (face.track.id == track, face.track.score, -face.track.id))
        track = face.track.id
        yield FrameScores(observation.frame.time_s, track, face.reading.scores, face.track.box.mean_side)


def format_table(metrics: Mapping[str, Metrics]) -> str:
    """Return a table of text, with a line for each name."""
    rows = [_line(name, [cell(each) for cell in COLUMNS.values()]) for name, each in metrics.items()]
    return "\n".join([_line("", list(COLUMNS)), *rows])


def _line(name: str, cells: list[str]) -> str:
    return f"{name:<8}" + "".join(f"{cell:>{len(title) + 2}}" for title, cell in zip(COLUMNS, cells, strict=True))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
