"""Views that the teachers classify once, for all epochs and for all runs with the same settings.

This saves the teachers' time at every epoch, and each teacher output still belongs to the very view
that the student sees. (Beyer et al. 2021, arXiv:2106.05237, run the teachers at every step.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from device.config.loader import to_dict
from trainer.artifacts.checkpoint import save_tensors
from trainer.artifacts.loading import fingerprint
from trainer.config import FitConfig, TrainConfig
from trainer.errors import RunError
from trainer.training.batches import Batch, Views, channels_last
from trainer.training.distributed import ALONE, ProcessGroup

CHUNK = 512  # faces that are drawn, and classified by the teachers, at once

# Every setting is part of the key, a new one too. These cannot change a view or a teacher's output:
NOT_IN_KEY = {
    TrainConfig: {
        *("data", "distill", "teacher", "student", "study"),  # in the key as digest, parts or fingerprints
        *("runs", "threads", "compile", "checkpoint_s"),  # where files lie, how fast it runs
        *("convert", "evaluate"),  # come after training
    },
    FitConfig: {
        *("start", "epochs", "batch_size", "optimizer", "lr", "momentum", "weight_decay"),  # of the student
        *("schedule", "warmup_epochs", "plateau_epochs", "plateau_factor", "patience_epochs", "ema"),
        *("class_weights", "bias_from_frequencies", "seed"),
        "votes_weight",  # in the key as whether there are votes
    },
}
NOT_IN_DISTILL_KEY = {"kl_weight", "dist_weight", "teachers"}  # weights of the loss; fingerprints


def views_key(config: TrainConfig, fit: FitConfig, digest: str, votes: bool, teachers: Sequence[nn.Module]) -> str:
    """A name for a set of cached views.

    Two runs with the same key draw the same views and get the same teacher outputs.

    Args:
        config: of the run.
        fit: the training settings of the run's own network.
        digest: of the data set.
        votes: whether the views carry FER+ votes.
        teachers: the networks.

    Returns:
        Twelve hexadecimal digits.
    """
    parts = {
        "config": _without(config, NOT_IN_KEY[TrainConfig]),
        "fit": _without(fit, NOT_IN_KEY[FitConfig]),
        "distill": _without(config.distill, NOT_IN_DISTILL_KEY),
        "faces": digest,
        "votes": votes,
        "teachers": [fingerprint(teacher) for teacher in teachers],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _without(config: Any, names: set[str]) -> dict[str, Any]:
    assert names <= {field.name for field in fields(config)}, "a setting that is left out does not exist"
    return {name: value for name, value in to_dict(config).items() if name not in names}


class CachedViews:
    """A number of views of every face, each with the teachers' output; epochs use them in turn.

    They lie on the training device, at 2.4 kB a view, with pixels rounded to whole grey levels as a
    camera gives them.

    Args:
        parts: "faces" uint8 (T, N, 1, S, S), "targets" and "teacher_shares" (T, N, K), and where
            there are votes "votes" (T, N, V), in half precision, on the training device.
        mirrored: teacher outputs are the mean over a view and its mirror image, so either is used.
        generator: for the choice between the two, on that device.
    """

    def __init__(self, parts: dict[str, Tensor], mirrored: bool, generator: torch.Generator) -> None:
        self.parts, self.mirrored, self.generator = parts, mirrored, generator

    def batch(self, epoch: int, index: Tensor) -> Batch:
        """The views of the faces at `index` (N,) in an epoch."""
        part = {name: values[epoch % len(values)][index] for name, values in self.parts.items()}
        faces = part.pop("faces").float() / 255
        if self.mirrored:
            chance = torch.rand(len(faces), generator=self.generator, device=faces.device).view(-1, 1, 1, 1)
            faces = torch.where(chance < 0.5, faces.flip(3), faces)
        return Batch(channels_last(faces), **{name: values.float() for name, values in part.items()})


def draw_views(
    views: Views, count: int, classify: Callable[[Tensor], Tensor], on_done: Callable[[int], None]
) -> dict[str, Tensor]:
    """Draw the parts of `CachedViews`.

    Args:
        views: the source.
        count: number of views of each face.
        classify: the teachers' softened shares (N, K) of faces (N, 1, S, S).
        on_done: called with the number of views of each face that are done.
    """
    faces = len(views.labels)
    parts: dict[str, Tensor] = {}
    for number in range(count):
        views.seed(number)
        order = views.order()
        chunk = min(CHUNK, faces)
        for index in torch.cat([order, order[: -faces % chunk]]).split(chunk):  # all of one size: compiles once
            for name, values in _classified(views.batch(index), classify).items():
                if name not in parts:
                    parts[name] = values.new_empty((count, faces, *values.shape[1:]))
                parts[name][number, index] = values
        on_done(number + 1)
    return parts


def _classified(batch: Batch, classify: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    parts = {
        "faces": (batch.faces * 255).round().to(torch.uint8),
        "targets": batch.targets.half(),
        "teacher_shares": classify(batch.faces).half(),
    }
    return parts if batch.votes is None else parts | {"votes": batch.votes.half()}


def load_or_draw(
    path: Path, draw: Callable[[], dict[str, Tensor]], device: torch.device, group: ProcessGroup = ALONE
) -> dict[str, Tensor]:
    """The parts of `CachedViews` from a file; if it is missing, they are drawn and saved there.

    Raises:
        RunError: the file cannot be written or read.
    """
    if group.first(path.is_file):
        return _load(path, device)
    parts = draw()
    if group.leads:
        save_tensors(path, parts, "the file of cached views")
    return parts


def _load(path: Path, device: torch.device) -> dict[str, Tensor]:
    try:
        parts: dict[str, Tensor] = torch.load(path, map_location=device, weights_only=True, mmap=True)
    except Exception as error:  # torch.load of a damaged file raises many types
        raise RunError(f"{path}: the cached views cannot be read; delete the file to draw them anew.") from error
    return parts
