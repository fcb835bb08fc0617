"""docs/training.md has the figures of `trainer evaluate --json` on the committed models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from device.inference.model_card import digest
from scripts.docs import scores as script
from scripts.docs.readme import replaced
from tests.support.tiny_models import write_tiny
from trainer.artifacts.predictor import open_reader
from trainer.data.dataset import Dataset
from trainer.data.fer2013 import toy_dataset
from trainer.evaluation import scoring

COMMITTED = sorted(script.KEPT.glob("*.json"))


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a model of its own and an empty place in docs/training.md."""
    for folder in ("device/models", "docs/pictures"):
        (tmp_path / folder).mkdir(parents=True)
    write_tiny(tmp_path / "device/models/tiny.tflite", parameters=1234, macs=5_000_000, temperature=1.5)
    (tmp_path / "docs/training.md").write_text("before\n<!-- scores-tiny:begin -->\n<!-- scores-tiny:end -->\nafter\n")
    for name in ("MODELS", "KEPT", "PICTURES", "TRAINING", "ROOT"):
        monkeypatch.setattr(script, name, tmp_path / getattr(script, name).relative_to(script.ROOT))
    return tmp_path


@pytest.fixture
def evaluated(house: Path) -> dict[str, Any]:
    """Scores of that model by `trainer evaluate`, on toy faces with some duplicates."""
    model = house / "device/models/tiny.tflite"
    toy = toy_dataset()
    faces = toy["public_test"].take(slice(0, 60))
    exam = scoring.set_exam(Dataset({"training": faces.take(slice(0, 7)), "public_test": faces}, "toy"), "public_test")
    reader = open_reader(model)
    read = scoring.reading(reader, model)
    logits = read(faces.images)
    origin = {"model": str(model), "model_digest": digest(model), "data": "/somewhere/private/fer2013.csv"}
    found = origin | scoring.single_view(exam, logits, reader.temperature)
    found["tta"] = scoring.several_views(exam, read, reader.temperature, 2)
    found["corruptions"] = scoring.corrupted(read, faces.take(slice(0, 4)), 0)
    found["against"] = {"model": "/somewhere/private/old.tflite"} | scoring.against(exam, logits, logits)
    return found


def written(path: Path, values: dict[str, Any]) -> str:
    path.write_text(json.dumps(values))
    return str(path)


def test_the_figures_arrive_in_the_page(house: Path, evaluated: dict[str, Any], tmp_path: Path) -> None:
    fer = {"against": evaluated["against"] | {"model": "fer==1"}}
    script.main(written(tmp_path / "s.json", evaluated), written(tmp_path / "f.json", fer))
    text = (house / "docs/training.md").read_text()
    assert text.startswith("before\n<!-- scores-tiny:begin -->\n`device/models/tiny.tflite`") and text.endswith(
        "after\n"
    )
    assert "1,234 parameters, 5.0 M multiply-adds" in text
    accuracy, apart = evaluated["accuracy"], evaluated["without_duplicates"]["accuracy"]
    ten = evaluated["tta"]["ten_views"]
    columns = [accuracy, apart] + [
        v for view in evaluated["tta"].values() for v in (view["accuracy"], view["without_duplicates"]["accuracy"])
    ]
    assert f"| accuracy | {' | '.join(f'{100 * share:.2f} %' for share in columns)} |" in text
    assert "10 views, new" in text and ten["views"] == 10
    assert "| temperature | 1.0000 | 1.5000 | 1.0000 | 1.5000 |" in text
    assert "### Against old.tflite" in text and "### Against fer==1" in text
    assert f"| the other | {100 * accuracy:.2f} % | {100 * apart:.2f} % |" in text
    assert "| difference, points | +0.00 | +0.00 |" in text and "| McNemar's p, exact | 1.0000 | 1.0000 |" in text
    assert "No significant difference: p = 1.0000 on 60 faces" in text
    for name in ("reliability", "coverage"):
        assert f"(pictures/tiny-{name}.png)" in text
        assert cv2.imread(str(house / f"docs/pictures/tiny-{name}.png")) is not None


def test_what_is_kept_says_everything_but_the_machine(house: Path, evaluated: dict[str, Any], tmp_path: Path) -> None:
    script.main(written(tmp_path / "s.json", evaluated))
    text = (house / "docs/scores/tiny.json").read_text()
    assert "private" not in text and str(tmp_path) not in text
    kept = json.loads(text)
    assert (kept["model"], kept["data"]) == ("device/models/tiny.tflite", "fer2013.csv")
    assert {key for key in kept if kept[key] != evaluated[key]} == {"model", "data", "against"}
    assert script.markdown(kept) in (house / "docs/training.md").read_text()


def test_figures_of_another_file_are_refused(house: Path, evaluated: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"another tiny\.tflite"):
        script.main(written(tmp_path / "s.json", evaluated | {"model_digest": "0"}))
    (house / "docs/training.md").write_text("no place\n")
    with pytest.raises(SystemExit, match="no markers for them"):
        script.main(written(tmp_path / "s.json", evaluated))
    assert not (house / "docs/scores").exists()


@pytest.mark.parametrize("file", COMMITTED, ids=lambda path: path.stem)
def test_the_committed_page_is_current(file: Path) -> None:
    scores, page = json.loads(file.read_text()), script.TRAINING.read_text()
    model = script.ROOT / scores["model"]
    assert digest(model) == scores["model_digest"], f"{model.name} has changed: run scripts/docs/score"
    assert replaced(page, f"scores-{file.stem}", script.markdown(scores)) == page, "run scripts/docs/score"
    for name in ("reliability", "coverage"):
        assert (script.PICTURES / f"{file.stem}-{name}.png").is_file()
