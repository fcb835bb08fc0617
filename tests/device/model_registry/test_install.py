"""A model file is checked before it runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from device.config.schema import DeviceConfig, load_config
from device.errors import ConfigError, ModelError, StateError
from device.inference.classifier import BUNDLED, Classifier
from device.inference.model_card import ModelCard, attach, read_card
from device.model_registry.acceptance import Latencies, LatencyComparison, latency_problem
from device.model_registry.install import InstallOptions, ModelFile, install, verdict
from device.model_registry.registry import ModelStore
from tests.support.signing import Signer
from tests.support.tiny_models import tiny_card, tiny_model, write_tiny

BOTH = InstallOptions(worse=True, untested=True)
SIGNER = Signer()


@pytest.fixture
def config(tmp_path: Path) -> DeviceConfig:
    """`max_slower` is high, so that no test depends on this machine's speed."""
    return load_config(overrides=[f"device.state_dir={tmp_path}", "device.model.max_slower=10"])


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path)


def with_model(config: DeviceConfig, **changes: Any) -> DeviceConfig:
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **changes))


def metrics(accuracy: float, split: str = "public_test") -> tuple[dict[str, Any], ...]:
    return ({"split": split, "protocol": "one view", "accuracy": accuracy, "n": 3589},)


def tiny(model: bytes | None = None, **changes: Any) -> ModelFile:
    """A tiny model called new.tflite; `changes` go to its card."""
    return ModelFile("new.tflite", attach(tiny_model() if model is None else model, tiny_card(**changes)))


def bundled(**changes: Any) -> ModelFile:
    """The bundled network under another card."""
    card: ModelCard = dataclasses.replace(read_card(BUNDLED), **changes)
    return ModelFile("new.tflite", attach(BUNDLED.read_bytes(), card))


def accepted(config: DeviceConfig, store: ModelStore, file: ModelFile) -> None:
    """It is in force, and no longer on trial."""
    assert install(config, file, BOTH)
    store.accept()


def refused(config: DeviceConfig, file: ModelFile, options: InstallOptions | None = None) -> str:
    """Why; the record says the same, and nothing is left of the file."""
    store = ModelStore(Path(str(config.state_dir)))
    before = store.record()
    with pytest.raises(ModelError) as caught:
        install(config, file, options)
    record, digest = store.record(), hashlib.sha256(file.data).hexdigest()
    assert record.update is not None
    assert (record.update.state, record.update.reason) == ("refused", str(caught.value))
    assert record.update.new.digest == digest
    assert dataclasses.replace(record, update=None) == dataclasses.replace(before, update=None)
    assert not store.path(digest).exists()
    assert str(caught.value).startswith("new.tflite: ") and str(caught.value).endswith((".", ")."))
    return str(caught.value)


def test_a_good_model_is_put_on_trial(config: DeviceConfig, store: ModelStore) -> None:
    file = bundled(version="next")
    assert install(config, file)
    record = store.record()
    assert record.current == hashlib.sha256(file.data).hexdigest() and record.on_trial
    assert store.path(record.current).read_bytes() == file.data
    assert not install(config, file), "it is there already"
    with pytest.raises(StateError, match="a model is on trial"):
        install(config, bundled(version="after the next"))


def test_the_bundled_model_is_already_in_force(config: DeviceConfig, tmp_path: Path) -> None:
    assert not install(config, ModelFile("emotion.tflite", BUNDLED.read_bytes()))


