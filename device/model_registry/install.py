"""Installs a model file: checks signature and card, tests it in a separate process, switches.

From then on it is on trial (`device.model_registry.trial`). A refused file never runs, and `status`
reports why.
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
from device.inference.card_archive import MAX_FILE
from device.inference.model_card import ModelCard, read_card
from device.messages import ModelUpdate
from device.model_registry import minisign
from device.model_registry.acceptance import Latencies, latency_problem
from device.model_registry.registry import ModelStore, Record, name_of, open_store, require_gates
from device.plain_text import shown

MAX_BYTES = MAX_FILE  # of a file
MAX_MESSAGE = 200  # characters of what the test's process says at its end
POLL_S = 0.3  # between two reads of the record


@dataclass(frozen=True)
class ModelFile:
    """A file to install."""

    name: str  # for messages
    data: bytes
    signature: str | None = None  # the text of its .minisig


@dataclass(frozen=True)
class InstallOptions:
    """Checks to skip for one installation."""

    worse: bool = False  # allow a lower accuracy in the card
    untested: bool = False  # skip the test in a separate process


def install(config: DeviceConfig, file: ModelFile, options: InstallOptions | None = None) -> bool:
    """Check a model and switch to it, on trial.

    Returns:
        whether anything changed; False if this very file is in force already.

    Raises:
        ModelError: the file is refused; the record holds the reason.
        ConfigError: device.model.path is set, or a public key is invalid.
        StateError: another model is being installed or on trial, or the disk fails.
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
            _admit(config, store, record, file, options or InstallOptions())
        except ModelError as error:
            new = name_of(store.path(digest), digest)
            store.refuse(new, str(error))
            store.tidy()  # not just this file: it may be the previous model's
            raise
        store.start_trial(digest)
    return True


def installable(config: DeviceConfig) -> ModelStore:
    """The installed models, for changing which one runs.

    Raises:
        ConfigError: device.model.path is set, so that no installed model runs.
    """
    if config.model.path is not None:
        raise ConfigError(
            f"device.model.path is {config.model.path}, so an installed model would not run; set it to null."
        )
    return open_store(config)


def verdict(store: ModelStore, digest: str, timeout_s: float) -> ModelUpdate | None:
    """Wait for the end of a trial.

    Returns:
        the update that ended it; None after the timeout.
    """
    deadline_s = time.monotonic() + timeout_s
    while (record := store.record()).on_trial and record.current == digest:
        if time.monotonic() >= deadline_s:
            return None
        time.sleep(POLL_S)
    return record.update


def _admit(config: DeviceConfig, store: ModelStore, record: Record, file: ModelFile, options: InstallOptions) -> None:
    """Store and check the file; the signature comes first, before any of its content is parsed."""
    if len(file.data) > MAX_BYTES:
        raise ModelError(f"{file.name}: this is larger than {MAX_BYTES // 10**6} MB, the limit for a model.")
    if config.model.public_keys:
        try:
            minisign.verify(file.data, file.signature, config.model.public_keys)
        except ModelError as error:
            raise ModelError(f"{file.name}: {error}") from error
    path, old = store.path(store.add(file.data)), store.path(record.current)
    try:
        card = read_card(path)
        require_gates(card, config, path)
        if not options.worse:
            _require_accuracy(card, _card(old), config.model.max_accuracy_drop, file.name)
        if not options.untested:
            _require_test(config, path, old, file.name)
    except ModelError as error:
        raise ModelError(str(error).replace(str(path), file.name)) from error


def _card(path: Path) -> ModelCard | None:
    """The card of the model in force; None if it is damaged, so that any may replace it."""
    try:
        return read_card(path)
    except ModelError:
        return None


def _require_accuracy(new: ModelCard, old: ModelCard | None, most_drop: float, name: str) -> None:
    """Refuse a card whose accuracy, on the same split and protocol, is lower than the old one's."""
    for wanted in old.metrics[:1] if old is not None else ():
        found = next((one for one in new.metrics if _alike(one, wanted)), {})
        accuracies = f"{_percent(found)} on {wanted.get('split')}, the model in force {_percent(wanted)}"
        if not isinstance(found.get("accuracy"), float) or found["accuracy"] < wanted["accuracy"] - most_drop:
            raise ModelError(
                f"{name}: its card states {accuracies}; install it with --allow-worse to accept that "
                "(device.model.max_accuracy_drop)."
            )


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in ("split", "protocol"))


def _percent(metrics: dict[str, Any]) -> str:
    accuracy = metrics.get("accuracy")
    return f"{accuracy:.1%}" if isinstance(accuracy, float) else "no accuracy"


def _require_test(config: DeviceConfig, path: Path, old: Path, name: str) -> None:
    """Test in a separate process, which a damaged file may crash or hang."""
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
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=config.model.test_s
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{name}: its test takes longer than {config.model.test_s:g} s (device.model.test_s)."
        ) from error
    if done.returncode != 0:
        raise ModelError(f"{name}: the process that tests it {_end(done)}; the file is damaged.")
    try:
        found = json.loads(done.stdout)
        problem = found["problem"]
    except (ValueError, KeyError, TypeError) as error:  # a library wrote to standard output, or it ended early
        raise ModelError(f"{name}: the process that tests it gave no result; the file is damaged.") from error
    if problem is None and found["new_ms"] is not None:
        problem = latency_problem(Latencies(found["new_ms"], found["old_ms"]), config)
    if problem is not None:
        raise ModelError(f"{problem}." if problem.startswith(str(path)) else f"{name}: {problem}.")


def _end(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"was ended by {signal.Signals(-done.returncode).name}"
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"failed ({shown(last, MAX_MESSAGE)})"
