"""The pipeline: turns each frame into an observation: its faces, and the events it caused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.camera.frame import Frame
from device.config.schema import DeviceConfig, PipelineConfig
from device.inference.box import Box
from device.inference.classifier import Classifier, Prediction
from device.inference.preprocess import crop_face, face_square, to_grey
from device.messages import UNKNOWN, EmotionEvent, EventType, FaceReads
from device.model_registry.registry import model_path, require_gates
from device.vision.detection import Detector
from device.vision.detector import open_detector
from device.vision.face_scheduler import FaceScheduler
from device.vision.observation import FaceReading, Observation
from device.vision.optical_flow import FlowTracker
from device.vision.smoother import Reading, Smoother, make_smoother
from device.vision.tile_scheduler import ScanResult, TileScheduler
from device.vision.time_budget import Budget
from device.vision.timings import StageTimings
from device.vision.tracker import Track, Tracker


class Pipeline:
    """Runs detector, tracker, classifier and smoother on each frame, within a time budget.

    A frame searches as many tiles, and classifies as many faces, as the budget allows; the others
    follow on the next frames. At least one tile and one face are done, on two frames if necessary.

    Its `timings` hold the stages detect, track, classify and smooth, and their total; the caller
    may add capture and publish.

    Args:
        budget: of a frame; None sets no limit.
    """

    def __init__(
        self,
        detector: Detector,
        tracker: Tracker,
        classifier: Classifier,
        smoother: Smoother,
        budget: Budget | None = None,
    ) -> None:
        self.timings = StageTimings()
        self.labels = classifier.labels
        self._budget = budget or Budget(PipelineConfig(budget_ms=None))
        self._tile_scheduler = TileScheduler(detector, self._budget)
        self._flow_tracker = FlowTracker()
        self._tracker = tracker
        self._classifier = classifier
        self._face_scheduler = FaceScheduler()
        self._smoother = smoother
        self._overdue = False  # faces waited on the frame before, and none was classified
        self._readings: dict[int, Reading] = {}  # the last one of each track that has started
        self._timestamp = 0.0

    def process(self, frame: Frame) -> Observation:
        """Process one frame; frames must come in the order of their times."""
        self._budget.begin()
        with self.timings.measure("total"):
            with self.timings.measure("detect"):
                scan = self._detect(frame.image)
            with self.timings.measure("track"):
                grey = to_grey(frame.image)
                self._flow_tracker.add_frame(grey)
                update = self._tracker.update(scan.detections, frame.time_s, scan.covers, self._flow_tracker.follow)
            with self.timings.measure("classify"):
                predictions = self._classify(grey, update.live, frame.time_s)
            with self.timings.measure("smooth"), self._budget.spend("smooth"):
                faces = self._smooth(update.live, predictions, frame.time_s)
                self._timestamp = frame.timestamp
                events = self._ended(update.ended) + self._changed(faces)
        return Observation(frame, self.labels, faces, events)

    def finish(self) -> list[EmotionEvent]:
        """End every track that is left, as of the last frame; call it after the last frame."""
        return self._ended(self._tracker.finish())

    def face_reads(self) -> FaceReads | None:
        """How often a face was classified in the last seconds; None without a face."""
        return self._face_scheduler.figures()

    def _detect(self, image: NDArray[np.uint8]) -> ScanResult:
        if self._overdue and not self._budget.affords("detect", leaving="classify"):
            return ScanResult([], [])
        return self._tile_scheduler.look(image, self._tracker.wanted())

    def _classify(self, grey: NDArray[np.uint8], live: list[Track], time_s: float) -> dict[int, Prediction]:
        """Classify the most urgent faces, as many as there is time for; track id -> prediction."""
        waiting = [track for track in live if self._smoother.large_enough(track.box.mean_side)]
        predictions: dict[int, Prediction] = {}
        for track in self._face_scheduler.order(waiting, time_s):
            if not (self._overdue or self._budget.affords("classify", leaving="smooth")):
                break
            with self._budget.spend("classify"):
                predictions[track.id] = self._classify_face(grey, track.box)
            self._overdue = False
        self._overdue = bool(waiting) and not predictions
        return predictions

    def _classify_face(self, grey: NDArray[np.uint8], box: Box) -> Prediction:
        card = self._classifier.card
        crop = crop_face(grey, face_square(box, card.crop_margin), card.input.size)
        return self._classifier.classify(crop[np.newaxis])[0]

    def _smooth(self, live: list[Track], predictions: dict[int, Prediction], time_s: float) -> list[FaceReading]:
        faces = []
        for track in live:
            prediction, side = predictions.get(track.id), track.box.mean_side
            if prediction is None:
                reading = self._smoother.wait(track.id, time_s, side)
            else:
                reading = self._smoother.update(track.id, prediction.scores, time_s, side)
                self._face_scheduler.classified(track.id, time_s, reading.emotion != UNKNOWN)
            faces.append(FaceReading(track, reading))
        return faces

    def _changed(self, faces: list[FaceReading]) -> list[EmotionEvent]:
        """A start for each new face, an update for each one whose emotion changed."""
        events = []
        for face in faces:
            if face.track.id not in self._readings:
                events.append(self._event("start", face.track, face.reading))
            elif face.reading.changed:
                events.append(self._event("update", face.track, face.reading))
            self._readings[face.track.id] = face.reading
        return events

    def _ended(self, tracks: list[Track]) -> list[EmotionEvent]:
        for track in tracks:
            self._smoother.forget(track.id)
            self._face_scheduler.forget(track.id)
        return [self._event("end", track, self._readings.pop(track.id)) for track in tracks]

    def _event(self, kind: EventType, track: Track, reading: Reading) -> EmotionEvent:
        return EmotionEvent(
            type=kind,
            track=track.id,
            ts=self._timestamp,
            emotion=reading.emotion,
            confidence=reading.confidence,
            scores=dict(zip(self.labels, reading.scores, strict=True)),
            previous=reading.previous,
            box=None if kind == "end" else track.box,
        )


def from_config(config: DeviceConfig, model: Path | None = None) -> Pipeline:
    """The pipeline that the settings describe.

    Args:
        model: the .tflite; None takes the active one.

    Raises:
        ModelError: a model cannot be loaded, its card is not supported, or it failed gates.
        ConfigError: settings contradict each other.
        StateError: the record of the installed models cannot be read.
    """
    path = model or model_path(config)
    classifier = Classifier(path, config.model.threads)
    require_gates(classifier.card, config, path)
    smoother = make_smoother(config.smoother, classifier.labels)
    budget = Budget(config.pipeline)
    return Pipeline(open_detector(config.detector), Tracker(config.tracker), classifier, smoother, budget)