WRONG: dict[str, tuple[ModelFile, str]] = {
    "no model": (ModelFile("new.tflite", b"PNG" * 1000), "this is not a .tflite model"),
    "empty": (ModelFile("new.tflite", b""), "this is not a .tflite model"),
    "no card": (ModelFile("new.tflite", tiny_model()), "there is no model card inside"),
    "cut short": (ModelFile("new.tflite", BUNDLED.read_bytes()[:200_000]), "cut short"),
    "a bit turned": (
        ModelFile("new.tflite", bytes([*tiny().data[:3000], tiny().data[3000] ^ 1, *tiny().data[3001:]])),
        "dam",
    ),
    "a card nobody can honour": (tiny(temperature=-1.0), "cannot be honoured: temperature"),
    "a card of another model": (tiny(tiny_model(3)), "the card names 7 labels"),
    "a network that cannot be loaded": (tiny(tiny_model()[:3000]), "the model cannot be loaded"),
    "other outputs than in its card": (tiny(golden=(9.0,) * 7), "steps off those in its card"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused(config: DeviceConfig, name: str) -> None:
    file, sentence = WRONG[name]
    assert sentence in refused(config, file, InstallOptions(worse=True))


def test_a_model_that_misclassifies_the_bundled_face_is_refused(config: DeviceConfig) -> None:
    said = refused(config, tiny(), InstallOptions(worse=True))
    assert re.search(
        r"it classifies the bundled face as surprise \(0\.31\), the previous model as happy \(0\.9\d\)", said
    )


@pytest.mark.parametrize(
    ("promised", "sentence"),
    [
        (
            metrics(0.62),
            "its card states 62.0% on public_test, the model in force 65.0%; install it with --allow-wor",
        ),
        (metrics(0.90, "training"), "its card states no accuracy on public_test, the model in force 65.0%"),
        ((), "its card states no accuracy"),
        (({**metrics(0.9)[0], "accuracy": "all"},), "its card states no accuracy"),
        (metrics(0.645), None),
        (metrics(0.70), None),
    ],
)
def test_a_card_with_lower_accuracy_is_refused_unless_allowed(
    config: DeviceConfig, store: ModelStore, promised: tuple[dict[str, Any], ...], sentence: str | None
) -> None:
    accepted(config, store, tiny(version="old", metrics=metrics(0.65)))
    file = tiny(version="new", metrics=promised)
    if sentence is not None:
        assert sentence in refused(config, file)
    assert install(config, file, InstallOptions(worse=True) if sentence else None)


def test_a_slow_model_is_refused(config: DeviceConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test process is replaced by one that reports fixed latencies."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{json.dumps({'problem': None, 'new_ms': 3.0, 'old_ms': 1.0})}'\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    reason = refused(with_model(config, max_slower=1.5), bundled(version="next"))
    assert "it takes 3.00 ms a face, the previous model 1.00 ms" in reason
    assert "at most 1.5 times as long is allowed (device.model.max_slower)" in reason


def test_the_fastest_run_counts_and_each_model_runs_first_in_turn(tmp_path: Path) -> None:
    new, old = (Classifier(write_tiny(tmp_path / f"{name}.tflite", version=name)) for name in ("new", "old"))
    times_ms = {"new": iter([9.0, 4.0, 5.0]), "old": iter([2.0, 3.0, 8.0])}
    order: list[str] = []

    def measure_ms(classifier: Classifier, _: object) -> float:
        order.append(classifier.card.version)
        return next(times_ms[classifier.card.version])

    comparison = LatencyComparison(new, old, measure_ms)
    comparison.run(3)
    assert comparison.rounds == 3 and comparison.latencies() == Latencies(4.0, 2.0)
    assert order == ["new", "old", "old", "new", "new", "old"]


@pytest.mark.parametrize(
    ("new_ms", "old_ms", "words"),
    [(30.0, 10.0, "max_slower"), (51.0, 49.0, "budget_ms"), (14.0, 10.0, None), (0.3, 0.1, None), (60.0, 55.0, None)],
)
def test_latency_limits(config: DeviceConfig, new_ms: float, old_ms: float, words: str | None) -> None:
    said = latency_problem(Latencies(new_ms, old_ms), with_model(config, max_slower=1.5))
    assert said is None if words is None else words in str(said)


def test_a_crash_of_the_test_process(config: DeviceConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -SEGV $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert "the process that tests it was ended by SIGSEGV" in refused(config, bundled(version="next"))
    python.write_text("#!/bin/sh\necho 'there is no more memory' >&2\nexit 3\n")
    assert "the process that tests it failed (there is no more memory)" in refused(config, bundled(version="next"))


def test_a_test_process_that_hangs(config: DeviceConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 3600\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    said = refused(with_model(config, test_s=0.2), bundled(version="next"))
    assert "its test takes longer than 0.2 s (device.model.test_s)" in said


def test_only_files_signed_with_a_known_key(config: DeviceConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    strict, file = with_model(config, public_keys=(SIGNER.public,)), bundled(version="next")
    assert "it is not signed, but device.model.public_keys requires a signature" in refused(strict, file)
    by_another = dataclasses.replace(file, signature=Signer(b"another!").sign(file.data))
    assert "a key that is not in device.model.public_keys" in refused(strict, by_another)
    of_another = dataclasses.replace(file, signature=SIGNER.sign(file.data + b"!"))
    assert "the signature is not of this file" in refused(strict, of_another)
    with pytest.raises(ConfigError, match="is not a minisign key"):
        install(with_model(config, public_keys=("RWmine",)), file)
    assert install(strict, dataclasses.replace(file, signature=SIGNER.sign(file.data)))


def test_an_unsigned_file_is_not_parsed(config: DeviceConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*_: object) -> Any:
        pytest.fail("its card was read")

    monkeypatch.setattr("device.model_registry.install.read_card", looked)
    refused(with_model(config, public_keys=(SIGNER.public,)), tiny())


def test_nothing_is_installed_while_model_path_is_set(config: DeviceConfig, store: ModelStore) -> None:
    with pytest.raises(ConfigError, match=r"device\.model\.path is /mine\.tflite, so an installed model would not run"):
        install(with_model(config, path="/mine.tflite"), tiny())
    assert store.record().update is None


def test_a_damaged_model_in_force_can_be_replaced(config: DeviceConfig, store: ModelStore) -> None:
    accepted(config, store, tiny(version="old", metrics=metrics(0.65)))
    store.path(store.record().current).write_bytes(b"")
    assert install(config, tiny(version="new"))


def test_a_refusal_leaves_the_previous_model_where_it_is(config: DeviceConfig, store: ModelStore) -> None:
    older = tiny(version="older", metrics=metrics(0.60))
    accepted(config, store, older)
    accepted(config, store, tiny(version="newer", metrics=metrics(0.70)))
    with pytest.raises(ModelError, match="its card states"):
        install(config, older)
    previous = store.record().previous
    assert previous == hashlib.sha256(older.data).hexdigest() and store.damage(previous) is None


def test_waiting_for_the_end_of_a_trial(config: DeviceConfig, store: ModelStore) -> None:
    install(config, tiny(), BOTH)
    digest = str(store.record().current)
    assert verdict(store, digest, 0.0) is None
    store.roll_back(digest, "no")
    update = verdict(store, digest, 60.0)
    assert update is not None and (update.state, update.reason) == ("rolled_back", "no")


def test_a_model_that_failed_gates_is_refused_unless_told(config: DeviceConfig, store: ModelStore) -> None:
    file = tiny(failed_gates=("agreement", "size"))
    with pytest.raises(ModelError, match=r"new\.tflite: its card says that it failed agreement, size"):
        install(config, file, BOTH)
    assert store.record().current is None
    assert install(with_model(config, allow_failed_gates=True), file, BOTH)
