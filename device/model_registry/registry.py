"""The installed models: files named by their digest, and a record of which one is in force.

All writes are atomic: after a power cut there is the old state or the new one. A model's file is
complete before the record refers to it, and the record is replaced in one step.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from device.bounded_file import read_bounded, user_path
from device.config.schema import DeviceConfig
from device.errors import ModelError, NoHomeError, StateError
from device.host.atomic_file import make_folder, open_private, write_file
from device.host.paths import state_dir
from device.inference import model_card
from device.inference.card_archive import MAX_FILE
from device.inference.classifier import BUNDLED, PROFILES
from device.inference.model_card import ModelCard, read_card
from device.messages import ModelName, ModelUpdate, UpdateState
from device.model_registry.record import MAX_REASON, Record, read_record, record_json
from device.plain_text import shown

__all__ = ["ModelStore", "Record", "model_path", "name_of", "open_store", "require_gates"]

FOLDER, RECORD, LOCK, INSTALLING = "models", "record.json", "lock", "installing"

log = logging.getLogger(__name__)


class ModelStore:
    """The folder `models` of a state folder; several processes may use it at once.

    Args:
        folder: the state folder; reading creates nothing there.
        bundled: the model that runs where none is installed.
    """

    def __init__(self, folder: Path, bundled: Path = BUNDLED) -> None:
        self._folder, self._bundled = folder / FOLDER, bundled
        self._warned: str | None = None  # the damage that was logged last

    def record(self) -> Record:
        """The current record. A damaged one counts as none, so that the bundled model runs.

        Damage is logged once.

        Raises:
            StateError: it cannot be read.
        """
        path = self._folder / RECORD
        try:
            record, damage = read_record(path)
        except FileNotFoundError:
            return Record()
        except OSError as error:
            raise _unusable(self._folder, error) from error
        if damage is not None and damage != self._warned:
            log.warning("%s: %s", path, damage)
        self._warned = damage
        return record

    def path(self, digest: str | None) -> Path:
        """The file of a model."""
        return self._bundled if digest is None else self._folder / f"{digest}.tflite"

    def add(self, data: bytes) -> str:
        """Write a model's file; the record does not change.

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
        """A model's name, version and digest, as far as its card can be read."""
        return name_of(self.path(digest), digest)

    def start_trial(self, digest: str) -> Record:
        """Make a model the current one, on trial. Returns the record, as all that follow do.

        Raises:
            StateError: the folder cannot be written; the old record holds. So for all that follow.
        """
        new = self.name(digest)

        def started(record: Record) -> Record:
            update = _update("trial", new, self.name(record.current))
            return Record(digest, record.current, on_trial=True, update=update)

        return self._commit(started)

    def count_start(self) -> Record:
        """Count a start during the trial, before anything can bring the process down."""
        return self._commit(lambda record: dataclasses.replace(record, begun=record.begun + 1))

    def uncount_start(self) -> Record:
        """Take a start back: it ended in order."""
        return self._commit(lambda record: dataclasses.replace(record, begun=max(0, record.begun - 1)))

    def accept(self) -> Record:
        """End the trial: the current model stays. Without a trial nothing changes."""
        return self._commit(_accepted)

    def roll_back(self, digest: str | None, reason: str) -> Record:
        """Return to the previous model, if `digest` still is the current one and is not bundled."""
        return self._commit(lambda record: self.rolled_back(record, digest, reason))

    def refuse(self, new: ModelName, reason: str) -> Record:
        """Record that a file was not installed."""

        def refused(record: Record) -> Record:
            return dataclasses.replace(record, update=_update("refused", new, self.name(record.current), reason))

        return self._commit(refused)

    def rolled_back(self, record: Record, digest: str | None, reason: str) -> Record:
        """The record after a rollback; writes nothing, for when the folder cannot be written."""
        if record.current is None or record.current != digest:
            return record
        new = self.name(record.current)
        if record.update is not None and record.update.new.digest == record.current:
            new = record.update.new  # the file may be damaged by now
        update = _update("rolled_back", new, self.name(record.previous), reason)
        return Record(record.previous, update=update)

    def damage(self, digest: str | None) -> str | None:
        """Why an installed model's file is not as it was installed; None if it is."""
        if digest is None:
            return None
        try:
            data = read_bounded(self.path(digest), MAX_FILE)
        except OSError as error:
            return f"its file cannot be read: {error.strerror}"
        return None if hashlib.sha256(data).hexdigest() == digest else "its file was damaged after it was installed"

    def tidy(self) -> None:
        """Remove the models that the record does not name, and incomplete files of a power cut."""
        record = self.record()
        kept = {RECORD, LOCK, INSTALLING, *(self.path(digest).name for digest in (record.current, record.previous))}
        for file in self._folder.iterdir():
            if file.name not in kept:
                with suppress(OSError):
                    file.unlink()

    @contextmanager
    def installing(self) -> Iterator[None]:
        """Hold the lock for installing.

        Raises:
            StateError: another process holds it, or the folder cannot be written.
        """
        with self._locked(INSTALLING, wait=False):
            yield

    def _commit(self, change: Callable[[Record], Record]) -> Record:
        """Replace the record under the lock."""
        with self._locked(LOCK):
            before = self.record()
            after = change(before)
            if after != before:
                self._write(RECORD, record_json(after))
        return after

    @contextmanager
    def _locked(self, name: str, wait: bool = True) -> Iterator[None]:
        try:
            make_folder(self._folder)
            file = open_private(self._folder / name)
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
        make_folder(self._folder)
        write_file(self._folder / name, data)


