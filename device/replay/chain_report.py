"""The scores of the whole chain as a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from device.config.schema import CameraConfig
from device.replay.clips import ClipScore
from device.replay.photo_metrics import ChainMetrics, DetectionMetrics
from device.replay.photos import PhotoScore


@dataclass(frozen=True, kw_only=True)
class PhotoReport:
    """Scores of photos."""

    which: str  # odd, even or all
    camera: CameraConfig
    budget_ms: float | None
    detection: DetectionMetrics
    chain: ChainMetrics | None  # None if only the detector was scored
    mean_ms: dict[str, float]  # of a frame, by stage of the pipeline; empty without `chain`
    scores: tuple[PhotoScore, ...]

    def to_json(self) -> str:
        """Return JSON; docs/field.md has its keys."""
        return json.dumps(self.as_dict(), indent=2)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        found = dataclasses.asdict(self)
        del found["camera"], found["scores"]
        shown = {key: getattr(self.camera, key) for key in ("width", "height", "fps", "picture_s")}
        return shown | found | {"photos": [dataclasses.asdict(score) for score in self.scores]}

    def table(self) -> str:
        """Return the report as text."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        detection, chain, camera = self.detection, self.chain, self.camera
        yield f"{detection.photos} photos ({self.which}) in {camera.width}x{camera.height}"
        yield "\nfound by the detector in the whole frame, by mean side in pixels"
        for name, band in detection.bands.items():
            yield f"  {name:<10} {band.found:>4} of {band.faces:<4} {percent(band.share):>7}"
        yield f"  false alarms {detection.false_alarms}"
        if chain is not None:
            yield from _chain_lines(chain, f"shown {camera.picture_s:g} s at {camera.fps:g} frames/s")
            yield _times(self.mean_ms, self.budget_ms)


@dataclass(frozen=True, kw_only=True)
class ClipReport:
    """Scores of clips."""

    budget_ms: float | None
    mean_ms: dict[str, float]  # of a frame, by stage of the pipeline
    scores: tuple[ClipScore, ...]

    def to_json(self) -> str:
        """Return JSON; docs/field.md has its keys."""
        return json.dumps(self.as_dict(), indent=2)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        found = dataclasses.asdict(self)
        return {"clips": found.pop("scores")} | found

    def table(self) -> str:
        """Return the report as text."""
        return "\n".join([*(line for score in self.scores for line in _clip_lines(score)), self._times()])

    def _times(self) -> str:
        return _times(self.mean_ms, self.budget_ms)


def _chain_lines(chain: ChainMetrics, shown: str) -> Iterator[str]:
    yield f"\nfollowed ({shown})"
    yield f"  faces        {chain.followed} of {chain.faces}, {number(chain.tracks_per_person)} tracks a person"
    yield f"  false tracks {chain.false_tracks}, of which {chain.false_labels} had a label"
    yield f"  photos without a face: {chain.events_on_empty} events, {chain.empty_photos} photos"
    yield f"\nheard at the end, of {chain.clear} faces with a clear expression"
    for name in ("right", "wrong", "unknown", "never_followed"):
        yield f"  {name.replace('_', ' '):<14} {percent(getattr(chain, name)):>7}"
    yield f"  right of those followed {percent(chain.right_of_followed)}"
    delays = " and ".join(seconds(delay) for delay in (chain.first_label_p50_s, chain.first_label_p95_s))
    yield f"  first label after {delays} (p50, p95), of {chain.labelled} faces that had one"
    yield f"  label changes a minute {number(chain.changes_per_minute)}, all followed faces"


def _clip_lines(score: ClipScore) -> Iterator[str]:
    verdict = "as expected" if score.as_expected else "NOT as expected"
    emotion = f", {score.expected_emotion}" if score.expected_emotion else ""
    yield f"{score.clip}: {verdict}; {score.seconds:.1f} s"
    yield f"  tracks {score.tracks} (expected {score.expected_tracks}{emotion}), most of the time {_list(score.each)}"
    yield f"  time by label: {_list(f'{label} {share:.0%}' for label, share in score.shares.items())}"
    yield f"  label changes {score.changes}, first label after {seconds(score.first_label_s)}, events {score.events}"


def _times(mean_ms: dict[str, float], budget_ms: float | None) -> str:
    budget = "no budget" if budget_ms is None else f"budget {budget_ms:g} ms"
    return f"\nmean ms a frame ({budget}): " + ", ".join(f"{stage} {took:.2f}" for stage, took in mean_ms.items())


def _list(words: Iterable[str]) -> str:
    return ", ".join(words) or "-"


def percent(share: float | None) -> str:
    """A share as a percentage; "-" if there is none."""
    return "-" if share is None else f"{share:.1%}"


def number(value: float | None) -> str:
    """With two decimals; "-" if there is none."""
    return "-" if value is None else f"{value:.2f}"


def seconds(value: float | None) -> str:
    """With its unit; "-" if there is none."""
    return "-" if value is None else f"{value:.2f} s"
