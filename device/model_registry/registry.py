"""The models that were installed: files named by their digest, and a record that says which one is in force.

Everything is written so that a power cut leaves the old or the new, never half: a model is complete under its name
before the record speaks of it, and the record is replaced in one step.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.config.schema import DeviceConfig
from device.errors import ModelError, StateError
from device.host.paths import state_dir
from device.inference import model_card
from device.inference.classifier import BUNDLED, PROFILES
from device.inference.model_card import read_card
from device.messages import ModelName, ModelUpdate, UpdateState, to_json

FOLDER, RECORD, LOCK, INSTALLING = "models", "record.json", "lock", "installing"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """Which models there are. A digest of None means the bundled model."""

    current: str | None = None
    previous: str | None = None  # where a rollback leads
    on_trial: bool = False  # the current one has not proved itself yet
    begun: int = 0  # starts during the trial that have not ended in order
    update: ModelUpdate | None = None  # what was said last


Change = Callable[[Record], Record]


class ModelStore:
    """The folder `models` of a state folder; several processes may use it at once.

    Args:
        folder: the state folder; nothing is made there before something is written.
        bundled: what runs where nothing is installed.
    """

    def __init__(self, folder: Path, bundled: Path = BUNDLED) -> None:
        self._folder, self._bundled = folder / FOLDER, bundled

    def record(self) -> Record:
        """What holds now. A record that is damaged counts as none, so that the bundled model runs.

        Raises:
            StateError: it cannot be read.
        """
        path = self._folder / RECORD
        try:
            return _record(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return Record()
        except (ValueError, KeyError, TypeError):
            log.warning("%s is damaged; the bundled model runs, install yours again", path)
            return Record()
        except OSError as error:
            raise _unusable(self._folder, error) from error

    def change(self, change: Change) -> Record:
        """Replace the record by what `change` makes of it, and return that; nobody else changes it meanwhile.

        Raises:
            StateError: the folder cannot be written; the old record holds.
        """
        with self._locked(LOCK):
            before = self.record()
            after = change(before)
            if after != before:
                self._write(RECORD, json.dumps(_plain(after), indent=2).encode())
        return after

    def path(self, digest: str | None) -> Path:
        """The file of a model."""
        return self._bundled if digest is None else self._folder / f"{digest}.tflite"

    def add(self, data: bytes) -> str:
        """Write a model down, without a word about it in the record.

        Returns:
            its digest.

        Raises:
            StateError: the folder cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        try:
            self._write(self.path(digest).name, data)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        return digest

    def name(self, digest: str | None) -> ModelName:
        """How a model is spoken of, as far as its card can be read."""
        return name_of(self.path(digest), digest)

    def tried(self, digest: str) -> Change:
        """A model becomes the current one, on trial."""
        new = self.name(digest)

        def change(record: Record) -> Record:
            update = _said("trial", new, self.name(record.current))
            return Record(digest, record.current, on_trial=True, update=update)

        return change

    def rolled_back(self, digest: str | None, reason: str) -> Change:
        """An installed model, if it still is the current one, gives way to the previous one."""

        def change(record: Record) -> Record:
            if record.current is None or record.current != digest:
                return record
            new, old = self.name(record.current), self.name(record.previous)
            if record.update is not None and record.update.new.digest == record.current:
                new = record.update.new  # the file may be damaged by now
            update = _said("rolled_back", new, old, reason)
            return Record(record.previous, update=update)

        return change

    def refused(self, new: ModelName, reason: str) -> Change:
        """A file was not installed."""

        def change(record: Record) -> Record:
            old = self.name(record.current)
            update = _said("refused", new, old, reason)
            return dataclasses.replace(record, update=update)

        return change

    def damage(self, digest: str | None) -> str | None:
        """Why an installed model is not what it was; None while it is."""
        if digest is None:
            return None
        try:
            data = self.path(digest).read_bytes()
        except OSError as error:
            return f"its file cannot be read: {error.strerror}"
        return None if hashlib.sha256(data).hexdigest() == digest else "its file was damaged after it was installed"

    def tidy(self) -> None:
        """Remove the models that the record does not name, and what a power cut left half written."""
        record = self.record()
        kept = {RECORD, LOCK, INSTALLING, *(self.path(digest).name for digest in (record.current, record.previous))}
        for file in self._folder.iterdir():
            if file.name not in kept:
                with suppress(OSError):
                    file.unlink()

    @contextmanager
    def installing(self) -> Iterator[None]:
        """Nobody else installs meanwhile.

        Raises:
            StateError: somebody does, or the folder cannot be written.
        """
        with self._locked(INSTALLING, wait=False):
            yield

    @contextmanager
    def _locked(self, name: str, wait: bool = True) -> Iterator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = (self._folder / name).open("w")
        except OSError as error:
            raise _unusable(self._folder, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as error:
                raise StateError(f"{self._folder}: another model is being installed; try again later.") from error
            try:
                yield
            except OSError as error:
                raise _unusable(self._folder, error) from error

    def _write(self, name: str, data: bytes) -> None:
        """A file that is there in full or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        half = self._folder / f"{name}.half"
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.rename(self._folder / name)
        number = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def open_store(config: DeviceConfig) -> ModelStore:
    """The store in the state folder of the settings."""
    return ModelStore(state_dir(config), PROFILES[config.model.bundled])


def model_path(config: DeviceConfig) -> Path:
    """The .tflite in force: the one the settings name, else the installed one, else the bundled one.

    Raises:
        StateError: the state folder cannot be read.
    """
    if config.model.path is not None:
        return Path(config.model.path).expanduser()
    store = open_store(config)
    return store.path(store.record().current)


def accepted(record: Record) -> Record:
    """The current model has proved itself."""
    if not record.on_trial:
        return record
    update = record.update and _said("accepted", record.update.new, record.update.old)
    return dataclasses.replace(record, on_trial=False, begun=0, update=update)


def name_of(path: Path, digest: str | None = None) -> ModelName:
    """How the model in a file is spoken of, as far as its card can be read; its digest, where the file can be read."""
    try:
        card = read_card(path)
        return ModelName(name=card.name, version=card.version, digest=digest or model_card.digest(path))
    except ModelError:
        return ModelName(name=None, version=None, digest=digest or "")


def _said(state: UpdateState, new: ModelName, old: ModelName, reason: str | None = None) -> ModelUpdate:
    now = round(time.time(), 3)  # as the record and the message have it
    return ModelUpdate(state=state, new=new, old=old, reason=reason, since=now)


def _plain(record: Record) -> dict[str, Any]:
    update = None if record.update is None else json.loads(to_json(record.update))
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)} | {"update": update}


def _record(values: dict[str, Any]) -> Record:
    update = values["update"]
    if update is not None:
        names = {key: ModelName(**update[key]) for key in ("new", "old")}
        update = ModelUpdate(**(update | names))
    return Record(**(values | {"update": update}))


def _unusable(folder: Path, error: OSError) -> StateError:
    return StateError(f"{folder}: the installed models cannot be used: {error.strerror}; check device.state_dir.")
