"""The four commands of the trainer, one after the other, as a user types them.

`trainer distill --data toy && trainer convert && trainer evaluate --json && trainer report`: the
folder's config.yaml makes the networks small and the run short; all else is as with real faces.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from device.inference.classifier import Classifier
from tests.support.tiny_models import write_tiny
from tests.support.trainer_command import call_trainer
from trainer.data.dataset import LABELS
from trainer.data.fer2013 import toy_dataset

TRAINER = Path(sys.executable).with_name("trainer")
CONFIG = """
trainer:
  threads: 1
  augment: {erase: 0, rotate_deg: 4, scale: 0.05, shift: 0.05}
  teacher:
    {family: resnet18, width: 0.25, stem_stride: 2, dropout: 0,
     fit: {epochs: 5, optimizer: adamw, lr: 0.002, batch_size: 32, ema: 0.9, warmup_epochs: 0.5}}
  student:
    {stem_stride: 2, dropout: 0, fit: {epochs: 4, optimizer: adamw, lr: 0.002, batch_size: 32, ema: 0.9}}
  distill: {temperature: 1, kl_weight: 0.5}
  convert: {calibration_faces: 300, qat_steps: 20, qat_batch_size: 32, margin_faces: 60}
"""
PICTURES = ("confusion", "roc", "reliability", "risk-coverage", "corruptions", "learning", "tsne", "worst")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def typed(*args: object, cwd: Path) -> str:
    """Output of the installed command, started as a user starts it; it must succeed."""
    assert TRAINER.exists(), "emotion-edge is not installed in this environment: run `make test`"
    result = subprocess.run([TRAINER, *map(str, args)], cwd=cwd, capture_output=True, text=True, timeout=250)
    assert result.returncode == 0, result.stderr
    return result.stdout


def done(*args: object, cwd: Path) -> str:
    """Output of a command that must succeed, run in this process."""
    result = call_trainer(*args, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return result.stdout


def refusal(*args: object, cwd: Path) -> str:
    """The sentence, on the last line of stderr, of a command that must fail with 1."""
    result = call_trainer(*args, cwd=cwd)
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    sentence = result.stderr.strip().splitlines()[-1]
    assert sentence.startswith("trainer: ") and sentence.endswith(".")
    return sentence


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a student was trained on toy faces."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "config.yaml").write_text(CONFIG)
    typed("distill", "--data", "toy", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def model(house: Path) -> Path:
    return house / typed("convert", cwd=house).strip()


@pytest.fixture(scope="module")
def scores(house: Path, model: Path) -> dict[str, Any]:
    options = ("--through-detector", "--faces", 12, "--sizes", 160, 240, "--fit-margin")
    more = ("--tta", "--corruptions", "--against", model.with_name("best.pt"))
    result: dict[str, Any] = json.loads(typed("evaluate", *options, *more, "--json", cwd=house))
    assert house / result["model"] == model
    return result


def test_the_card_tells_everything(model: Path) -> None:
    card = Classifier(model).card
    assert model.name == "emotion.tflite" and model.stat().st_size < 600_000
    assert card.labels == LABELS and card.input.size == 48
    assert card.quantisation.dtype == "int8" and card.quantisation.input_zero_point == -128
    assert card.quantisation.input_scale == pytest.approx(1 / 255)
    assert 0 < card.parameters <= 552_455 and card.macs > 1e6
    assert card.temperature > 0 and card.operating_point.coverage >= 0.8
    assert card.data == "toy" and card.data_digest == toy_dataset().digest
    assert len(card.teachers) == 1 and card.created and card.licence == "Apache-2.0"
    assert {"split": "public_test", "n": 350}.items() <= card.metrics[0].items() and card.metrics[0]["protocol"]


def test_evaluate_says_what_it_promises(scores: dict[str, Any], model: Path) -> None:
    headline = {"n", "accuracy", "macro_f1", "weighted_f1", "per_class", "confusion", "top5", "ece"}
    assert {"model", "split", "without_duplicates"} | headline <= set(scores)
    assert headline <= set(scores["without_duplicates"])
    assert list(scores["per_class"]) == list(LABELS)
    assert set(scores["per_class"]["happy"]) == {"precision", "recall", "f1", "auc", "support"}
    assert scores["n"] == sum(map(sum, scores["confusion"])) == 350
    assert scores["accuracy"] > 0.9, "the toy student learned nothing"


def test_card_and_evaluate_agree(scores: dict[str, Any], model: Path) -> None:
    written = Classifier(model).card.metrics[0]
    for key in ("accuracy", "macro_f1", "weighted_f1", "top5", "ece", "nll"):
        assert written[key] == pytest.approx(scores[key], abs=1e-6), key


def test_evaluate_through_the_detector(scores: dict[str, Any]) -> None:
    for key in ("detected", "accuracy_through_detector", "points_lost"):
        assert set(scores[key]) == {"160", "240"}
    assert scores["detector"] == "yunet"
    assert scores["detected"]["240"] > 0.9 and scores["faces_pasted"]["240"] == 12
    assert {"margin", "boxes", "measured"} == set(scores["crop_margin"]["fitted"])


def test_evaluate_on_request_says_more(scores: dict[str, Any]) -> None:
    ten, compared, spoilt = scores["tta"]["ten_views"], scores["against"], scores["corruptions"]
    assert ten["views"] == 10 and ten["n"] == 350 and ten["accuracy"] > 0.9
    assert compared["n"] == 350 and compared["accuracy"] == pytest.approx(scores["accuracy"])
    assert compared["p"] > 0.05, "the checkpoint and the model made from it predict differently"
    assert spoilt["faces"] == 12 and len(spoilt["kinds"]) == 15 and spoilt["mean"] < spoilt["accuracy"]


def test_the_checkpoint_scores_like_the_model_it_became(house: Path, model: Path, scores: dict[str, Any]) -> None:
    best = model.with_name("best.pt").relative_to(house)
    direct = json.loads(done("evaluate", "--model", best, "--json", cwd=house))
    assert direct["n"] == 350 and direct["accuracy"] == pytest.approx(scores["accuracy"], abs=0.0031)


def test_evaluate_without_json_is_a_table(house: Path, model: Path) -> None:
    text = done("evaluate", "--split", "private_test", cwd=house)
    assert "private_test" in text and "surprise" in text and "without the duplicates" in text


def test_report_draws_and_writes(house: Path, scores: dict[str, Any]) -> None:
    path = house / typed("report", cwd=house).strip()
    text = path.read_text()
    assert f"{100 * scores['accuracy']:.2f} %" in text and "resnet18" in text
    for name in PICTURES:
        picture = cv2.imread(str(path.with_name(f"{name}.png")))
        assert picture is not None and min(picture.shape[:2]) > 200 and np.ptp(picture) > 100
        assert f"({name}.png)" in text


def test_report_before_evaluate_says_so(house: Path, model: Path) -> None:
    assert "run `trainer evaluate` first" in refusal("report", "--split", "training", cwd=house)


def test_the_float_form_can_be_had(house: Path, model: Path) -> None:
    path = house / typed("convert", "--float", cwd=house).strip()
    assert path.name == "emotion-float.tflite"
    plain, int8 = Classifier(path), Classifier(model)
    assert plain.card.quantisation.dtype == "float32"
    faces = toy_dataset()["public_test"].images[:50]
    assert (plain.logits(faces).argmax(1) == int8.logits(faces).argmax(1)).mean() >= 0.98


def test_a_failed_gate_is_named_and_nothing_is_written(house: Path, model: Path) -> None:
    before = model.read_bytes()
    said = refusal("convert", "--set", "trainer.convert.max_parameters=1000", cwd=house)
    assert "no model is written, it fails parameters (538,583, at most 1,000); make trainer.student.channels" in said
    assert said.endswith("--allow-failed-gates writes it anyway, for an experiment.")
    assert model.read_bytes() == before and not list(model.parent.glob("*.tmp"))


def test_the_sheet_of_toy_faces(house: Path) -> None:
    found = json.loads(done("data", "--data", "toy", "--sheet", "faces.png", "--json", cwd=house))
    assert found["splits"]["training"]["n"] == 1400
    done("data", "--data", "toy", "--corrupted", "spoilt.png", cwd=house)
    assert cv2.imread(str(house / "faces.png")) is not None and cv2.imread(str(house / "spoilt.png")) is not None


def test_what_cannot_be_converted_or_scored_is_told(house: Path, model: Path, tmp_path: Path) -> None:
    assert "no student is here" in refusal("convert", "--runs", "nowhere", cwd=house)
    assert "not a run folder" in refusal("convert", "--run", "nowhere", cwd=house)
    assert "no student is here" in refusal("evaluate", "--runs", "nowhere", cwd=house)
    other = write_tiny(tmp_path / "other.tflite", ("yes", "no"))
    assert "the model has the labels yes, no" in refusal("evaluate", "--model", other, "--data", "toy", cwd=house)
    assert "the model has the labels yes, no" in refusal("evaluate", "--against", other, cwd=house)
    (tmp_path / "cut.tflite").write_bytes(model.read_bytes()[:300_000])
    assert "cut short" in refusal("evaluate", "--model", tmp_path / "cut.tflite", "--data", "toy", cwd=house)
    assert "no data set is named" in refusal("evaluate", "--model", write_tiny(tmp_path / "tiny.tflite"), cwd=house)
