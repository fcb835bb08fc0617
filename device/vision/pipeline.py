"""The chain: a frame goes in, and what is seen on it and what changed comes out."""

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
from device.model_registry.registry import model_path
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
    """Detector, tracker, classifier and smoother, one after the other, within a budget of time.

    A frame looks for faces in as many of its parts, and reads as many of its faces, as the budget has time for; the
    rest has its turn on the next frames. At least one look and one reading are done, on two frames if they must.

    Its `timings` hold the stages detect, track, classify, smooth and their total; who reads the camera and who speaks
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
        self._owed = False  # faces waited on the frame before, and none was read
        self._readings: dict[int, Reading] = {}  # the last of each track that started and did not end
        self._timestamp = 0.0

    def process(self, frame: Frame) -> Observation:
        """Work on one frame; frames must come in the order of their times."""
        self._budget.begin()
        with self.timings.measure("total"):
            with self.timings.measure("detect"):
                sight = self._look(frame.image)
            with self.timings.measure("track"):
                grey = to_grey(frame.image)
                self._flow_tracker.see(grey)
                update = self._tracker.update(sight.detections, frame.time_s, sight.covers, self._flow_tracker.follow)
            with self.timings.measure("classify"):
                predictions = self._classify(grey, update.live, frame.time_s)
            with self.timings.measure("smooth"), self._budget.spend("smooth"):
                faces = self._read(update.live, predictions, frame.time_s)
                self._timestamp = frame.timestamp
                events = self._ended(update.ended) + self._changed(faces)
        return Observation(frame, self.labels, faces, events)

    def finish(self) -> list[EmotionEvent]:
        """End every track that is left, as of the last frame; for when no more frames will come."""
        return self._ended(self._tracker.finish())

    def face_reads(self) -> FaceReads | None:
        """How often a face was read lately; None where nobody was there to be read."""
        return self._face_scheduler.figures()

    def _look(self, image: NDArray[np.uint8]) -> ScanResult:
        if self._owed and not self._budget.affords("look", leaving="read"):
            return ScanResult([], [])
        return self._tile_scheduler.look(image, self._tracker.wanted())

    def _classify(self, grey: NDArray[np.uint8], live: list[Track], time_s: float) -> dict[int, Prediction]:
        """The most urgent faces, as many as there is time for; track id -> what the network makes of it."""
        waiting = [track for track in live if self._smoother.readable(track.box.mean_side)]
        predictions: dict[int, Prediction] = {}
        for track in self._face_scheduler.order(waiting, time_s):
            if not (self._owed or self._budget.affords("read", leaving="smooth")):
                break
            with self._budget.spend("read"):
                predictions[track.id] = self._prediction(grey, track.box)
            self._owed = False
        self._owed = bool(waiting) and not predictions
        return predictions

    def _prediction(self, grey: NDArray[np.uint8], box: Box) -> Prediction:
        card = self._classifier.card
        crop = crop_face(grey, face_square(box, card.crop_margin), card.input.size)
        return self._classifier.classify(crop[np.newaxis])[0]

    def _read(self, live: list[Track], predictions: dict[int, Prediction], time_s: float) -> list[FaceReading]:
        faces = []
        for track in live:
            seen, side = predictions.get(track.id), track.box.mean_side
            if seen is None:
                reading = self._smoother.wait(track.id, time_s, side)
            else:
                reading = self._smoother.update(track.id, seen.scores, time_s, side)
                self._face_scheduler.read(track.id, time_s, reading.emotion != UNKNOWN)
            faces.append(FaceReading(track, reading))
        return faces

    def _changed(self, faces: list[FaceReading]) -> list[EmotionEvent]:
        """A start for each face that is new, an update for each that reads otherwise than before."""
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
    """The chain that the settings describe.

    Args:
        model: the .tflite; None takes the one in force.

    Raises:
        ModelError: a model cannot be loaded, or its card cannot be honoured.
        ConfigError: settings contradict each other.
        StateError: the record of the installed models cannot be read.
    """
    classifier = Classifier(model or model_path(config), config.model.threads)
    smoother = make_smoother(config.smoother, classifier.labels)
    budget = Budget(config.pipeline)
    return Pipeline(open_detector(config.detector), Tracker(config.tracker), classifier, smoother, budget)
