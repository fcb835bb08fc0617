"""Which model a life of the device runs, and whether a new one may stay: it is watched at work and gives way by itself.

What brings the process down leaves its mark before: each start during a trial is counted on disk, and only an orderly
end takes the count back.
"""

from __future__ import annotations

import dataclasses
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
from device.model_registry.acceptance import Race, load_old, too_slow, wrong_outputs
from device.model_registry.registry import Change, Record, accepted, model_path, open_store

ROUNDS = 10  # comparisons with the model before, at least
A_STEP = 2  # of them

log = logging.getLogger(__name__)


class Trial:
    """The model of one life: `with Trial(config) as trial: ...`.

    Inside, `path` is a model that loads. An installed one that does not, or that brought the device down, has given way
    to the one before.

    Args:
        config: the settings of this life; where they name a model themselves, that one runs and nothing is on trial.
        clock: what time it is, seconds, never running back.
    """

    def __init__(self, config: DeviceConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._store = None if config.model.path is not None else open_store(config)
        self._clock = clock
        self._record = Record()
        self._seen = Record()  # what is on disk, as far as we know
        self._running: str | None = None  # the model of this life, once it has begun
        self._race: Race | None = None
        self._began_s: float | None = None

    @property
    def over(self) -> bool:
        """Another model is in force: this life should end."""
        return self._record.current != self._running

    @property
    def path(self) -> Path:
        """The .tflite to run."""
        return model_path(self._config) if self._store is None else self._store.path(self._record.current)

    @property
    def update(self) -> ModelUpdate | None:
        """What `status` says."""
        return self._record.update

    def __enter__(self) -> Self:
        if self._store is None:
            return self
        self._record = self._seen = self._store.record()
        if self._record.on_trial:
            self._begin()
        while self._record.current is not None and (problem := self._unfit()):
            self._give_way(problem)
        self._running = self._record.current
        if self._record.on_trial:
            log.info("the model %s is on trial", self._record.current)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """An end in order, and one that is not the model's fault, does not count against it."""
        if not self._record.on_trial or self.over:
            return
        if error is None or isinstance(error, EmotionEdgeError):
            self._change(lambda record: dataclasses.replace(record, begun=max(0, record.begun - 1)))
        elif isinstance(error, Exception):
            self._give_way(f"the device failed with it: {type(error).__name__}: {error}")

    def step(self, frames: int) -> bool:
        """Look after the model; about once a second is often enough.

        Args:
            frames: worked on in this life.

        Returns:
            whether `update` is news.
        """
        if self._store is None:
            return False
        told = self._record.update
        self._look_on_disk()
        if self._record.on_trial and not self.over:
            self._judge(frames)
        return self._record.update != told

    def _begin(self) -> None:
        """Count this start; after too many, the model is not started once more."""
        begun = self._record.begun
        if begun >= self._config.model.trial_starts:
            self._give_way(f"the device was started with it {begun} times and did not end in order")
        else:
            self._change(lambda record: dataclasses.replace(record, begun=record.begun + 1))

    def _unfit(self) -> str | None:
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
        self._race = None if old is None else Race(classifier, old)
        return wrong_outputs(classifier, old)

    def _look_on_disk(self) -> None:
        """Others install, roll back, and have files refused."""
        assert self._store is not None
        with suppress(StateError):  # the folder is away for a moment, or for good: this life goes on
            found = self._store.record()
            if found != self._seen:  # else what we could not write down holds all the same
                self._record = self._seen = found

    def _judge(self, frames: int) -> None:
        """A verdict, once there is enough to see."""
        wanted = self._config.model
        if self._began_s is None:
            self._began_s = self._clock()
        if self._race is not None:
            self._race.run(A_STEP)
        rounds = ROUNDS if self._race is None else self._race.rounds
        if self._clock() - self._began_s < wanted.trial_s or frames < wanted.trial_frames or rounds < ROUNDS:
            return
        problem = None if self._race is None else too_slow(self._race.times(), self._config)
        if problem is not None:
            self._give_way(problem)
        elif self._change(accepted):
            log.info("the model %s has proved itself", self._record.current)

    def _give_way(self, reason: str) -> None:
        assert self._store is not None
        log.warning("the model %s gives way to the one before: %s", self._record.current, reason)
        change = self._store.rolled_back(self._record.current, reason)
        if not self._change(change):
            self._record = change(self._record)  # in this life at least

    def _change(self, change: Change) -> bool:
        """On disk; returns whether that was possible. A disk that is full or fails stops nothing."""
        assert self._store is not None
        try:
            self._record = self._seen = self._store.change(change)
        except StateError as error:
            log.warning("%s", error)
            return False
        return True
