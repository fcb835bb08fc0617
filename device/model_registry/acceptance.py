"""Tries a new model beside the one in force: its outputs, and its time for a face.

`python -m device.model_registry.acceptance NEW OLD THREADS` does so in a process of its own, which a damaged file may
bring down.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device.config.schema import DeviceConfig
from device.errors import ModelError
from device.inference import golden
from device.inference.classifier import Classifier

ROUNDS = 40
SURE = 0.8  # of a reading
NOISE_MS = 0.3  # differences below this tell of the machine, not of the model


@dataclass(frozen=True)
class Times:
    """The fastest run of each: what else the machine does can only add to it."""

    new_ms: float
    old_ms: float


class Race:
    """Two models that read the same face in turn, so that what else the machine does meets both."""

    def __init__(self, new: Classifier, old: Classifier) -> None:
        self._runners = [(one, golden.face(one.card)[np.newaxis]) for one in (new, old)]
        self._took_ms: tuple[list[float], list[float]] = ([], [])

    @property
    def rounds(self) -> int:
        """How often each has run."""
        return len(self._took_ms[0])

    def run(self, rounds: int = 1) -> None:
        """Time so many more rounds."""
        for _ in range(rounds):
            first = self.rounds % 2  # who begins finds the caches cold
            for which in (first, 1 - first):
                classifier, face = self._runners[which]
                began_s = time.perf_counter()
                classifier.logits(face)
                self._took_ms[which].append((time.perf_counter() - began_s) * 1000.0)

    def times(self) -> Times:
        """What came of all rounds; there must have been one."""
        return Times(*map(min, self._took_ms))


def wrong_outputs(classifier: Classifier, old: Classifier | None) -> str | None:
    """Why what a model says cannot be right; None where nothing speaks against it.

    Args:
        old: the model before, which is to be believed where it is sure.
    """
    card = classifier.card
    face = golden.face(card)
    logits = classifier.logits(np.stack([face, np.zeros_like(face), 255 - face]))
    if not np.isfinite(logits).all():
        return "its outputs are no numbers"
    if (logits == logits[0]).all():
        return "it says the same whatever it sees"
    off = golden.steps_off_card(classifier)
    if off is not None and off > golden.MAX_STEPS:
        told = f"its outputs for a known face are {off:.1f} steps off those in its card"
        return f"{told}; at most {golden.MAX_STEPS:g} may be"
    return None if old is None else _contradiction(classifier, old)


def _contradiction(new: Classifier, old: Classifier) -> str | None:
    """Of the known face, which every good model reads alike."""
    (said, sure), (before, sure_before) = _reading(new), _reading(old)
    if sure_before < SURE or before not in new.labels or said == before:
        return None
    return f"it reads a known face as {said} ({sure:.2f}), the model before it as {before} ({sure_before:.2f})"


def _reading(classifier: Classifier) -> tuple[str, float]:
    prediction = classifier.classify(golden.face(classifier.card)[np.newaxis])[0]
    return classifier.labels[prediction.index], float(prediction.scores[prediction.index])


def too_slow(times: Times, config: DeviceConfig) -> str | None:
    """Why a model is slower than may be; None if it is not."""
    told = f"it takes {times.new_ms:.2f} ms a face, the model before it {times.old_ms:.2f} ms"
    limit, budget_ms = config.model.max_slower, config.pipeline.budget_ms
    if times.new_ms - times.old_ms <= NOISE_MS:
        return None
    if times.new_ms > limit * times.old_ms:
        return f"{told}; at most {limit:g} times as long may be (device.model.max_slower)"
    if budget_ms is not None and times.old_ms <= budget_ms < times.new_ms:
        return f"{told}; a frame has {budget_ms:g} ms (device.pipeline.budget_ms)"
    return None


def load_old(path: Path, threads: int) -> Classifier | None:
    """The model to compare with; None where it cannot be run, and anything is better."""
    try:
        return Classifier(path, threads)
    except ModelError:
        return None


def compare(new: Path, old: Path, threads: int) -> dict[str, object]:
    """What `main` prints: `problem` (null where there is none), new_ms and old_ms (null where the old does not run)."""
    before = load_old(old, threads)
    try:
        candidate = Classifier(new, threads)
        problem = wrong_outputs(candidate, before)
    except ModelError as error:
        problem = str(error).rstrip(".")
    if problem is not None or before is None:
        return {"problem": problem, "new_ms": None, "old_ms": None}
    race = Race(candidate, before)
    race.run(ROUNDS)
    times = race.times()
    return {"problem": None, "new_ms": times.new_ms, "old_ms": times.old_ms}


def main(argv: Sequence[str]) -> None:
    """Test, and print what came of it as JSON."""
    new, old, threads = argv
    print(json.dumps(compare(Path(new), Path(old), int(threads))))


if __name__ == "__main__":
    main(sys.argv[1:])
