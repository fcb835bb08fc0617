"""Labelled clips, played again: what each filter would have said, and how good that is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from device.camera.camera import open_camera
from device.config.schema import CameraConfig, DeviceConfig, PipelineConfig, SmootherConfig
from device.errors import UsageError
from device.replay.csv_files import read_labels, read_scores
from device.replay.metrics import NOBODY, Look, Recording, Say, Segment, Verdict, judge, steadied, unsteadied
from device.vision.observation import Observation
from device.vision.pipeline import from_config

SCORES = ".csv"  # a clip of that kind is a recording of scores: time_s, then a column for each label
FILTERS = ("hmm", "ema", "none")
RAW = "network"  # the row of what the network alone says
CELLS: dict[str, Callable[[Verdict], str]] = {
    "flips/min": lambda verdict: f"{verdict.flips_per_minute:.1f}",
    "flips/change": lambda verdict: f"{verdict.flips_per_change:.2f}",
    "restless": lambda verdict: f"{verdict.restless:.1%}",
    "named": lambda verdict: f"{verdict.named:.1%}",
    "delay p50": lambda verdict: _seconds(verdict.delay_p50_s),
    "delay p95": lambda verdict: _seconds(verdict.delay_p95_s),
    "right": lambda verdict: f"{verdict.right:.1%}",
    "wrong": lambda verdict: f"{verdict.wrong:.1%}",
    "unknown": lambda verdict: f"{verdict.unknown:.1%}",
}


@dataclass(frozen=True)
class Report:
    """The verdict on each filter."""

    clips: int
    frames: int
    verdicts: dict[str, Verdict]

    def to_json(self) -> str:
        """clips, frames, filters {name: the fields of `Verdict`}."""
        filters = {name: dataclasses.asdict(verdict) for name, verdict in self.verdicts.items()}
        return json.dumps({"clips": self.clips, "frames": self.frames, "filters": filters}, indent=2)

    def table(self) -> str:
        """The same for a person."""
        any_one = next(iter(self.verdicts.values()))
        labelled = f"{any_one.minutes:.1f} labelled minutes, {any_one.changes} changes"
        return f"{self.clips} clips, {self.frames} frames, {labelled}\n{as_lines(self.verdicts)}"


def replay(config: DeviceConfig, labels: Path) -> Report:
    """Play every clip that a labels file names, and judge each filter with the settings' thresholds.

    Args:
        config: what reads the clips; of its smoother, `kind` alone is varied.
        labels: a CSV file with the columns clip, start_s, end_s, emotion; see docs/smoothing.md.

    Raises:
        UsageError: the labels file, or a recording of scores that it names, cannot be read or is not as it must be; no
            clip has frames where it is labelled.
        SourceError: a clip cannot be read.
        ModelError: the network cannot be loaded.
    """
    recordings = [_recording(config, labels.parent / clip, lines) for clip, lines in read_labels(labels).items()]
    verdicts = {name: judge(recordings, say) for name, say in _rows(config.smoother)}
    return Report(len(recordings), sum(len(each.looks) for each in recordings), verdicts)


def _rows(config: SmootherConfig) -> Iterator[tuple[str, Say]]:
    yield RAW, unsteadied
    for kind in FILTERS:
        yield kind, steadied(dataclasses.replace(config, kind=kind))


def _recording(config: DeviceConfig, clip: Path, lines: list[tuple[int, Segment]]) -> Recording:
    names, looks = read_scores(clip) if clip.suffix == SCORES else _watch(config, clip)
    for number, segment in lines:
        if segment.emotion not in names:
            raise UsageError(
                f"{clip.name}: line {number} of the labels says {segment.emotion!r}, which the model cannot say; "
                f"it says {', '.join(names)}."
            )
    return Recording(clip.name, names, tuple(looks), tuple(segment for _, segment in lines))


def _watch(config: DeviceConfig, clip: Path) -> tuple[tuple[str, ...], list[Look]]:
    """A clip through the chain, without steadying and without a limit of time; of each frame, one face."""
    bare = SmootherConfig(kind="none", enter=0.0, leave=0.0, dwell_s=0.0, min_face_px=config.smoother.min_face_px)
    pipeline = from_config(dataclasses.replace(config, smoother=bare, pipeline=PipelineConfig(budget_ms=None)))
    camera = CameraConfig(source=str(clip), fast=True, fps=config.camera.fps, picture_s=config.camera.picture_s)
    with open_camera(camera) as frames:
        return pipeline.labels, list(_looks(pipeline.process(frame) for frame in frames))


def _looks(observations: Iterable[Observation]) -> Iterator[Look]:
    """The face that is followed so far; where it is not seen, the surest."""
    track = NOBODY
    for seen in observations:
        if not seen.faces:
            yield Look(seen.frame.time_s, NOBODY, (), 0.0)
            continue
        face = max(seen.faces, key=lambda face: (face.track.id == track, face.track.score, -face.track.id))
        track = face.track.id
        yield Look(seen.frame.time_s, track, face.reading.scores, face.track.box.mean_side)


def as_lines(verdicts: Mapping[str, Verdict]) -> str:
    """A table with a line for each verdict."""
    rows = [_line(name, [cell(verdict) for cell in CELLS.values()]) for name, verdict in verdicts.items()]
    return "\n".join([_line("", list(CELLS)), *rows])


def _line(name: str, cells: list[str]) -> str:
    return f"{name:<8}" + "".join(f"{cell:>{len(title) + 2}}" for title, cell in zip(CELLS, cells, strict=True))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
