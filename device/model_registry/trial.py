"""Which model a session of the device runs, and whether a new one stays or is rolled back.

A model may crash the process. Therefore each start during a trial is counted on disk before the
model loads, and only an orderly end takes the count back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from device.config.schema import DeviceConfig
from device.errors import EmotionEdgeError, ModelError, StateError
from device.inference.classifier import Classifier
from device.messages import ModelUpdate
from device.model_registry.acceptance import (
    LatencyComparison,
    MeasureMs,
    inference_ms,
    latency_problem,
    load_old,
    output_problem,
)
from device.model_registry.registry import Record, model_path, open_store

MIN_ROUNDS = 10  # latency measurements of each model before the trial may end
ROUNDS_A_STEP = 2

log = logging.getLogger(__name__)


class Trial:
    """The model of one session: `with Trial(config) as trial: ...`.

    Inside, `path` is a model that loads. An installed model that does not load, or that crashed the
    device too often, was rolled back before.

    Args:
        config: the session's settings; if they name a model, that one runs and nothing is on trial.
        clock: monotonic time, seconds.
        measure_ms: times one inference.
    """

    def __init__(
        self, config: DeviceConfig, clock: Callable[[], float] = time.monotonic, measure_ms: MeasureMs = inference_ms
    ) -> None:
        self._config = config
        self._store = None if config.model.path is not None else open_store(config)
        self._clock, self._measure_ms = clock, measure_ms
        self._record = Record()
        self._on_disk = Record()  # as of the last read or write
        self._running: str | None = None  # the digest of this session's model
        self._comparison: LatencyComparison | None = None
        self._began_s: float | None = None

    @property
    def over(self) -> bool:
        """Another model is in force: this session should end."""
        return self._record.current != self._running

    @property
    def path(self) -> Path:
        """The .tflite to run."""
        return model_path(self._config) if self._store is None else self._store.path(self._record.current)

    @property
    def update(self) -> ModelUpdate | None:
        """The `model_update` of `status`."""
        return self._record.update

    def __enter__(self) -> Self:
        if self._store is None:
            return self
        self._record = self._on_disk = self._store.record()
        if self._record.on_trial:
            self._count_start()
        while self._record.current is not None and (problem := self._load_problem()):
            self._roll_back(problem)
        self._running = self._record.current
        if self._record.on_trial:
            log.info("the model %s is on trial", self._record.current)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """An orderly end, or an error that is not the model's fault, does not count against it."""
        if self._store is None or not self._record.on_trial or self.over:
            return
        if error is None or isinstance(error, EmotionEdgeError):
            self._commit(self._store.uncount_start)
        elif isinstance(error, Exception):
            self._roll_back(f"the device failed with it: {type(error).__name__}: {error}")

    def step(self, frames: int) -> bool:
        """Check the model; call it about once a second.

        Args:
            frames: processed in this session.

        Returns:
            whether `update` changed.
        """
        if self._store is None:
            return False
        before = self._record.update
        self._read_record()
        if self._record.on_trial and not self.over:
            self._evaluate(frames)
        return self._record.update != before

    def _count_start(self) -> None:
        """Count this start; after too many, the model is not started again."""
        assert self._store is not None
        begun = self._record.begun
        if begun >= self._config.model.trial_starts:
            self._roll_back(f"the device was started with it {begun} times and did not end in order")
        else:
            self._commit(self._store.count_start)

    def _load_problem(self) -> str | None:
        """Why the current model cannot run."""
        assert self._store is not None
        if damage := self._store.damage(self._record.current):
            return damage
        try:
            classifier = Classifier(self.path, self._config.model.threads)
        except ModelError as error:
            return str(error).rstrip(".")
        if not self._record.on_trial:
            return None
        old = load_old(self._store.path(self._record.previous), self._config.model.threads)
        self._comparison = None if old is None else LatencyComparison(classifier, old, self._measure_ms)
        return output_problem(classifier, old)

    def _read_record(self) -> None:
        """Other processes install, roll back, and have files refused."""
        assert self._store is not None
        with suppress(StateError):  # the folder cannot be read for now: this session goes on
            found = self._store.record()
            if found != self._on_disk:  # else a change that could not be written still holds
                self._record = self._on_disk = found

    def _evaluate(self, frames: int) -> None:
        """Accept the model or roll it back, once there are enough measurements."""
        assert self._store is not None
        config = self._config.model
        if self._began_s is None:
            self._began_s = self._clock()
        if self._comparison is not None:
            self._comparison.run(ROUNDS_A_STEP)
        rounds = MIN_ROUNDS if self._comparison is None else self._comparison.rounds
        if self._clock() - self._began_s < config.trial_s or frames < config.trial_frames or rounds < MIN_ROUNDS:
            return
        problem = None if self._comparison is None else latency_problem(self._comparison.latencies(), self._config)
        if problem is not None:
            self._roll_back(problem)
        elif self._commit(self._store.accept):
            log.info("the model %s is accepted", self._record.current)

    def _roll_back(self, reason: str) -> None:
        assert self._store is not None
        store, record = self._store, self._record
        log.warning("the model %s is rolled back to the previous one: %s", record.current, reason)
        if not self._commit(lambda: store.roll_back(record.current, reason)):
            self._record = store.rolled_back(record, record.current, reason)  # for this session at least

    def _commit(self, change: Callable[[], Record]) -> bool:
        """Whether the disk took the change; a full or failing disk does not stop the session."""
        try:
            self._record = self._on_disk = change()
        except StateError as error:
            log.warning("%s", error)
            return False
        return True
