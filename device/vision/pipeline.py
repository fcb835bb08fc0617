"""The pipeline: turns each frame into an observation: its faces, and the events it caused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.camera.frame import Frame
from device.config.schema import DeviceConfig, PipelineConfig, ReadingConfig
from device.inference.classifier import Classifier
from device.inference.preprocess import to_grey
from device.messages import UNKNOWN, AttentionAlert, AttentionState, EmotionEvent, EventType, FaceReads
from device.model_registry.registry import model_path, require_gates
from device.valence import Valence
from device.vision.attention_reader import AttentionReader
from device.vision.detection import Detector
from device.vision.detector import open_detector
from device.vision.face_check import FaceChecker
from device.vision.face_reader import FaceReader, FaceScores
from device.vision.face_scheduler import FaceScheduler
from device.vision.ignore_regions import Regions, outside
from device.vision.landmarks import LandmarkNetwork
from device.vision.observation import FaceReading, Observation
from device.vision.optical_flow import FlowTracker
from device.vision.smoother import Reading, Smoother, make_smoother
from device.vision.tile_scheduler import ScanResult, TileScheduler
from device.vision.time_budget import Budget, Clock
from device.vision.timings import StageTimings
from device.vision.tracker import Track, Tracker, always_face


class Pipeline:
    """Runs detector, tracker, checker, classifier and smoother on each frame, in a time budget.

    A frame searches as many tiles, and classifies as many faces, as the budget allows; the others
    follow on the next frames. At least one tile and one face are done, on two frames if necessary.

    Its `timings` hold the stages detect, track, check, classify and smooth, and their total; the
    caller may add capture and publish.

    Args:
        budget: of a frame; None sets no limit.
        search_interval_s: shortest time between two searches while every face is followed.
        checker: the judge that the tracker asks; None takes all that is detected for faces.
        attention: reads the looks of the checker; None measures no attention.
        ignore: areas of the frame without faces.
        reading: how faces are cut out; None takes the defaults.
    """

    def __init__(
        self,
        detector: Detector,
        tracker: Tracker,
        classifier: Classifier,
        smoother: Smoother,
        budget: Budget | None = None,
        search_interval_s: float = 0.0,
        checker: FaceChecker | None = None,
        ignore: Regions = (),
        reading: ReadingConfig | None = None,
        attention: AttentionReader | None = None,
    ) -> None:
        self.timings = StageTimings()
        self.labels = classifier.labels
        self._budget = budget or Budget(PipelineConfig(budget_ms=None))
        self._tile_scheduler = TileScheduler(detector, self._budget, search_interval_s)
        self._flow_tracker = FlowTracker()
        self._ignore = ignore
        self._tracker = tracker
        self._checker = checker
        self._reader = FaceReader(classifier, reading or ReadingConfig())
        self._attention = attention
        self._face_scheduler = FaceScheduler()
        self._smoother = smoother
        self._overdue = False  # faces waited on the frame before, and none was classified
        self._readings: dict[int, Reading] = {}  # the last one of each track that has started
        self._timestamp = 0.0
        self._media_s: float | None = None

    def process(self, frame: Frame) -> Observation:
        """Process one frame; frames must come in the order of their times."""
        self._budget.begin()
        with self.timings.measure("total"):
            with self.timings.measure("detect"):
                scan = self._detect(frame)
            with self.timings.measure("track"):
                grey = to_grey(frame.image)
                self._flow_tracker.add_frame(grey)
                update = self._tracker.update(scan.detections, frame.time_s, scan.covers, self._flow_tracker.follow)
            if self._checker is not None:
                with self.timings.measure("check"):
                    self._checker.look(frame.image, update.in_view, frame.time_s)
                    self._checker.forget(update.dropped)
            with self.timings.measure("classify"):
                read = self._read(grey, update.live, frame.time_s)
            with self.timings.measure("smooth"), self._budget.spend("smooth"):
                faces = self._smooth(update.live, read, frame.time_s)
                self._timestamp, self._media_s = frame.timestamp, frame.media_s
                events = self._ended(update.ended) + self._changed(faces) + self._alerted(faces)
        return Observation(frame, self.labels, faces, events)

    def finish(self) -> list[EmotionEvent]:
        """End every track that is left, as of the last frame; call it after the last frame."""
        return self._ended(self._tracker.finish())

    def face_reads(self) -> FaceReads | None:
        """How often a face was classified in the last seconds; None without a face."""
        return self._face_scheduler.figures()

    def _detect(self, frame: Frame) -> ScanResult:
        if self._overdue and not self._budget.affords("detect", leaving="classify"):
            return ScanResult([], [])
        scan = self._tile_scheduler.look(frame.image, self._tracker.wanted(), frame.time_s)
        return scan._replace(detections=outside(scan.detections, self._ignore, frame.image.shape))

    def _read(self, grey: NDArray[np.uint8], live: list[Track], time_s: float) -> dict[int, FaceScores]:
        """Classify the most urgent faces, as many as there is time for; track id -> scores."""
        self._reader.see(live, time_s)
        waiting = [track for track in live if self._readable(track)]
        read: dict[int, FaceScores] = {}
        for track in self._face_scheduler.order(waiting, time_s):
            if not (self._overdue or self._budget.affords("classify", leaving="smooth")):
                break
            with self._budget.spend("classify"):
                read[track.id] = self._reader.read(grey, track, self._roll_deg(track), time_s)
            self._overdue = False
        self._overdue = bool(waiting) and not read
        return read

    def _readable(self, track: Track) -> bool:
        """Whether the face is large enough, and how its head is held is known."""
        settled = self._checker is None or self._checker.head(track).settled
        return settled and self._smoother.large_enough(track.box.mean_side)

    def _roll_deg(self, track: Track) -> float:
        return self._checker.head(track).roll_deg if self._checker is not None else 0.0

    def _smooth(self, live: list[Track], read: dict[int, FaceScores], time_s: float) -> list[FaceReading]:
        faces = []
        for track in live:
            seen, side = read.get(track.id), track.box.mean_side
            if seen is None:
                reading = self._smoother.wait(track.id, time_s, side)
            else:
                reading = self._smoother.update(track.id, seen.scores, time_s, side, seen.weight)
                self._face_scheduler.classified(track.id, time_s, reading.emotion != UNKNOWN)
            attention = self._attention.state(track, time_s) if self._attention is not None else None
            faces.append(FaceReading(track, reading, attention))
        return faces

    def _changed(self, faces: list[FaceReading]) -> list[EmotionEvent]:
        """A start for each new face, an update for each one whose emotion changed."""
        events = []
        for face in faces:
            if face.track.id not in self._readings:
                events.append(self._event("start", face.track, face.reading, face.attention))
            elif face.reading.changed:
                events.append(self._event("update", face.track, face.reading, face.attention))
            self._readings[face.track.id] = face.reading
        return events

    def _alerted(self, faces: list[FaceReading]) -> list[EmotionEvent]:
        """The alerts that began or ended on this frame."""
        if self._attention is None:
            return []
        return [
            self._event("attention", face.track, face.reading, face.attention, alert)
            for face in faces
            for alert in self._attention.alerts(face.track)
        ]

    def _ended(self, tracks: list[Track]) -> list[EmotionEvent]:
        """An end for each track, after the ends of its alerts."""
        events = []
        for track in tracks:
            self._smoother.forget(track.id)
            self._face_scheduler.forget(track.id)
            self._reader.forget(track.id)
            reading = self._readings.pop(track.id)
            if self._attention is not None:
                alerts = self._attention.finish(track)
                events += [self._event("attention", track, reading, alert=alert, seen=False) for alert in alerts]
            events.append(self._event("end", track, reading, seen=False))
        return events

    def _event(
        self,
        kind: EventType,
        track: Track,
        reading: Reading,
        attention: AttentionState | None = None,
        alert: AttentionAlert | None = None,
        seen: bool = True,
    ) -> EmotionEvent:
        scores = dict(zip(self.labels, reading.scores, strict=True))
        return EmotionEvent(
            type=kind,
            track=track.id,
            ts=self._timestamp,
            media_s=self._media_s,
            emotion=reading.emotion,
            confidence=reading.confidence,
            scores=scores,
            previous=reading.previous,
            box=track.box if seen else None,
            valence=Valence.of(scores),
            attention=attention,
            alert=alert,
        )


def from_config(
    config: DeviceConfig,
    model: Path | None = None,
    clock: Clock = time.perf_counter,
    track_ids: Iterator[int] | None = None,
) -> Pipeline:
    """The pipeline that the settings describe.

    Args:
        model: the .tflite; None takes the active one.
        clock: of the time budget.
        track_ids: of the next tracks; default: from 1.

    Raises:
        ModelError: a model cannot be loaded, its card is not supported, or it failed gates.
        ConfigError: settings contradict each other.
        StateError: the record of the installed models cannot be read.
    """
    path = model or model_path(config)
    classifier = Classifier(path, config.model.threads)
    require_gates(classifier.card, config, path)
    smoother = make_smoother(config.smoother, classifier.labels)
    budget = Budget(config.pipeline, clock)
    attention = AttentionReader(config.attention) if config.attention.enabled else None
    checker = _checker(config, budget, attention) if config.face_check.enabled else None
    tracker = Tracker(config.tracker, always_face if checker is None else checker.verdict, track_ids)
    detector, interval_s = open_detector(config.detector), config.detector.interval_s
    ignore, reading = config.detector.ignore, config.reading
    return Pipeline(detector, tracker, classifier, smoother, budget, interval_s, checker, ignore, reading, attention)


def _checker(config: DeviceConfig, budget: Budget, attention: AttentionReader | None) -> FaceChecker:
    if attention is None:
        return FaceChecker(LandmarkNetwork(), config.face_check, budget)
    return FaceChecker(LandmarkNetwork(), config.face_check, budget, attention.read, config.attention.interval_s)
