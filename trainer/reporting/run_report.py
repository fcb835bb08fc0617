"""The report on one run: its scores as tables in Markdown, and its plots."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from device.inference.model_card import InputSpec
from device.inference.preprocess import to_input
from trainer.artifacts.checkpoint import load_checkpoint
from trainer.artifacts.run_dir import RunFolder, write_text
from trainer.data.dataset import SIDE, FaceSet, fixed_sample
from trainer.data.fer2013 import load_dataset
from trainer.data.ferplus import labels_kind
from trainer.errors import CheckpointError
from trainer.evaluation import metrics
from trainer.reporting import plots, tables

FOLDER = "report"
TSNE_FACES = 1500  # more make the plane no clearer, and take minutes
PICTURES = {
    "learning.png": "Learning curves",
    "confusion.png": "Confusion matrix",
    "roc.png": "ROC of each emotion against all others",
    "reliability.png": "Reliability of its confidence, before and after the temperature",
    "risk-coverage.png": "Risk and coverage: accuracy on its most confident faces",
    "corruptions.png": "Accuracy on corrupted faces",
    "tsne.png": "Penultimate features, by t-SNE",
    "worst.png": "Its most confident mistakes (faces of people: do not publish this picture)",
}


def write_report(folder: RunFolder, split: str, data: str | None) -> tuple[Path, list[Path]]:
    """Draw and write everything into the run's folder `report`.

    Args:
        folder: of the run.
        split: the evaluated faces.
        data: the data set; None for the one that was evaluated.

    Returns:
        The paths of the Markdown and of the pictures.

    Raises:
        CheckpointError: the split was not evaluated, or on other faces.
    """
    scores, logits = evaluated(folder, split)
    faces = load_dataset(data or scores["data"], labels_kind(tuple(scores["per_class"])))[split]
    if len(faces) != len(logits):
        raise CheckpointError(
            f"{folder.path}: the scores are of {len(logits)} faces, the data has {len(faces)}; evaluate again."
        )
    out = folder.path / FOLDER
    out.mkdir(exist_ok=True)
    drawn = draw(out, folder, scores, logits, faces)
    write_text(out / "report.md", markdown(folder, scores, drawn))
    return out / "report.md", [out / name for name in drawn]


def evaluated(folder: RunFolder, split: str) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """The scores and logits (N, K) of `trainer evaluate`; of the .tflite, or of the checkpoint.

    Raises:
        CheckpointError: the split was not evaluated, or its files are damaged.
    """
    for stem in ("emotion", "best"):
        table, values = (folder.path / f"{stem}-{split}.{kind}" for kind in ("json", "npz"))
        if table.is_file() and values.is_file():
            try:
                with np.load(values) as arrays:
                    return _current(json.loads(table.read_text())), arrays["logits"]
            except (ValueError, KeyError, OSError) as error:
                raise CheckpointError(f"{table}: the scores cannot be read ({error}); evaluate again.") from error
    raise CheckpointError(f"{folder.path}: nothing was evaluated on {split}; run `trainer evaluate` first.")


def _current(scores: dict[str, Any]) -> dict[str, Any]:
    """The scores; ValueError where an older version wrote them and a plot would lack figures."""
    if not {"calibration", "risk_coverage", "aurc"} <= set(scores):
        raise ValueError("they are of an older version")
    return scores


def coverage_curves(scores: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The risk-coverage curves in the scores, by name of the faces."""
    curves = {"all faces": scores["risk_coverage"]}
    if scores["without_duplicates"]:
        curves["without duplicates of Training"] = scores["without_duplicates"]["risk_coverage"]
    return curves


def draw(
    out: Path, folder: RunFolder, scores: dict[str, Any], logits: NDArray[np.float32], faces: FaceSet
) -> list[str]:
    """Draw every plot for which there are figures into `out`; their names."""
    title = f"{Path(scores['model']).name}, {scores['split']}, n = {scores['n']:,}, {100 * scores['accuracy']:.2f} %"
    values = metrics.softmax(logits, scores["temperature"])
    chosen = fixed_sample(len(faces), TSNE_FACES)
    figures = {
        "learning.png": plots.learning_curves(folder.metrics(), folder.path.name),
        "confusion.png": plots.confusion(np.array(scores["confusion"]), title, faces.names),
        "roc.png": plots.roc(values, faces.labels, title, faces.names),
        "reliability.png": plots.reliability(scores["calibration"], title),
        "risk-coverage.png": plots.risk_coverage(coverage_curves(scores), title),
        "tsne.png": plots.tsne(features(folder, faces.images[chosen]), faces.labels[chosen], title, faces.names),
        "worst.png": plots.worst_mistakes(faces, values, title),
    }
    if "corruptions" in scores:
        figures["corruptions.png"] = plots.corruptions(scores["corruptions"], title)
    for name, figure in figures.items():
        plots.save_picture(out / name, figure)
    return [name for name in PICTURES if name in figures]


def features(folder: RunFolder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Penultimate features (N, C) of the run's best weights for faces (N, S, S)."""
    trunk = load_checkpoint(folder.best).model.trunk
    inputs = torch.from_numpy(to_input(images, InputSpec(SIDE))).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return torch.cat([trunk(part) for part in inputs.split(256)]).numpy()


def markdown(folder: RunFolder, scores: dict[str, Any], names: Iterable[str]) -> str:
    """The run's report as Markdown, with its tables and plots."""
    parts = [f"# {folder.path.name}", _origin(folder, scores)]
    for table in tables.tables(scores):
        parts += [f"## {table.title[0].upper()}{table.title[1:]}", table.markdown()]
    parts += [f"## {PICTURES[name]}\n\n![{PICTURES[name]}]({name})" for name in names]
    return "\n\n".join(parts) + "\n"


def _origin(folder: RunFolder, scores: dict[str, Any]) -> str:
    summary = folder.summary()
    trained = f" {summary['epochs']} epochs in {summary['seconds']:,.0f} s on {summary['device']}." if summary else ""
    teachers = "".join(f"\n- teacher: {name}" for name in summary.get("teachers", []))
    return f"`{Path(scores['model']).name}` on {scores['split']}: **{tables.headline(scores)}**.{trained}{teachers}"
