"""Compares a new model with the one in force: its outputs, and its latency for one face.

`python -m device.model_registry.acceptance NEW OLD THREADS` does so in its own process, because a
damaged file may crash the process that loads it. A new gate for outputs is a function in `GATES`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.config.schema import DeviceConfig
from device.errors import ModelError
from device.inference import golden
from device.inference.classifier import Classifier
from device.inference.model_card import network_digest

ROUNDS = 40
MIN_CONFIDENCE = 0.8  # of the old model, for its label to count as right
MAX_MEMORY = 2**30  # bytes of the process that tests; the service may use half of that
NOISE_MS = 0.3  # smaller differences come from the machine, not from the model

MeasureMs = Callable[[Classifier, NDArray[np.uint8]], float]
Gate = Callable[[Classifier, Classifier | None], str | None]


@dataclass(frozen=True)
class Latencies:
    """The fastest run of each model: other work on the machine can only add to it."""

    new_ms: float
    old_ms: float


def inference_ms(classifier: Classifier, face: NDArray[np.uint8]) -> float:
    """Milliseconds of one inference of a face, uint8 (1, S, S)."""
    began_s = time.perf_counter()
    classifier.logits(face)
    return (time.perf_counter() - began_s) * 1000.0


class LatencyComparison:
    """Two models that run on the same face in turn, so that other work slows both alike.

    Args:
        new, old: the models.
        measure_ms: times one inference.
    """

    def __init__(self, new: Classifier, old: Classifier, measure_ms: MeasureMs = inference_ms) -> None:
        self._models = [(one, golden.face(one.card)[np.newaxis]) for one in (new, old)]
        self._times_ms: tuple[list[float], list[float]] = ([], [])
        self._measure_ms = measure_ms

    @property
    def rounds(self) -> int:
        """Runs of each model so far."""
        return len(self._times_ms[0])

    def run(self, rounds: int = 1) -> None:
        """Time each model that many times more."""
        for _ in range(rounds):
            first = self.rounds % 2  # the first to run finds cold caches
            for which in (first, 1 - first):
                self._times_ms[which].append(self._measure_ms(*self._models[which]))

    def latencies(self) -> Latencies:
        """The result of all rounds; there must have been one."""
        return Latencies(*map(min, self._times_ms))


def output_problem(classifier: Classifier, old: Classifier | None) -> str | None:
    """Why a model's outputs must be wrong: the first gate that fails; None if all pass.

    Args:
        classifier: the new model.
        old: the model in force, trusted where its confidence is high; None if it cannot run.
    """
    return next((problem for gate in GATES if (problem := gate(classifier, old))), None)


def finite(classifier: Classifier, _: Classifier | None) -> str | None:
    """The outputs are finite numbers."""
    return None if np.isfinite(_probe_logits(classifier)).all() else "its outputs are not finite numbers"


def depends_on_input(classifier: Classifier, _: Classifier | None) -> str | None:
    """Different inputs give different outputs."""
    logits = _probe_logits(classifier)
    return "its outputs are the same for every input" if (logits == logits[0]).all() else None


def matches_card(classifier: Classifier, _: Classifier | None) -> str | None:
    """The outputs for the bundled face are those in the card."""
    return _steps_problem(golden.steps_off_card(classifier), "those in its card")


def matches_bundled(classifier: Classifier, _: Classifier | None) -> str | None:
    """A bundled network under another card gives the golden outputs under the same labels."""
    off = golden.steps_off_bundled(classifier.path, classifier)
    return _steps_problem(off, "the golden outputs of this network, label by label")


def same_network_same_labels(classifier: Classifier, old: Classifier | None) -> str | None:
    """The network of the model in force keeps its labels."""
    if old is None or classifier.labels == old.labels or network_digest(classifier.path) != network_digest(old.path):
        return None
    return "it is the network of the previous model under other labels"


def agrees_with_old(classifier: Classifier, old: Classifier | None) -> str | None:
    """The label of the bundled face is that of the old model, where that one is confident."""
    if old is None:
        return None
    (new_label, new_score), (old_label, old_score) = _top(classifier), _top(old)
    if old_score < MIN_CONFIDENCE or old_label not in classifier.labels or new_label == old_label:
        return None
    found = f"it classifies the bundled face as {new_label} ({new_score:.2f})"
    return f"{found}, the previous model as {old_label} ({old_score:.2f})"


GATES: tuple[Gate, ...] = (
    finite,
    depends_on_input,
    matches_card,
    matches_bundled,
    same_network_same_labels,
    agrees_with_old,
)


def latency_problem(latencies: Latencies, config: DeviceConfig) -> str | None:
    """Why a model is slower than allowed; None if it is not."""
    took = f"it takes {latencies.new_ms:.2f} ms a face, the previous model {latencies.old_ms:.2f} ms"
    limit, budget_ms = config.model.max_slower, config.pipeline.budget_ms
    if latencies.new_ms - latencies.old_ms <= NOISE_MS:
        return None
    if latencies.new_ms > limit * latencies.old_ms:
        return f"{took}; at most {limit:g} times as long is allowed (device.model.max_slower)"
    if budget_ms is not None and latencies.old_ms <= budget_ms < latencies.new_ms:
        return f"{took}; a frame has {budget_ms:g} ms (device.pipeline.budget_ms)"
    return None


def load_old(path: Path, threads: int) -> Classifier | None:
    """The model to compare with; None if it cannot run, so that a new one can replace it."""
    try:
        return Classifier(path, threads)
    except ModelError:
        return None


def compare(new: Path, old: Path, threads: int, measure_ms: MeasureMs = inference_ms) -> dict[str, object]:
    """The JSON of `main`: `problem` (null if none), new_ms and old_ms (null if not measured)."""
    before = load_old(old, threads)
    try:
        candidate = Classifier(new, threads)
        problem = output_problem(candidate, before)
    except ModelError as error:
        problem = str(error).rstrip(".")
    if problem is not None or before is None:
        return {"problem": problem, "new_ms": None, "old_ms": None}
    comparison = LatencyComparison(candidate, before, measure_ms)
    comparison.run(ROUNDS)
    latencies = comparison.latencies()
    return {"problem": None, "new_ms": latencies.new_ms, "old_ms": latencies.old_ms}


def main(argv: Sequence[str]) -> None:
    """Test, and print the result as JSON."""
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
    new, old, threads = argv
    print(json.dumps(compare(Path(new), Path(old), int(threads))))


def _steps_problem(off: float | None, those: str) -> str | None:
    if off is None or off <= golden.MAX_STEPS:
        return None
    difference = f"its outputs for the bundled face are {off:.1f} steps off {those}"
    return f"{difference}; at most {golden.MAX_STEPS:g} are allowed"


def _probe_logits(classifier: Classifier) -> NDArray[np.float32]:
    """Outputs for the bundled face, a black picture and the face's negative, (3, K)."""
    face = golden.face(classifier.card)
    return classifier.logits(np.stack([face, np.zeros_like(face), 255 - face]))


def _top(classifier: Classifier) -> tuple[str, float]:
    prediction = classifier.classify(golden.face(classifier.card)[np.newaxis])[0]
    return classifier.labels[prediction.index], float(prediction.scores[prediction.index])


if __name__ == "__main__":
    main(sys.argv[1:])