def open_store(config: DeviceConfig) -> ModelStore:
    """The store in the state folder of the settings."""
    return ModelStore(state_dir(config), PROFILES[config.model.bundled])


def model_path(config: DeviceConfig) -> Path:
    """The .tflite in force: device.model.path, else the installed one, else the bundled one.

    Raises:
        StateError: the state folder cannot be read.
    """
    if config.model.path is not None:
        return user_path(config.model.path)
    try:
        store = open_store(config)
    except NoHomeError:  # without a state folder no model can be installed
        return PROFILES[config.model.bundled]
    return store.path(store.record().current)


def require_gates(card: ModelCard, config: DeviceConfig, where: object) -> None:
    """Refuse a model that is an experiment, unless the settings allow it.

    Args:
        card: its card.
        config: the settings.
        where: the file, for the message.

    Raises:
        ModelError: it failed gates of `trainer convert`.
    """
    if card.failed_gates and not config.model.allow_failed_gates:
        raise ModelError(
            f"{where}: its card says that it failed {', '.join(card.failed_gates)} when it was converted; train and "
            "convert it again, or set device.model.allow_failed_gates for an experiment."
        )


def name_of(path: Path, digest: str | None = None) -> ModelName:
    """A model file's name, version and digest, as far as they can be read."""
    try:
        card = read_card(path)
        return ModelName(name=card.name, version=card.version, digest=digest or model_card.digest(path))
    except ModelError:
        return ModelName(name=None, version=None, digest=digest or "")


def _accepted(record: Record) -> Record:
    if not record.on_trial:
        return record
    update = record.update and _update("accepted", record.update.new, record.update.old)
    return dataclasses.replace(record, on_trial=False, begun=0, update=update)


def _update(state: UpdateState, new: ModelName, old: ModelName, reason: str | None = None) -> ModelUpdate:
    now = round(time.time(), 3)  # as the record and the message have it
    short = None if reason is None else shown(reason, MAX_REASON)
    return ModelUpdate(state=state, new=new, old=old, reason=short, since=now)


def _unusable(folder: Path, error: OSError) -> StateError:
    return StateError(f"{folder}: the installed models cannot be used: {error.strerror}; check device.state_dir.")
