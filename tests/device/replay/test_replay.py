"""`device replay`, and the promise that the default smoother keeps on faces it never saw."""

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
from device.replay.metrics import judge, steadied, unsteadied
from tests.support.clips import Image, portrait, write_clip
from tests.support.replays import FPS, Face, needs_fer2013, public_test, recording, script
from tests.support.tiny_models import LABELS as TINY_LABELS
from tests.support.tiny_models import write_tiny
from trainer.data.dataset import LABELS, FaceSet

CLIPS = 4
Scores = Callable[[NDArray[np.uint8]], NDArray[np.floating]]


@pytest.fixture(scope="module")
def read() -> Scores:
    classifier = Classifier()
    return lambda faces: np.stack([seen.scores for seen in classifier.classify(faces)])


@pytest.fixture(scope="module")
def unseen() -> FaceSet:
    """The half of PublicTest on which no threshold was chosen (benchmarks/smoothing.py)."""
    return public_test().take(slice(1, None, 2))


@needs_fer2013
@pytest.mark.slow
@pytest.mark.parametrize("view_s", [5.0, 1.0, 0.5])
def test_the_default_smoother_flips_at_most_once_a_change(unseen: FaceSet, read: Scores, view_s: float) -> None:
    """On every clip: ten expressions, each shown by one face, or by another one every second or half second."""
    clips = [recording(str(n), list(script(unseen, LABELS, 10, view_s, 9000 + n)), read, LABELS) for n in range(CLIPS)]
    for clip in clips:
        found = judge([clip], steadied(SmootherConfig()))
        assert found.flips <= found.changes == 10
    together, alone = judge(clips, steadied(SmootherConfig())), judge(clips, unsteadied)
    assert together.wrong < alone.wrong
    assert together.named >= 0.4
    assert together.delay_p50_s is not None and together.delay_p50_s <= 2.5  # of media time


def pasted(shown: list[tuple[str, list[Face]]]) -> Iterator[Image]:
    """Frames of 640x480 with the face in the portrait's place, which gives it a head and shoulders."""
    for _, views in shown:
        for face in views:
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
def test_a_film_of_faces_is_replayed_through_the_whole_chain(
    unseen: FaceSet, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = list(script(unseen, LABELS, 5, 5.0, 17))
    write_clip(tmp_path / "film.avi", pasted(shown), FPS)
    lines = [f"film.avi,{5 * n},{5 * n + 5},{emotion}" for n, (emotion, _) in enumerate(shown)]
    (tmp_path / "labels.csv").write_text("\n".join(["clip,start_s,end_s,emotion", *lines]) + "\n")
    assert main(["replay", "--labels", "labels.csv", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["clips"], told["frames"]) == (1, 375)
    assert list(told["filters"]) == ["network", "hmm", "ema", "none"]
    default, alone = told["filters"]["hmm"], told["filters"]["network"]
    assert default["changes"] == 5 and default["flips"] <= 5 < alone["flips"]
    assert alone["unknown"] < 0.05  # a face was found on nearly every frame
    assert alone["right"] > 0.3


def scores(tmp_path: Path, sequence: list[str]) -> None:
    """A recording of a network that is rather sure, fifteen frames a second."""
    rows = [[n / FPS] + [0.88 if name == label else 0.02 for name in TINY_LABELS] for n, label in enumerate(sequence)]
    text = ["time_s," + ",".join(TINY_LABELS), *(",".join(f"{value:.4f}" for value in row) for row in rows)]
    (tmp_path / "scores.csv").write_text("\n".join(text) + "\n")


def test_recorded_scores_are_replayed_without_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scores(tmp_path, ["happy"] * 45 + ["sad", "happy"] * 5 + ["sad"] * 65)
    (tmp_path / "labels.csv").write_text("clip,start_s,end_s,emotion\nscores.csv,0,3,happy\nscores.csv,3,8,sad\n")
    assert main(["replay", "--labels", "labels.csv", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["filters"]
    assert (told["network"]["flips"], told["hmm"]["flips"], told["hmm"]["changes"]) == (12, 2, 2)
    assert told["network"]["delay_p50_s"] == 0 < told["hmm"]["delay_p50_s"] < 2
    assert main(["replay", "--labels", "labels.csv"]) == 0
    first, head, *rows = capsys.readouterr().out.splitlines()
    assert first == "1 clips, 120 frames, 0.1 labelled minutes, 2 changes"
    assert [row.split()[0] for row in rows] == ["network", "hmm", "ema", "none"]
    assert len({len(line) for line in (head, *rows)}) == 1


def test_the_settings_thresholds_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scores(tmp_path, ["happy"] * 45)
    (tmp_path / "labels.csv").write_text("clip,start_s,end_s,emotion\nscores.csv,0,3,happy\n")
    assert main(["replay", "--labels", "labels.csv", "--json", "--set", "device.smoother.enter=0.999"]) == 0
    told = json.loads(capsys.readouterr().out)["filters"]
    assert told["ema"]["unknown"] == told["none"]["unknown"] == 1.0
    assert told["network"]["right"] == 1.0


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ("clip,start_s,end_s,emotion\nfilm.mp4,0,1,happy\n", "film.mp4"),
        ("clip,start_s,end_s,emotion\nscores.csv,0,1,joyful\n", "line 2 of the labels says 'joyful', which the model"),
        ("clip,start_s,end_s,emotion\nscores.csv,7,9,happy\n", "the labels name no time at which a clip has frames"),
        ("clip;start_s;end_s;emotion\n", "labels.csv, line 1: the first line must name the column clip."),
    ],
)
def test_a_mistake_is_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    labels: str,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    scores(tmp_path, ["happy"] * 15)
    (tmp_path / "labels.csv").write_text(labels)
    model = write_tiny(tmp_path / "tiny.tflite")
    code = main(["replay", "--labels", "labels.csv", "--set", f"device.model.path={model}"])
    captured = capsys.readouterr()
    assert code in (1, 2)
    assert sentence in captured.err and captured.err.count("\n") == 1
    assert captured.out == ""
