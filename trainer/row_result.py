"""All that is known of a finished row: read, converted, timed and drawn; kept in its folder's row.json."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from device.errors import EmotionEdgeError
from device.model_card import InputSpec, digest, read_card
from device.preprocess import to_input
from trainer import compare_pictures, latency, metrics, pictures, scoring
from trainer.checkpoint import Checkpoint, load_checkpoint
from trainer.config import TrainConfig
from trainer.dataset import SIDE, Dataset
from trainer.dynamics import dynamics
from trainer.errors import CheckpointError
from trainer.learner import pick_device
from trainer.lessons import channels_last
from trainer.models import ExpressionNet
from trainer.networks import load_network
from trainer.post_training import Converted, convert_plainly
from trainer.reader import ModelFileReader
from trainer.row_run import RESULT, TEST, Bench, accuracies, facts
from trainer.runs import RunFolder, write_text
from trainer.studies import Row

BATCH = 256  # faces at once; bounds memory, changes no result
CALIBRATION_FACES = 100  # of Training; the graph runs on slow kernels while they are read
TSNE_FACES = 1500  # more make the plane no clearer, and take minutes
PICTURES = ("learning", "confusion", "roc", "classes", "tsne")
LISTS = ("calibration", "risk_coverage")  # of what is scored; too long for a table


def examine(row: Row, bench: Bench) -> dict[str, Any]:
    """Read the test faces with a finished row, convert and time it, draw its pictures, keep it all in its folder.

    Raises:
        CheckpointError: its weights cannot be read, or were taught on other faces.
    """
    folder, run = bench.of(row), RunFolder(bench.of(row))
    checkpoint = load_checkpoint(run.best)
    if checkpoint.data_digest != bench.data.digest:
        raise CheckpointError(f"{folder}: it was taught on other faces; name another folder with --out, or delete it.")
    began = time.perf_counter()
    logits, features = read(load_checkpoint(run.best).model, bench.data[TEST].images, bench.machine)
    seconds = time.perf_counter() - began
    scores = _scored(bench.data, logits)
    result = facts(row) | {"state": "trained", "dynamics": dynamics(run.metrics()), "test": scores}
    result["curve"] = accuracies(run.metrics())
    result["epochs"]["done"] = len(run.metrics())
    result |= {
        "test_seconds": seconds,
        "taught_on": run.summary()["device"],
        "file": _as_file(checkpoint, bench, folder, logits),
    }
    _draw(folder, result, logits, features, bench.data)
    pictures.save_picture(folder / "learning.png", pictures.learning_curves(run.metrics(), row.key, "validation"))
    return _kept(result, row, bench)


def examine_model(row: Row, bench: Bench) -> dict[str, Any]:
    """The same for a finished file, which is read as it is."""
    assert row.model is not None
    folder, images = bench.of(row), bench.data[TEST].images
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    reader = ModelFileReader(row.model)
    logits = reader.logits(images)
    seconds, card = time.perf_counter() - began, read_card(row.model)
    scores = _scored(bench.data, logits, reader.temperature)
    file = {"dtype": card.quantisation.dtype, "bytes": row.model.stat().st_size, "accuracy": scores["accuracy"]}
    file |= {"seconds": seconds, "why_not": "", "gates_failed": [], "latency": latency.measure(row.model)}
    result = facts(row) | {"state": "trained", "test": scores, "file": file, "model_digest": digest(row.model)}
    _draw(folder, result, logits, _recovered(row.model, bench), bench.data)
    return _kept(result, row, bench)


def _kept(result: dict[str, Any], row: Row, bench: Bench) -> dict[str, Any]:
    result |= {
        "faces": bench.faces(),
        "tested_on": bench.tested_on,
        "data": bench.data.source,
        "data_digest": bench.data.digest,
    }
    write_text(bench.of(row) / RESULT, json.dumps(result, indent=2) + "\n")
    return result


def read(
    model: ExpressionNet, images: NDArray[np.uint8], machine: TrainConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (N, K) of faces (N, S, S), and the penultimate features (M, C) of the first ones, for a picture.

    Read on the device that teaches, in bfloat16 where the settings say so, as the epochs were judged.
    """
    device = pick_device(machine)
    model = model.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    logits, features = [], []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=machine.bf16):
        for start in range(0, len(images), BATCH):
            part = torch.from_numpy(to_input(images[start : start + BATCH], InputSpec(SIDE))).permute(0, 3, 1, 2)
            seen = model.trunk(channels_last(part).to(device))
            logits.append(model.head(seen).float().cpu().numpy())
            if start < TSNE_FACES:
                features.append(seen.float().cpu().numpy())
    return np.concatenate(logits), np.concatenate(features)[:TSNE_FACES]


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


def _as_file(checkpoint: Checkpoint, bench: Bench, folder: Path, reference: NDArray[np.float32]) -> dict[str, Any]:
    """The row as a .tflite: what became of it, how it reads, what it costs; or why there is none."""
    try:
        converted = convert_plainly(checkpoint, bench.data, CALIBRATION_FACES, folder)
    except EmotionEdgeError as error:
        return {"dtype": None, "why_not": str(error), "gates_failed": []}
    return _file_facts(converted, bench, reference)


def _file_facts(converted: Converted, bench: Bench, reference: NDArray[np.float32]) -> dict[str, Any]:
    test, began = bench.data[TEST], time.perf_counter()
    logits = ModelFileReader(converted.path).logits(test.images)
    return {
        "dtype": converted.dtype,
        "bytes": converted.path.stat().st_size,
        "accuracy": float((logits.argmax(1) == test.labels).mean()),
        "agreement": float((logits.argmax(1) == reference.argmax(1)).mean()),
        "seconds": time.perf_counter() - began,
        "why_not": converted.why_not,
        "gates_failed": [f"{gate.name}: {gate.detail}" for gate in converted.gates if not gate.ok],
        "latency": latency.measure(converted.path),
    }


def _recovered(path: Path, bench: Bench) -> NDArray[np.float32]:
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
        "confusion": pictures.confusion(np.array(scores["confusion"]), title),
        "roc": pictures.roc(metrics.softmax(logits), labels, title),
        "classes": compare_pictures.classes(scores["per_class"], title),
        "tsne": pictures.tsne(features, labels[: len(features)], title),
    }
    for name, figure in figures.items():
        pictures.save_picture(folder / f"{name}.png", figure)
