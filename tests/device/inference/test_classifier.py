"""The network answers as its card promises, or is refused in one sentence."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from device.errors import ModelError
from device.inference.classifier import Classifier, softmax
from device.inference.model_card import InputSpec, ModelCard, Quantisation, attach
from tests.support.tiny_models import LABELS, tiny_card, tiny_face, tiny_logits, tiny_model, write_tiny

TYPES = ("int8", "float32")
FACES = np.stack([tiny_face(label) for label in range(len(LABELS))])


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Classifier(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.endswith(".")
    assert "\n" not in text
    return text


def written(folder: Path, model: bytes, card: ModelCard) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(attach(model, card))
    return path


# ---- what it answers


@pytest.mark.parametrize("dtype", TYPES)
def test_logits_are_those_of_the_network(tmp_path: Path, dtype: str) -> None:
    classifier = Classifier(write_tiny(tmp_path / "tiny.tflite", dtype=dtype))
    logits = classifier.logits(FACES)
    assert logits.dtype == np.float32
    assert logits == pytest.approx(tiny_logits(FACES), abs=0.07 if dtype == "int8" else 1e-3)  # half a step is .0625


@pytest.mark.parametrize("dtype", TYPES)
def test_each_face_reads_as_it_was_drawn(tmp_path: Path, dtype: str) -> None:
    classifier = Classifier(write_tiny(tmp_path / "tiny.tflite", dtype=dtype))
    predictions = classifier.classify(FACES)
    assert [prediction.index for prediction in predictions] == list(range(len(LABELS)))
    for prediction in predictions:
        assert prediction.scores.shape == (len(LABELS),)
        assert prediction.scores.sum() == pytest.approx(1)


def test_faces_together_read_as_each_alone(tmp_path: Path) -> None:
    classifier = Classifier(write_tiny(tmp_path / "tiny.tflite"))
    faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    together = classifier.logits(faces)
    assert np.array_equal(together, np.concatenate([classifier.logits(face[np.newaxis]) for face in faces]))


def test_no_face_is_no_prediction(tmp_path: Path) -> None:
    classifier = Classifier(write_tiny(tmp_path / "tiny.tflite"))
    assert classifier.classify(FACES[:0]) == []
    assert classifier.logits(FACES[:0]).shape == (0, len(LABELS))


def test_the_temperature_softens_scores_and_keeps_the_order(tmp_path: Path) -> None:
    plain = Classifier(write_tiny(tmp_path / "plain.tflite")).classify(FACES)[0]
    soft = Classifier(write_tiny(tmp_path / "soft.tflite", temperature=4.0)).classify(FACES)[0]
    assert soft.scores.max() < plain.scores.max()
    assert soft.index == plain.index
    assert np.log(soft.scores[0] / soft.scores[1]) == pytest.approx(
        np.log(plain.scores[0] / plain.scores[1]) / 4, rel=1e-3
    )


def test_the_card_scales_the_pixels(tmp_path: Path) -> None:
    """A network taught on [-1, 1] says so in its card."""
    card = dataclasses.replace(tiny_card(dtype="float32"), input=InputSpec(48, offset=127.5, scale=1 / 127.5))
    classifier = Classifier(written(tmp_path, tiny_model(dtype="float32"), card))
    assert classifier.logits(FACES) == pytest.approx(2 * tiny_logits(FACES), abs=1e-2)  # its weights sum to 0


def test_other_labels_and_sizes(tmp_path: Path) -> None:
    card = tiny_card(("calm", "excited"), size=32)
    classifier = Classifier(written(tmp_path, tiny_model(2, size=32), card), threads=2)
    assert classifier.labels == ("calm", "excited")
    assert classifier.classify(tiny_face(1, count=2, size=32)[np.newaxis])[0].index == 1


@pytest.mark.parametrize("faces", [FACES[:, :40], FACES[0], FACES.astype(np.float32)])
def test_a_wrong_tensor_is_a_mistake_of_the_program(tmp_path: Path, faces: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"faces must be uint8 \(N, 48, 48\)"):
        Classifier(write_tiny(tmp_path / "tiny.tflite")).logits(faces)


def test_softmax_of_large_logits() -> None:
    assert softmax(np.array([[1000.0, 0.0, -1000.0]], np.float32)).tolist() == [[1.0, 0.0, 0.0]]


def test_loading_is_silent(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.tflite")
    script = (
        f"import pathlib; from device.inference.classifier import Classifier; Classifier(pathlib.Path({str(path)!r}))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")


# ---- what it refuses


def test_absent(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "absent.tflite")
    assert "cannot be read" in refusal(tmp_path)


def test_no_card(tmp_path: Path) -> None:
    (tmp_path / "bare.tflite").write_bytes(tiny_model())
    assert "no model card" in refusal(tmp_path / "bare.tflite")


def test_cut_short(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "cut.tflite")
    path.write_bytes(path.read_bytes()[:-100])
    assert "cut short" in refusal(path)


def test_a_card_on_half_a_model(tmp_path: Path) -> None:
    assert "cannot be loaded" in refusal(written(tmp_path, tiny_model()[:5000], tiny_card()))


def test_another_number_of_labels(tmp_path: Path) -> None:
    assert "names 7 labels" in refusal(written(tmp_path, tiny_model(5), tiny_card()))


def test_a_float_model_where_int8_is_promised(tmp_path: Path) -> None:
    assert "is float32" in refusal(written(tmp_path, tiny_model(dtype="float32"), tiny_card()))
    assert "the card says float32" in refusal(written(tmp_path, tiny_model(), tiny_card(dtype="float32")))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"input_scale": 1 / 128}, "its input has scale 0.00392157"),
        ({"input_zero_point": 0}, "the card says 0.00392157 and 0"),
        ({"output_scale": 0.25}, "its output has scale 0.125"),
        ({"output_zero_point": 7}, "the card says 0.125 and 7"),
    ],
)
def test_another_quantisation(tmp_path: Path, wrong: dict[str, float], told: str) -> None:
    spec = dataclasses.replace(tiny_card().quantisation, **wrong)  # type: ignore[arg-type]
    assert isinstance(spec, Quantisation)
    assert told in refusal(written(tmp_path, tiny_model(), tiny_card(quantisation=spec)))


def test_another_input(tmp_path: Path) -> None:
    assert "shape (1, 32, 32, 1)" in refusal(written(tmp_path, tiny_model(size=32), tiny_card()))
    assert "shape (1, 48, 48, 3)" in refusal(written(tmp_path, tiny_model(channels=3), tiny_card()))
