"""Evaluation of a trained row: scored, converted, timed and plotted; saved as its row.json."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
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
from trainer.compare.experiment_run import RESULT, TEST, Workspace, accuracies, epochs_of
from trainer.compare.predictions import TSNE_FACES, predict, predictions_of
from trainer.compare.result import ExperimentResult, Latency, ModelFile, Status, TestScores, history_from_json
from trainer.compare.studies import Experiment
from trainer.compare.untrained import untrained_result
from trainer.data.dataset import Dataset
from trainer.evaluation import latency, metrics, scoring
from trainer.evaluation.history import dynamics
from trainer.export.ptq import PlainFile, convert_plainly
from trainer.reporting import plots
from trainer.reporting.tables import percent

CALIBRATION_FACES = 100  # at most, and a tenth of Training; the calibration runs on slow kernels
PICTURES = ("learning", "confusion", "roc", "classes", "tsne")
LISTS = ("calibration", "risk_coverage")  # among the scores; too long for a table


def evaluate(row: Experiment, workspace: Workspace) -> ExperimentResult:
    """Score a trained row on the test faces, convert and time it, draw its plots, save the result.

    Raises:
        CheckpointError: its weights cannot be read, or were trained on other faces.
    """
    folder = workspace.folder_of(row)
    run = RunFolder(folder)
    predictions, epochs = predictions_of(folder, workspace.data, workspace.machine), run.metrics()
    known = untrained_result(row)
    result = replace(
        known,
        status=Status.EVALUATED,
        epochs=replace(known.epochs, done=epochs_of(epochs)),
        history=history_from_json(dynamics(epochs)),
        test=_scored(workspace.data, predictions.logits),
        curve=accuracies(epochs),
        test_seconds=predictions.seconds,
        trained_on=run.summary()["device"],
        file=_as_file(run, workspace, predictions.logits),
    )
    _draw(folder, result, predictions.logits, predictions.features, workspace.data)
    plots.save_picture(folder / "learning.png", plots.learning_curves(epochs, row.key, "validation"))
    return _saved(result, row, workspace)


def evaluate_file(row: Experiment, workspace: Workspace) -> ExperimentResult:
    """The same for a finished .tflite, which is scored as it is."""
    assert row.model is not None
    folder, images = workspace.folder_of(row), workspace.data[TEST].images
    folder.mkdir(parents=True, exist_ok=True)
    start = time.process_time()
    predictor = ModelFileReader(row.model)
    logits = predictor.logits(images)
    seconds = time.process_time() - start
    scores = _scored(workspace.data, logits, predictor.temperature)
    file = ModelFile(
        dtype=read_card(row.model).quantisation.dtype, bytes=row.model.stat().st_size,
        accuracy=scores.accuracy, seconds=seconds, latency=_latency(row.model),
    )  # fmt: skip
    result = replace(
        untrained_result(row), status=Status.EVALUATED, test=scores, file=file, model_digest=digest(row.model)
    )
    _draw(folder, result, logits, _features(row.model, workspace), workspace.data)
    return _saved(result, row, workspace)


def _saved(result: ExperimentResult, row: Experiment, workspace: Workspace) -> ExperimentResult:
    """The result with the faces that it is of, written to the row's folder."""
    data = workspace.data
    result = replace(
        result,
        faces=workspace.faces(), tested_on=workspace.tested_on, data=data.source, data_digest=data.digest,
    )  # fmt: skip
    write_text(workspace.folder_of(row) / RESULT, json.dumps(result.to_json(), indent=2) + "\n")
    return result


def _scored(data: Dataset, logits: NDArray[np.float32], temperature: float = 1.0) -> TestScores:
    """`scoring.single_view` of the test faces without its lists, with the studies' means."""
    scores = scoring.single_view(scoring.set_exam(data, TEST), logits, temperature)
    for part in (scores, scores["without_duplicates"] or {}):
        for name in LISTS:
            part.pop(name, None)
    return TestScores.from_json(scores | averages(scores["per_class"]))


def averages(per_class: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Precision and recall weighted by support, and the unweighted mean AUC."""
    rows = [values for values in per_class.values() if values["support"]]
    support = [values["support"] for values in rows]
    weighted = {
        f"weighted_{k}": float(np.average([v[k] for v in rows], weights=support)) for k in ("precision", "recall")
    }
    return weighted | {"mean_auc": float(np.mean([v["auc"] for v in rows if v["auc"] is not None]))}


def _as_file(run: RunFolder, workspace: Workspace, reference: NDArray[np.float32]) -> ModelFile:
    """The row as a .tflite with its scores and its cost; or why there is none."""
    if not run.best.is_file():
        return ModelFile(None, "its weights stayed on the machine that trained it")
    faces = min(CALIBRATION_FACES, math.ceil(len(workspace.data["training"]) / 10))
    try:
        converted = convert_plainly(load_checkpoint(run.best), workspace.data, faces, run.path)
    except EmotionEdgeError as error:
        return ModelFile(None, str(error))
    return _file_facts(converted, workspace, reference)


def _file_facts(converted: PlainFile, workspace: Workspace, reference: NDArray[np.float32]) -> ModelFile:
    test, start = workspace.data[TEST], time.process_time()
    logits = ModelFileReader(converted.path).logits(test.images)
    return ModelFile(
        dtype=converted.dtype,
        why_not=converted.why_not,
        gates_failed=tuple(f"{gate.name}: {gate.detail}" for gate in converted.gates if not gate.ok),
        bytes=converted.path.stat().st_size,
        accuracy=float((logits.argmax(1) == test.labels).mean()),
        agreement=float((logits.argmax(1) == reference.argmax(1)).mean()),
        seconds=time.process_time() - start,
        latency=_latency(converted.path),
    )


def _latency(path: Path) -> Latency:
    return Latency(**latency.measure(path))


def _features(path: Path, workspace: Workspace) -> NDArray[np.float32]:
    """Penultimate features of the network inside a .tflite."""
    model = load_network(path, workspace.data).model
    return predict(model, workspace.data[TEST].images[:TSNE_FACES], workspace.machine)[1]


def _draw(
    folder: Path, result: ExperimentResult, logits: NDArray[np.float32], features: NDArray[np.float32], data: Dataset
) -> None:
    """The row's plots, into its folder."""
    assert result.test is not None
    scores, labels = result.test.measured, data[TEST].labels
    title = f"{result.key}, test of {result.protocol}, n = {result.test.n:,}, {percent(result.test.accuracy)}"
    figures = {
        "confusion": plots.confusion(np.array(scores["confusion"]), title),
        "roc": plots.roc(metrics.softmax(logits), labels, title),
        "classes": compare_plots.classes(scores["per_class"], title),
        "tsne": plots.tsne(features, labels[: len(features)], title),
    }
    for name, figure in figures.items():
        plots.save_picture(folder / f"{name}.png", figure)
