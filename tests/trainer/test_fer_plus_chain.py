"""A student with FER+'s eight labels: trained, converted, evaluated, reported, run on a device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device.config.schema import load_config as load_device_config
from device.inference.classifier import Classifier
from device.vision.smoother import make_smoother
from tests.support.fer_plus import write_fer_plus
from tests.support.trainer_command import call_trainer
from trainer.data.fer2013 import toy_dataset
from trainer.data.ferplus import NAMES

CONFIG = """
trainer:
  data: fer2013.csv
  threads: 1
  labels: fer_plus
  teacher:
    {family: resnet18, width: 0.25, stem_stride: 2, fit: {epochs: 1, batch_size: 32, ema: 0.9}}
  student:
    {channels: [8, 8, 8], tail: 0, stem_stride: 2, fit: {epochs: 1, batch_size: 32, ema: 0.9}}
  convert: {calibration_faces: 100, qat_steps: 2, qat_batch_size: 32, margin_faces: 0}
"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


def test_eight_labels_from_the_votes_to_the_device(tmp_path: Path) -> None:
    write_fer_plus(tmp_path, toy_dataset())
    (tmp_path / "config.yaml").write_text(CONFIG)
    for command in ("distill", "convert --allow-failed-gates", "evaluate --through-detector --faces 3", "report"):
        done = call_trainer(*command.split(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    report = tmp_path / done.stdout.strip()
    assert "contempt" in report.read_text()
    (model,) = tmp_path.glob("runs/student-*/emotion.tflite")
    assert set(json.loads((model.parent / "emotion-public_test.json").read_text())["per_class"]) == set(NAMES)
    classifier = Classifier(model)
    assert classifier.labels == NAMES
    make_smoother(load_device_config().smoother, classifier.labels)


def test_a_network_with_other_labels_is_no_teacher(tmp_path: Path) -> None:
    write_fer_plus(tmp_path, toy_dataset())
    (tmp_path / "config.yaml").write_text(CONFIG)
    bundled = Path(__file__).parents[2] / "device/models/emotion.tflite"
    for option in ("--teacher", "--start"):
        refused = call_trainer("distill", option, bundled, cwd=tmp_path)
        assert refused.returncode == 1
        assert "the network has the labels" in refused.stderr and "see trainer.labels." in refused.stderr
