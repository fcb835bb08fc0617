"""This project's own networks, as they are committed: scored, not taught. docs/training.md tells how they were made."""

from __future__ import annotations

from device.inference.classifier import BUNDLED
from trainer.compare.studies.experiment import Experiment
from trainer.config import TrainConfig

STUDY = "this-project"
ROWS = tuple(
    Experiment(STUDY, path.stem, TrainConfig(), note="as committed; read by its int8 file", model=path)
    for path in sorted(BUNDLED.parent.glob("emotion*.tflite"))
)
