"""The training loop of the smoother's network, resumable after every epoch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.artifacts.checkpoint import save_tensors
from trainer.artifacts.run_dir import RunFolder
from trainer.config import SmootherTrainConfig
from trainer.errors import CheckpointError
from trainer.smoothing.clips import NO_FACE, Batch, ClipMaker
from trainer.smoothing.network import SmootherNet, check_network, write_network
from trainer.training.progress import TrainingProgress

NETWORK = "smoother.npz"
STEPS = 100  # an epoch
VALIDATION_CLIPS = 96


@dataclass(frozen=True)
class Sources:
    """Where clips come from.

    Attributes:
        training: clips of Training faces.
        validation: clips of the held-out faces.
        digest: of the data set.
    """

    training: ClipMaker
    validation: ClipMaker
    digest: str


def fit_smoother(config: SmootherTrainConfig, sources: Sources, run: RunFolder, resume: bool) -> Path:
    """Train the network; returns the path of its file for the device.

    Args:
        config: of the network and its training.
        sources: of the clips.
        run: where the checkpoint, the metrics and the network are written.
        resume: continue from the checkpoint if there is one.

    Raises:
        RunError: a file cannot be written; the old one stays.
        CheckpointError: the checkpoint belongs to another data set or cannot be read.
        GateError: the device's filter does not give what PyTorch gives.
    """
    learner = _Learner(config, sources)
    history = learner.restore(run.last) if resume and run.last.is_file() else []
    readings = STEPS * config.clips * config.readings
    best = max((entry["accuracy"] for entry in history), default=0.0)
    began = time.monotonic()
    with TrainingProgress("smoother", config.epochs, len(history), readings, "held-out clips") as shown:
        while len(history) < config.epochs:
            history.append({"epoch": len(history) + 1} | learner.epoch(len(history), shown))
            best = max(best, history[-1]["accuracy"])
            learner.save(run.last, history)
            run.write_metrics(history)
            shown.epoch(history[-1], best)
    path = run.path / NETWORK
    write_network(path, learner.network)
    check_network(path, learner.network, learner.validation)
    parameters = sum(weights.numel() for weights in learner.network.parameters())
    run.finish(history[-1] | {"parameters": parameters, "seconds": round(time.monotonic() - began, 1)})
    return path


class _Learner:
    """The network and its optimizer. Clips depend on the seed and the number of the step only."""

    def __init__(self, config: SmootherTrainConfig, sources: Sources) -> None:
        torch.manual_seed(config.seed)
        self.config, self.sources = config, sources
        self.network = SmootherNet(config.size)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=config.lr, weight_decay=1e-3)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, config.lr, total_steps=config.epochs * STEPS, pct_start=0.1
        )
        generator = np.random.default_rng([config.seed, 1])
        self.validation = sources.validation.batch(VALIDATION_CLIPS, 2 * config.readings, generator)

    def epoch(self, number: int, shown: TrainingProgress) -> dict[str, Any]:
        """Train for an epoch and evaluate."""
        began, total = time.monotonic(), 0.0
        for step in range(number * STEPS, (number + 1) * STEPS):
            generator = np.random.default_rng([self.config.seed, 2, step])
            total += self._step(self.sources.training.batch(self.config.clips, self.config.readings, generator))
            shown.step(self.config.clips * self.config.readings)
        seconds = time.monotonic() - began
        readings = STEPS * self.config.clips * self.config.readings
        speed = {"seconds": round(seconds, 1), "images_per_s": round(readings / seconds)}
        return {"loss": total / STEPS, "accuracy": self._accuracy()} | speed

    def _step(self, clips: Batch) -> float:
        loss = belief_loss(*_forward(self.network, clips), self.config.unrest)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        return float(loss.detach())

    def _accuracy(self) -> float:
        """Share of the validation readings after which the best label is right."""
        with torch.no_grad():
            logits, labels = _forward(self.network, self.validation)
        return float((logits.argmax(-1) == labels)[labels != NO_FACE].float().mean())

    def save(self, path: Path, history: list[dict[str, Any]]) -> None:
        """Write the checkpoint."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "optimizer", "schedule")}
        save_tensors(path, parts | {"history": history, "digest": self.sources.digest}, "the checkpoint")

    def restore(self, path: Path) -> list[dict[str, Any]]:
        """Read the checkpoint; returns the history."""
        try:
            content = torch.load(path, weights_only=True)
            for name in ("network", "optimizer", "schedule"):
                getattr(self, name).load_state_dict(content[name])
            history, digest = content["history"], content["digest"]
        except Exception as error:  # torch.load of a damaged file raises many types
            raise CheckpointError(f"{path}: this is not a checkpoint of this run, or it is damaged.") from error
        if digest != self.sources.digest:
            raise CheckpointError(f"{path}: the run was trained on other data; give its data with --data.")
        return list(history)


def _forward(network: SmootherNet, clips: Batch) -> tuple[Tensor, Tensor]:
    logits = network(torch.from_numpy(clips.scores), torch.from_numpy(clips.elapsed_s))
    return logits, torch.from_numpy(clips.labels)


def belief_loss(logits: Tensor, labels: Tensor, unrest: float) -> Tensor:
    """Cross-entropy, plus the changes of the belief while the label stays.

    Args:
        logits: (C, T, K), of the belief.
        labels: (C, T); where nothing was read, the belief should be uniform.
        unrest: weight of the changes.
    """
    logs = functional.log_softmax(logits, -1)
    known = labels != NO_FACE
    true = logs.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    entropy = -torch.where(known, true, logs.mean(-1)).mean()
    moved = logs.exp().diff(dim=1).abs().sum(-1)
    same = known[:, 1:] & (labels[:, 1:] == labels[:, :-1])
    return entropy + unrest * (moved * same).mean()
