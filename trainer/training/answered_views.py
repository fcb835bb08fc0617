"""Seeded views that the teachers answer once, for all epochs, all runs and all machines.

This saves the teachers' time at every epoch, and each answer still belongs to the very view that
the student sees. (Beyer et al. 2021, arXiv:2106.05237, run the teachers at every step.)
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainer.artifacts.answers_file import Answer, Answers, AnswersWriter, Bytes, decode, encode
from trainer.artifacts.answers_header import SIGNED, AnswersHeader, difference
from trainer.artifacts.loading import Teacher, fingerprint
from trainer.config import FitConfig, TrainConfig
from trainer.data.augment import Random, SeededRandom
from trainer.data.dataset import FaceSet
from trainer.errors import CheckpointError
from trainer.training.batches import Batch, Views, channels_last
from trainer.training.distributed import ALONE, ProcessGroup
from trainer.training.progress import AnswersProgress

CHUNK = 512  # faces that are drawn, mixed and classified at once; another number draws other views


def header_for(
    training: FaceSet, config: TrainConfig, fit: FitConfig, teachers: Sequence[Teacher], seed: int = 0
) -> AnswersHeader:
    """What answers of these teachers on these faces must state.

    Args:
        training: the faces.
        config: its `augment` and `distill`.
        fit: how batches are mixed.
        teachers: the networks.
        seed: of the views.
    """
    mixed = bool(fit.mixup and fit.mixup_share)
    return AnswersHeader(
        faces=hashlib.sha256(training.images.tobytes() + training.labels.tobytes()).hexdigest(),
        count=len(training),
        labels=training.names,
        augment=vars(config.augment),
        mixup=fit.mixup if mixed else 0.0,
        mixup_share=fit.mixup_share if mixed else 0.0,
        seed=seed,
        teachers={fingerprint(teacher.model): teacher.name for teacher in teachers},
        temperature=config.distill.temperature,
        mirror=config.distill.mirror,
    )


@dataclass(frozen=True)
class DrawnView:
    """One view of every face, on the training device.

    Attributes:
        faces: uint8 (N, 1, S, S): whole grey levels, as a camera gives them.
        targets: (N, K) shares that sum to one.
        votes: (N, V) or None.
    """

    faces: Tensor
    targets: Tensor
    votes: Tensor | None

    def signature(self) -> Bytes:
        """Mean grey levels of the first faces, (16,), whole."""
        means = self.faces[:SIGNED].float().mean((1, 2, 3)).cpu().numpy()
        return np.asarray(means.round(), np.uint8)


class SeededViews:
    """A series of views of every face that any machine draws alike.

    Args:
        views: faces, labels, augmentation; their own random numbers are not used.
        seed: of the series.
    """

    def __init__(self, views: Views, seed: int) -> None:
        self.random, self.seed = SeededRandom(views.faces.device), seed
        self.views = views.drawn_from(self.random)

    def draw(self, number: int) -> DrawnView:
        """View `number` of every face."""
        self.random.seed(self.seed, number)
        source = self.views
        faces = torch.empty_like(source.faces, dtype=torch.uint8)
        targets = source.faces.new_empty(len(faces), source.classes)
        votes = None if source.votes is None else torch.empty_like(source.votes)
        for index in self.random.order(len(faces)).split(CHUNK):
            batch = source.batch(index)
            faces[index] = (batch.faces * 255).round().to(torch.uint8)
            targets[index] = batch.targets
            if votes is not None and batch.votes is not None:
                votes[index] = batch.votes
        return DrawnView(faces, targets, votes)


class AnsweredViews:
    """Views with what the teachers say of them; epochs use them in turn.

    Args:
        views: of the run; drawn again from the seed of the answers.
        answers: for these views.
        mirror: use either a view or its mirror image.
        temperature: by which the shares are softened.
        random: for the choice between the two.
    """

    def __init__(self, views: Views, answers: Answers, mirror: bool, temperature: float, random: Random) -> None:
        self.series, self.answers = SeededViews(views, answers.header.seed), answers
        self.mirror, self.random = mirror, random
        self.sharpening = answers.header.temperature / temperature
        self.numbers = list(answers.views)

    def begin(self, epoch: int) -> None:
        """Draw the view for an epoch.

        Raises:
            CheckpointError: it is not the one that the teachers saw.
        """
        number = self.numbers[epoch % len(self.numbers)]
        answer, self.view = self.answers.views[number], self.series.draw(number)
        _require_same_view(answer, self.view.signature(), number)
        logs = torch.from_numpy(decode(answer.codes)).to(self.view.faces.device)
        self.shares = torch.softmax(logs * self.sharpening, 1)

    def batch(self, index: Tensor) -> Batch:
        """The views of the faces at `index` (N,) in this epoch."""
        faces = self.view.faces[index].float() / 255
        if self.mirror:
            chance = self.random.uniform(len(faces), 0.0).view(-1, 1, 1, 1)
            faces = torch.where(chance < 0.5, faces.flip(3), faces)
        votes = None if self.view.votes is None else self.view.votes[index]
        return Batch(channels_last(faces), self.view.targets[index], votes, self.shares[index])


def _require_same_view(answer: Answer, drawn: Bytes, number: int) -> None:
    if np.abs(answer.signature.astype(int) - drawn).max() > 1:  # grey levels; roundings differ between devices
        raise CheckpointError(
            f"{answer.source}: this version of the trainer draws view {number} differently from the one that"
            " the teachers saw; run `trainer answers` again."
        )


def require_first_view(answers: Answers, views: Views) -> None:
    """Refuse answers to views that this version draws differently, by the first of them.

    Raises:
        CheckpointError: they are.
    """
    number, answer = next(iter(answers.views.items()))
    _require_same_view(answer, SeededViews(views, answers.header.seed).draw(number).signature(), number)


def require_fit(answers: Answers, training: FaceSet, config: TrainConfig, fit: FitConfig) -> None:
    """Refuse answers that belong to other faces or other views than a run has.

    Raises:
        CheckpointError: they do.
    """
    own = header_for(training, config, fit, ())
    free = {name: getattr(answers.header, name) for name in ("seed", "teachers", "temperature", "mirror")}
    other = difference(answers.header, replace(own, **free))
    if config.distill.mirror and not answers.header.mirror:
        other = "they are without mirror images, and trainer.distill.mirror is true"
    if other:
        source = next(iter(answers.views.values())).source
        raise CheckpointError(f"{source}: these answers do not fit this run: {other}.")


def collect_answers(
    series: SeededViews,
    classify: Callable[[Tensor], Tensor],
    writer: AnswersWriter,
    count: int,
    deadline: float = math.inf,
    group: ProcessGroup = ALONE,
) -> None:
    """Ask the teachers about the views that are missing, until there are `count`.

    Every process of a group does the same work; the first one writes.

    Args:
        series: the views.
        classify: the teachers' softened shares (N, K) of faces (N, 1, S, S).
        writer: of the files.
        count: of views.
        deadline: no view begins after it, by `time.monotonic`.
        group: the processes of this run.

    Raises:
        RunError: the disk is full; the views before stay.
    """
    done = group.first(lambda: writer.done)
    faces = len(series.views.labels)
    with AnswersProgress(count, faces, done, group.leads) as shown:
        for number in range(done, count):
            if group.first(lambda: time.monotonic() >= deadline):
                break
            view = series.draw(number)
            codes = _codes(view.faces, classify, shown.step)
            if group.leads:
                writer.write(codes, view.signature())
            shown.view(number + 1)
    group.first(lambda: None)  # the files are whole for every process


def _codes(faces: Tensor, classify: Callable[[Tensor], Tensor], on_step: Callable[[int], None]) -> Bytes:
    """The teachers' answers on uint8 faces (N, 1, S, S), encoded (N, K)."""
    shares = []
    for part in faces.split(CHUNK):
        missing = min(CHUNK, len(faces)) - len(part)
        whole = torch.cat([part, faces[:missing]])  # all of one size: compiles once
        shares.append(classify(channels_last(whole.float() / 255))[: len(part)])
        on_step(len(part))
    return encode(torch.cat(shares).double().clamp_min(1e-12).log().cpu().numpy())


def folder_for(header: AnswersHeader, runs: Path) -> Path:
    """The folder in which runs with the same `kept_views` find each other's answers."""
    return runs / f"answers-{hashlib.sha256(header.line()).hexdigest()[:12]}"
