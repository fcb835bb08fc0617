"""All that is known of a finished row: read, converted, timed and drawn; kept in its folder's row.json."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.errors import EmotionEdgeError
from device.inference.model_card import digest, read_card
from trainer.artifacts.checkpoint import load_checkpoint
from trainer.artifacts.loading import load_network
from trainer.artifacts.predictor import ModelFileReader
from trainer.artifacts.run_dir import RunFolder, write_text
from trainer.compare import plots as compare_plots
from trainer.compare.experiment_run import RESULT, TEST, Workspace, accuracies, facts
from trainer.compare.predictions import TSNE_FACES, read, reading_of
from trainer.compare.studies import Experiment
from trainer.data.dataset import Dataset
from trainer.evaluation import latency, metrics, scoring
from trainer.evaluation.history import dynamics
from trainer.export.ptq import Converted, convert_plainly
from trainer.reporting import plots

CALIBRATION_FACES = 100  # at most, and a tenth of Training; the graph runs on slow kernels while they are read
PICTURES = ("learning", "confusion", "roc", "classes", "tsne")
LISTS = ("calibration", "risk_coverage")  # of what is scored; too long for a table


def examine(row: Experiment, bench: Workspace) -> dict[str, Any]:
    """Read the test faces with a finished row, convert and time it, draw its pictures, keep it all in its folder.

    Raises:
        CheckpointError: its weights cannot be read, or were taught on other faces.
    """
    folder, run = bench.of(row), RunFolder(bench.of(row))
    reading, epochs = reading_of(folder, bench.data, bench.machine), run.metrics()
    result = facts(row) | {
        "state": "trained",
        "dynamics": dynamics(epochs),
        "test": _scored(bench.data, reading.logits),
    }
    result["epochs"]["done"] = len(epochs)
    result |= {
        "curve": accuracies(epochs),
        "test_seconds": reading.seconds,
        "taught_on": run.summary()["device"],
        "file": _as_file(run, bench, reading.logits),
    }
    _draw(folder, result, reading.logits, reading.features, bench.data)
    plots.save_picture(folder / "learning.png", plots.learning_curves(epochs, row.key, "validation"))
    return _kept(result, row, bench)


def examine_model(row: Experiment, bench: Workspace) -> dict[str, Any]:
    """The same for a finished file, which is read as it is."""
    assert row.model is not None
    folder, images = bench.of(row), bench.data[TEST].images
    folder.mkdir(parents=True, exist_ok=True)
    began = time.process_time()
    reader = ModelFileReader(row.model)
    logits = reader.logits(images)
    seconds, card = time.process_time() - began, read_card(row.model)
    scores = _scored(bench.data, logits, reader.temperature)
    file = {"dtype": card.quantisation.dtype, "bytes": row.model.stat().st_size, "accuracy": scores["accuracy"]}
    file |= {"seconds": seconds, "why_not": "", "gates_failed": [], "latency": latency.measure(row.model)}
    result = facts(row) | {"state": "trained", "test": scores, "file": file, "model_digest": digest(row.model)}
    _draw(folder, result, logits, _recovered(row.model, bench), bench.data)
    return _kept(result, row, bench)


def _kept(result: dict[str, Any], row: Experiment, bench: Workspace) -> dict[str, Any]:
    result |= {
        "faces": bench.faces(),
        "tested_on": bench.tested_on,
        "data": bench.data.source,
        "data_digest": bench.data.digest,
    }
    write_text(bench.of(row) / RESULT, json.dumps(result, indent=2) + "\n")
    return result


def _scored(data: Dataset, logits: NDArray[np.float32], temperature: float = 1.0) -> dict[str, Any]:
    """`scoring.single_view` of the test faces without its lists, and the means that the studies give."""
    scores = scoring.single_view(scoring.set_exam(data, TEST), logits, temperature)
    for part in (scores, scores["without_duplicates"] or {}):
        for name in LISTS:
            part.pop(name, None)
    return scores | averages(scores["per_class"])


def averages(per_class: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Precision and recall, each emotion by its number of faces, and the plain mean of the areas under the curve."""
    rows = [values for values in per_class.values() if values["support"]]
    support = [values["support"] for values in rows]
    weighted = {
        f"weighted_{k}": float(np.average([v[k] for v in rows], weights=support)) for k in ("precision", "recall")
    }
    return weighted | {"mean_auc": float(np.mean([v["auc"] for v in rows if v["auc"] is not None]))}


def _as_file(run: RunFolder, bench: Workspace, reference: NDArray[np.float32]) -> dict[str, Any]:
    """The row as a .tflite: what became of it, how it reads, what it costs; or why there is none."""
    if not run.best.is_file():
        return {"dtype": None, "why_not": "its weights stayed where it was taught", "gates_failed": []}
    faces = min(CALIBRATION_FACES, math.ceil(len(bench.data["training"]) / 10))
    try:
        converted = convert_plainly(load_checkpoint(run.best), bench.data, faces, run.path)
    except EmotionEdgeError as error:
        return {"dtype": None, "why_not": str(error), "gates_failed": []}
    return _file_facts(converted, bench, reference)


def _file_facts(converted: Converted, bench: Workspace, reference: NDArray[np.float32]) -> dict[str, Any]:
    test, began = bench.data[TEST], time.process_time()
    logits = ModelFileReader(converted.path).logits(test.images)
    return {
        "dtype": converted.dtype,
        "bytes": converted.path.stat().st_size,
        "accuracy": float((logits.argmax(1) == test.labels).mean()),
        "agreement": float((logits.argmax(1) == reference.argmax(1)).mean()),
        "seconds": time.process_time() - began,
        "why_not": converted.why_not,
        "gates_failed": [f"{gate.name}: {gate.detail}" for gate in converted.gates if not gate.ok],
        "latency": latency.measure(converted.path),
    }


def _recovered(path: Path, bench: Workspace) -> NDArray[np.float32]:
    """Penultimate features of the network inside a .tflite."""
    model = load_network(path, bench.data).model
    return read(model, bench.data[TEST].images[:TSNE_FACES], bench.machine)[1]


def _draw(
    folder: Path, result: dict[str, Any], logits: NDArray[np.float32], features: NDArray[np.float32], data: Dataset
) -> None:
    """The row's pictures, into its folder."""
    scores, labels = result["test"], data[TEST].labels
    title = f"{result['key']}, test of {result['protocol']}, n = {scores['n']:,}, {100 * scores['accuracy']:.2f} %"
    figures = {
        "confusion": plots.confusion(np.array(scores["confusion"]), title),
        "roc": plots.roc(metrics.softmax(logits), labels, title),
        "classes": compare_plots.classes(scores["per_class"], title),
        "tsne": plots.tsne(features, labels[: len(features)], title),
    }
    for name, figure in figures.items():
        plots.save_picture(folder / f"{name}.png", figure)
