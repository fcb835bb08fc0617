"""Checkpoints: written atomically, and loaded without running any code in them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from device.config.loader import from_dict, to_dict
from device.errors import ConfigError, unreadable_as
from trainer.artifacts.run_dir import replacing
from trainer.artifacts.small_weights import restore, shrink
from trainer.config import TrainConfig
from trainer.errors import CheckpointError, RunError
from trainer.models import ExpressionNet, build_student, build_study, build_teacher

FORMAT, VERSION = "emotion-edge", 1


@dataclass(frozen=True)
class Checkpoint:
    """A network with its weights and their origin.

    Attributes:
        model: in eval mode, on the CPU.
        kind: "teacher", "student" or "study".
        epoch: finished epochs when the weights were taken.
        metrics: of that epoch.
        data_digest: of the data set it was trained on.
        teachers: names of its teachers.
        training: the state that `--resume` needs; empty in a best.pt.
    """

    model: ExpressionNet
    kind: str
    labels: tuple[str, ...]
    config: TrainConfig
    epoch: int
    metrics: dict[str, Any]
    data_digest: str
    teachers: tuple[str, ...]
    training: dict[str, Any]


def build(kind: str, config: TrainConfig, classes: int, votes: int) -> ExpressionNet:
    """A new network of a kind."""
    if kind == "teacher":
        return build_teacher(config.teacher, classes, votes)
    if kind == "study":
        return build_study(config.study, classes, votes)
    return build_student(config.student, classes, votes)


def save_checkpoint(path: Path, checkpoint: Checkpoint, weights: Mapping[str, Any]) -> None:
    """Write a checkpoint with the given weights.

    Raises:
        RunError: the file cannot be written (disk full); the old file stays.
    """
    votes = weights.get("votes.weight")
    content = {
        "format": FORMAT,
        "version": VERSION,
        "kind": checkpoint.kind,
        "labels": list(checkpoint.labels),
        "votes": 0 if votes is None else len(votes),
        "config": to_dict(checkpoint.config),
        "epoch": checkpoint.epoch,
        "metrics": checkpoint.metrics,
        "data_digest": checkpoint.data_digest,
        "teachers": list(checkpoint.teachers),
        "weights": dict(weights),
        "training": checkpoint.training,
    }
    save_tensors(path, content, "the checkpoint")


def save_tensors(path: Path, content: object, what: str) -> None:
    """Write tensors to a file atomically.

    Args:
        path: of the file.
        content: what `torch.save` can write.
        what: the file in words, for the error.

    Raises:
        RunError: the file cannot be written (disk full); the old file stays.
    """
    try:
        with replacing(path) as temporary:
            torch.save(content, temporary)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as either
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "is the disk full?"
        raise RunError(f"{path}: {what} cannot be written: {reason}; the old file stays.") from error


def save_small(source: Path, target: Path) -> None:
    """Write a checkpoint again with int8 weights, without the state of the optimizer.

    A run that is resumed from it goes on after its last epoch, from the averaged weights.

    Raises:
        CheckpointError: the source cannot be read.
        RunError: the target cannot be written.
    """
    content = _content(source)
    progress = content["training"].get("progress")
    kept = {"progress": progress | {"best": -1.0}} if progress else {}  # its best.pt stays behind
    save_tensors(target, content | {"weights": shrink(content["weights"]), "training": kept}, "the small checkpoint")


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: the file is missing, truncated or of another format, or its weights do
            not fit the architecture in its config.
    """
    content = _content(path)
    try:
        config = from_dict(TrainConfig, content["config"], "trainer", str(path))
        model = build(content["kind"], config, len(content["labels"]), content["votes"])
        model.load_state_dict(restore(content["weights"]))
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path}: a part of the checkpoint is missing or damaged: {error}.") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{path}: the weights do not fit the architecture in the checkpoint: {reason}") from error
    return Checkpoint(
        model=model.eval(),
        kind=content["kind"],
        labels=tuple(content["labels"]),
        config=config,
        epoch=content["epoch"],
        metrics=content["metrics"],
        data_digest=content["data_digest"],
        teachers=tuple(content["teachers"]),
        training=content["training"],
    )


def _content(path: Path) -> dict[str, Any]:
    with unreadable_as(CheckpointError, path, "the checkpoint"):
        if path.exists() and not path.is_file():  # a pipe would block
            raise CheckpointError(
                f"{path}: this is no file; name a checkpoint, or a run folder where one is asked for."
            )
        data = path.read_bytes()
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load of a damaged file raises many types
        raise CheckpointError(f"{path}: this is not a checkpoint of this trainer, or it is truncated.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path}: this checkpoint was not written by `trainer teacher` or `trainer distill`.")
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: the checkpoint has version {content.get('version')!r}, this trainer reads {VERSION}."
        )
    return content
