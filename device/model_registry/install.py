"""Brings a model file to the device: signature, card and promise checked, tried in a process of its own, switched to.

From then on it is on trial (`device.model_registry.trial`). What is refused never runs, and is told of in `status`.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.config.schema import DeviceConfig
from device.errors import ConfigError, ModelError, StateError
from device.inference import model_card
from device.inference.model_card import ModelCard, read_card
from device.messages import ModelUpdate
from device.model_registry import minisign
from device.model_registry.acceptance import Times, too_slow
from device.model_registry.registry import ModelStore, Record, name_of, open_store

MAX_BYTES = 100_000_000  # of a file
SLICE_S = 0.3  # between two looks at the record


@dataclass(frozen=True)
class ModelFile:
    """What is to be installed."""

    name: str  # how it is called in messages
    data: bytes
    signature: str | None = None  # the text of its .minisig


@dataclass(frozen=True)
class InstallOptions:
    """What is let pass this once."""

    worse: bool = False  # a card that promises a lower accuracy
    untested: bool = False  # a file that was not tried in a process of its own


def install(config: DeviceConfig, file: ModelFile, leniency: InstallOptions | None = None) -> bool:
    """Check a model and switch to it, on trial.

    Returns:
        whether anything changed; False where this very file is in force already.

    Raises:
        ModelError: the file is refused; so says the record.
        ConfigError: the settings name a model themselves, or a key that is none.
        StateError: another one is being installed or on trial; the state folder cannot be written.
    """
    store = installable(config)
    digest = hashlib.sha256(file.data).hexdigest()
    with store.installing():
        store.tidy()
        record = store.record()
        if digest == (record.current or model_card.digest(store.path(None))):
            return False
        if record.on_trial:
            raise StateError("a model is on trial; wait for the verdict, or end it with `device model rollback`.")
        try:
            _admit(config, store, record, file, leniency or InstallOptions())
        except ModelError as error:
            new = name_of(store.path(digest), digest)
            store.change(store.refused(new, str(error)))
            store.tidy()  # not simply this file: it may be the previous model's
            raise
        store.change(store.tried(digest))
    return True


def installable(config: DeviceConfig) -> ModelStore:
    """The store, where what is installed there runs.

    Raises:
        ConfigError: the settings name a model themselves.
    """
    if config.model.path is not None:
        raise ConfigError(
            f"device.model.path is {config.model.path}, so nothing that is installed would run; set it to null."
        )
    return open_store(config)


def verdict(store: ModelStore, digest: str, patience_s: float) -> ModelUpdate | None:
    """Wait for what comes of a trial.

    Returns:
        what was said of it; None if nothing was within so many seconds.
    """
    deadline_s = time.monotonic() + patience_s
    while (record := store.record()).on_trial and record.current == digest:
        if time.monotonic() >= deadline_s:
            return None
        time.sleep(SLICE_S)
    return record.update


def _admit(config: DeviceConfig, store: ModelStore, record: Record, file: ModelFile, leniency: InstallOptions) -> None:
    """Write the file down and find nothing wrong with it; not a byte is looked into before the signature is."""
    if len(file.data) > MAX_BYTES:
        raise ModelError(f"{file.name}: this is larger than {MAX_BYTES // 10**6} MB, and no model for this device.")
    if config.model.public_keys:
        try:
            minisign.verify(file.data, file.signature, config.model.public_keys)
        except ModelError as error:
            raise ModelError(f"{file.name}: {error}") from error
    path, old = store.path(store.add(file.data)), store.path(record.current)
    try:
        card = read_card(path)
        if not leniency.worse:
            _require_promise(card, _card(old), config.model.max_accuracy_drop, file.name)
        if not leniency.untested:
            _require_test(config, path, old, file.name)
    except ModelError as error:
        raise ModelError(str(error).replace(str(path), file.name)) from error


def _card(path: Path) -> ModelCard | None:
    """The card of the model in force; None if that one is damaged, and anything is better."""
    try:
        return read_card(path)
    except ModelError:
        return None


def _require_promise(new: ModelCard, old: ModelCard | None, most_drop: float, name: str) -> None:
    """The new card's accuracy, of the same faces in the same way, against the old one's."""
    for wanted in old.metrics[:1] if old is not None else ():
        found = next((one for one in new.metrics if _alike(one, wanted)), {})
        promise = f"{_percent(found)} on {wanted.get('split')}, the model in force {_percent(wanted)}"
        told = f"{name}: its card promises {promise}"
        if not isinstance(found.get("accuracy"), float) or found["accuracy"] < wanted["accuracy"] - most_drop:
            raise ModelError(
                f"{told}; install it with --allow-worse if that is meant (device.model.max_accuracy_drop)."
            )


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in ("split", "protocol"))


def _percent(metrics: dict[str, Any]) -> str:
    accuracy = metrics.get("accuracy")
    return f"{accuracy:.1%}" if isinstance(accuracy, float) else "no accuracy"


def _require_test(config: DeviceConfig, path: Path, old: Path, name: str) -> None:
    """A file that is damaged may bring down the process that loads it, or hold it up for ever."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "device.model_registry.acceptance",
        str(path),
        str(old),
        str(config.model.threads),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=config.model.test_s)
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{name}: its test takes longer than {config.model.test_s:g} s (device.model.test_s)."
        ) from error
    if done.returncode != 0:
        raise ModelError(f"{name}: the process that tests it {_end(done)}; the file is damaged.")
    found = json.loads(done.stdout)
    problem = found["problem"]
    if problem is None and found["new_ms"] is not None:
        problem = too_slow(Times(found["new_ms"], found["old_ms"]), config)
    if problem is not None:
        raise ModelError(f"{problem}." if problem.startswith(str(path)) else f"{name}: {problem}.")


def _end(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"was ended by {signal.Signals(-done.returncode).name}"
    last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
    return f"failed ({last})"
