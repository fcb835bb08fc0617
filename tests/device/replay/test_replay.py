"""`device replay`, and bounds for the default smoother on held-out faces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.cli import main
from device.config.schema import SmootherConfig
from device.inference.classifier import Classifier
from device.replay.metrics import evaluate, raw_labels, smoothed_labels
from tests.support.clips import Image, portrait, write_clip
from tests.support.replays import FPS, Face, needs_fer2013, public_test, recording, script
from tests.support.tiny_models import LABELS as TINY_LABELS
from tests.support.tiny_models import write_tiny
from trainer.data.dataset import LABELS, FaceSet

CLIPS = 4
Classify = Callable[[NDArray[np.uint8]], NDArray[np.floating]]


@pytest.fixture(scope="module")
def classify() -> Classify:
    classifier = Classifier()
    return lambda faces: np.stack([reading.scores for reading in classifier.classify(faces)])


@pytest.fixture(scope="module")
def held_out() -> FaceSet:
    """The half of PublicTest on which no threshold was tuned (benchmarks/smoothing.py)."""
    return public_test().take(slice(1, None, 2))


@needs_fer2013
@pytest.mark.slow
def test_the_default_smoother_answers_soon_and_flips_seldom(held_out: FaceSet, classify: Classify) -> None:
    """Each clip has ten expressions, shown by one face each, or by a new face every so often.

    The limits leave room for the small number of clips; docs/smoothing.md has the figures of many.
    """
    clips = [
        recording(str(n), list(script(held_out, LABELS, 10, view_s, 9000 + n)), classify, LABELS)
        for view_s in (5.0, 1.0, 0.5)
        for n in range(CLIPS)
    ]
    smoothed, raw = evaluate(clips, smoothed_labels(SmootherConfig())), evaluate(clips, raw_labels)
    assert smoothed.flips_per_change <= 1.9 < raw.flips_per_change
    assert smoothed.wrong <= 0.32 and smoothed.wrong < raw.wrong
    assert smoothed.right >= 0.6 and smoothed.right > raw.right
    assert smoothed.unknown <= 0.12
    assert smoothed.named >= 0.8
    assert smoothed.delay_p50_s is not None and smoothed.delay_p50_s <= 0.6  # of media time


def frames_with(shown: list[tuple[str, list[Face]]]) -> Iterator[Image]:
    """Yield frames of 640x480: the portrait, with the face replaced."""
    for _, faces in shown:
        for face in faces:
            picture = cv2.cvtColor(portrait(), cv2.COLOR_BGR2GRAY).astype(np.float64)
            y, x = np.mgrid[0:115, 0:115] / 115 - 0.5
            share = np.clip(6 * (1 - (x / 0.48) ** 2 - (y / 0.52) ** 2), 0, 1)
            place = picture[60:175, 168:283]
            place[:] = share * cv2.resize(face, (115, 115), interpolation=cv2.INTER_CUBIC) + (1 - share) * place
            frame = np.full((480, 640, 3), 120, np.uint8)
            frame[:, 64:576] = picture[:480, :, np.newaxis].astype(np.uint8)
            yield frame


@needs_fer2013
@pytest.mark.slow
def test_a_video_is_replayed_through_the_whole_pipeline(
    held_out: FaceSet, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = list(script(held_out, LABELS, 5, 5.0, 17))
    write_clip(tmp_path / "clip.avi", frames_with(shown), FPS)
    lines = [f"clip.avi,{5 * n},{5 * n + 5},{emotion}" for n, (emotion, _) in enumerate(shown)]
    (tmp_path / "labels.csv").write_text("\n".join(["clip,start_s,end_s,emotion", *lines]) + "\n")
    assert main(["replay", "--labels", "labels.csv", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["clips"], report["frames"]) == (1, 375)
    assert list(report["filters"])[:2] == ["network", "hmm"], "the raw network, then the default"
    assert {"ema", "none"} <= report["filters"].keys()
    smoothed, raw = report["filters"]["hmm"], report["filters"]["network"]
    assert smoothed["changes"] == 5 and smoothed["flips"] <= 10 < raw["flips"]
    assert raw["unknown"] < 0.05  # a face was detected on nearly every frame
    assert raw["right"] > 0.3


def write_scores(tmp_path: Path, sequence: list[str]) -> None:
    """Write confident scores of these labels, at fifteen frames a second."""
    rows = [[n / FPS] + [0.88 if name == label else 0.02 for name in TINY_LABELS] for n, label in enumerate(sequence)]
    text = ["time_s," + ",".join(TINY_LABELS), *(",".join(f"{value:.4f}" for value in row) for row in rows)]
    (tmp_path / "scores.csv").write_text("\n".join(text) + "\n")


def test_recorded_scores_are_replayed_without_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scores(tmp_path, ["happy"] * 45 + ["sad", "happy"] * 5 + ["sad"] * 65)
    (tmp_path / "labels.csv").write_text("clip,start_s,end_s,emotion\nscores.csv,0,3,happy\nscores.csv,3,8,sad\n")
    assert main(["replay", "--labels", "labels.csv", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["filters"]
    assert (report["network"]["flips"], report["hmm"]["flips"], report["hmm"]["changes"]) == (12, 6, 2)
    assert report["network"]["delay_p50_s"] == 0 < report["hmm"]["delay_p50_s"] < 2
    assert main(["replay", "--labels", "labels.csv"]) == 0
    first, head, *rows = capsys.readouterr().out.splitlines()
    assert first == "1 clips, 120 frames, 0.1 labelled minutes, 2 changes"
    assert [row.split()[0] for row in rows][:2] == ["network", "hmm"]
    assert len({len(line) for line in (head, *rows)}) == 1


def test_the_configured_thresholds_are_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scores(tmp_path, ["happy"] * 45)
    (tmp_path / "labels.csv").write_text("clip,start_s,end_s,emotion\nscores.csv,0,3,happy\n")
    assert main(["replay", "--labels", "labels.csv", "--json", "--set", "device.smoother.enter=0.999"]) == 0
    report = json.loads(capsys.readouterr().out)["filters"]
    assert report["ema"]["unknown"] == report["none"]["unknown"] == 1.0
    assert report["network"]["right"] == 1.0


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ("clip,start_s,end_s,emotion\nclip.mp4,0,1,happy\n", "clip.mp4"),
        (
            "clip,start_s,end_s,emotion\nscores.csv,0,1,joyful\n",
            "line 2 of the labels has the label 'joyful', which the model",
        ),
        ("clip,start_s,end_s,emotion\nscores.csv,7,9,happy\n", "no clip has frames at the labelled times"),
        ("clip;start_s;end_s;emotion\n", "labels.csv, line 1: the header has no column clip; add it."),
    ],
)
def test_an_error_is_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    labels: str,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scores(tmp_path, ["happy"] * 15)
    (tmp_path / "labels.csv").write_text(labels)
    model = write_tiny(tmp_path / "tiny.tflite")
    code = main(["replay", "--labels", "labels.csv", "--set", f"device.model.path={model}"])
    captured = capsys.readouterr()
    assert code in (1, 2)
    assert sentence in captured.err and captured.err.count("\n") == 1
    assert captured.out == ""
