"""This project's own networks as committed: evaluated, not trained. See docs/training-runs.md."""

from __future__ import annotations

from device.inference.classifier import BUNDLED
from trainer.compare.studies.experiment import Experiment
from trainer.config import TrainConfig

STUDY = "this-project"
ROWS = tuple(
    Experiment(STUDY, path.stem, TrainConfig(), note="as committed; scored by its int8 file", model=path)
    for path in sorted(BUNDLED.parent.glob("emotion*.tflite"))
)
