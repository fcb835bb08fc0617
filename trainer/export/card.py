"""The model card: facts on a network, then its scores on PublicTest."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.inference.model_card import CropMargin, InputSpec, ModelCard, Quantisation
from trainer.artifacts.checkpoint import Checkpoint
from trainer.data.dataset import SIDE, Dataset, duplicate_mask
from trainer.evaluation import metrics
from trainer.models import count_macs, count_parameters

INPUT = InputSpec(SIDE)
FLOAT = Quantisation("float32", 1.0, 0, 1.0, 0)
HEADLINE = ("n", "accuracy", "macro_f1", "weighted_f1", "top5", "ece", "nll")
NOTES = (
    "It reads the expression that a face shows, not what the person feels. FER2013 carries no demographic labels: how"
    " well the reading holds for different groups of people is unknown."
)


def blank_card(checkpoint: Checkpoint, dataset: Dataset) -> ModelCard:
    """A float32 network's card without any measurement."""
    now = datetime.now(UTC)
    return ModelCard(
        name=f"emotion-{checkpoint.kind}",
        version=now.strftime("%Y%m%d.%H%M%S"),
        labels=checkpoint.labels,
        input=INPUT,
        quantisation=FLOAT,
        parameters=count_parameters(checkpoint.model),
        macs=count_macs(checkpoint.model, SIDE),
        teachers=checkpoint.teachers,
        data=Path(dataset.source).name,
        data_digest=checkpoint.data_digest,
        git_revision=git_revision(),
        created=now.isoformat(timespec="seconds"),
        notes=NOTES,
    )


def with_quantisation(card: ModelCard, interpreter: Any) -> ModelCard:
    """The card with the scales and zero points that the int8 file has at its input and output."""
    scale_in, zero_in = interpreter.get_input_details()[0]["quantization"]
    scale_out, zero_out = interpreter.get_output_details()[0]["quantization"]
    values = (float(scale_in), int(zero_in), float(scale_out), int(zero_out))
    return replace(card, quantisation=Quantisation("int8", *values))


def with_measurements(card: ModelCard, logits: NDArray[np.float32], dataset: Dataset, margin: CropMargin) -> ModelCard:
    """The card with temperature, operating point and scores, all found on PublicTest.

    Args:
        logits: (N, K), of this very file on the faces of PublicTest.
    """
    faces = dataset["public_test"]
    temperature = metrics.fit_temperature(logits, faces.labels)
    scores = metrics.softmax(logits, temperature)
    new = ~duplicate_mask(faces, dataset["training"])
    entries = [_entry("one view, the whole face", scores, faces.labels, card.labels)]
    if new.any() and not new.all():
        protocol = "one view, the whole face; without faces that stand in Training"
        entries.append(_entry(protocol, scores[new], faces.labels[new], card.labels))
    point = metrics.operating_point(scores, faces.labels)
    return replace(card, temperature=temperature, operating_point=point, metrics=tuple(entries), crop_margin=margin)


def _entry(
    protocol: str, scores: NDArray[np.float64], labels: NDArray[np.int64], names: tuple[str, ...]
) -> dict[str, Any]:
    summary = metrics.summarise(scores, labels, names)
    return {"split": "public_test", "protocol": protocol} | {key: summary[key] for key in HEADLINE}


def git_revision() -> str:
    """The commit of this code, with "-dirty" after a change; empty outside a git checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
