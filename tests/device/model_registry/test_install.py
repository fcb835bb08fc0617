"""What comes to the device is checked before it runs."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from device.config.schema import DeviceConfig, load_config
from device.errors import ConfigError, ModelError, StateError
from device.inference.classifier import BUNDLED
from device.inference.model_card import ModelCard, attach, read_card
from device.model_registry import acceptance
from device.model_registry.acceptance import Times, too_slow
from device.model_registry.install import InstallOptions, ModelFile, install, verdict
from device.model_registry.registry import ModelStore, accepted
from tests.support.signing import Signer
from tests.support.tiny_models import tiny_card, tiny_model

BOTH = InstallOptions(worse=True, untested=True)
SIGNER = Signer()


@pytest.fixture
def config(tmp_path: Path) -> DeviceConfig:
    return load_config(overrides=[f"device.state_dir={tmp_path}"])


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


def proven(config: DeviceConfig, store: ModelStore, file: ModelFile) -> None:
    """It is in force, and not on trial any more."""
    assert install(config, file, BOTH)
    store.change(accepted)


def refused(config: DeviceConfig, file: ModelFile, leniency: InstallOptions | None = None) -> str:
    """Why; the record says the same, and nothing is left of the file."""
    store = ModelStore(Path(str(config.state_dir)))
    before = store.record()
    with pytest.raises(ModelError) as caught:
        install(config, file, leniency)
    record, digest = store.record(), hashlib.sha256(file.data).hexdigest()
    assert record.update is not None
    assert (record.update.state, record.update.reason) == ("refused", str(caught.value))
    assert record.update.new.digest == digest
    assert dataclasses.replace(record, update=None) == dataclasses.replace(before, update=None)
    assert not store.path(digest).exists()
    assert str(caught.value).startswith("new.tflite: ") and str(caught.value).endswith((".", ")."))
    return str(caught.value)


def test_a_good_one_is_tried_and_put_on_trial(config: DeviceConfig, store: ModelStore) -> None:
    file = bundled(version="next")
    assert install(config, file)
    record = store.record()
    assert record.current == hashlib.sha256(file.data).hexdigest() and record.on_trial
    assert store.path(record.current).read_bytes() == file.data
    assert not install(config, file), "it is there already"
    with pytest.raises(StateError, match="a model is on trial"):
        install(config, bundled(version="after the next"))


def test_the_bundled_one_need_not_be_installed(config: DeviceConfig, tmp_path: Path) -> None:
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
def test_what_cannot_be_right_is_refused(config: DeviceConfig, name: str) -> None:
    file, sentence = WRONG[name]
    assert sentence in refused(config, file, InstallOptions(worse=True))


def test_one_that_reads_a_known_face_wrongly_is_refused(config: DeviceConfig) -> None:
    said = refused(config, tiny(), InstallOptions(worse=True))
    assert re.search(r"it reads a known face as surprise \(0\.31\), the model before it as happy \(0\.9\d\)", said)


@pytest.mark.parametrize(
    ("promised", "sentence"),
    [
        (
            metrics(0.62),
            "its card promises 62.0% on public_test, the model in force 65.0%; install it with --allow-wor",
        ),
        (metrics(0.90, "training"), "its card promises no accuracy on public_test, the model in force 65.0%"),
        ((), "its card promises no accuracy"),
        (({**metrics(0.9)[0], "accuracy": "all"},), "its card promises no accuracy"),
        (metrics(0.645), None),
        (metrics(0.70), None),
    ],
)
def test_a_card_that_promises_less_is_refused_unless_that_is_meant(
    config: DeviceConfig, store: ModelStore, promised: tuple[dict[str, Any], ...], sentence: str | None
) -> None:
    proven(config, store, tiny(version="old", metrics=metrics(0.65)))
    file = tiny(version="new", metrics=promised)
    if sentence is not None:
        assert sentence in refused(config, file)
    assert install(config, file, InstallOptions(worse=True) if sentence else None)


def test_a_slow_one_is_refused(config: DeviceConfig, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "NOISE_MS", 0.05)  # 0.3 ms more is all that a fast machine needs for it
    proven(config, store, tiny())
    said = refused(config, ModelFile("new.tflite", attach(tiny_model(size=512), tiny_card(size=512))))
    assert "at most 1.5 times as long may be (device.model.max_slower)" in said


@pytest.mark.parametrize(
    ("new_ms", "old_ms", "words"),
    [(30.0, 10.0, "max_slower"), (51.0, 49.0, "budget_ms"), (14.0, 10.0, None), (0.3, 0.1, None), (60.0, 55.0, None)],
)
def test_what_too_slow_is(config: DeviceConfig, new_ms: float, old_ms: float, words: str | None) -> None:
    said = too_slow(Times(new_ms, old_ms), config)
    assert said is None if words is None else words in str(said)


def test_one_that_brings_down_what_tests_it(
    config: DeviceConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -SEGV $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert "the process that tests it was ended by SIGSEGV" in refused(config, bundled(version="next"))
    python.write_text("#!/bin/sh\necho 'there is no more memory' >&2\nexit 3\n")
    assert "the process that tests it failed (there is no more memory)" in refused(config, bundled(version="next"))


def test_one_that_takes_for_ever(config: DeviceConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 3600\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    said = refused(with_model(config, test_s=0.2), bundled(version="next"))
    assert "its test takes longer than 0.2 s (device.model.test_s)" in said


def test_only_what_is_signed_with_a_known_key(config: DeviceConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    strict, file = with_model(config, public_keys=(SIGNER.public,)), bundled(version="next")
    assert "it is not signed, and device.model.public_keys asks for that" in refused(strict, file)
    by_another = dataclasses.replace(file, signature=Signer(b"another!").sign(file.data))
    assert "a key that device.model.public_keys does not name" in refused(strict, by_another)
    of_another = dataclasses.replace(file, signature=SIGNER.sign(file.data + b"!"))
    assert "the signature is not of this file" in refused(strict, of_another)
    with pytest.raises(ConfigError, match="is no key of minisign"):
        install(with_model(config, public_keys=("RWmine",)), file)
    assert install(strict, dataclasses.replace(file, signature=SIGNER.sign(file.data)))


def test_an_unsigned_file_is_not_looked_into(config: DeviceConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*_: object) -> Any:
        pytest.fail("its card was read")

    monkeypatch.setattr("device.model_registry.install.read_card", looked)
    refused(with_model(config, public_keys=(SIGNER.public,)), tiny())


def test_where_the_settings_name_a_model_nothing_is_installed(config: DeviceConfig, store: ModelStore) -> None:
    with pytest.raises(ConfigError, match=r"device\.model\.path is /mine\.tflite, so nothing that is installed would"):
        install(with_model(config, path="/mine.tflite"), tiny())
    assert store.record().update is None


def test_a_damaged_model_in_force_does_not_keep_others_out(config: DeviceConfig, store: ModelStore) -> None:
    proven(config, store, tiny(version="old", metrics=metrics(0.65)))
    store.path(store.record().current).write_bytes(b"")
    assert install(config, tiny(version="new"))


def test_a_refusal_leaves_the_previous_model_where_it_is(config: DeviceConfig, store: ModelStore) -> None:
    older = tiny(version="older", metrics=metrics(0.60))
    proven(config, store, older)
    proven(config, store, tiny(version="newer", metrics=metrics(0.70)))
    with pytest.raises(ModelError, match="its card promises"):
        install(config, older)
    previous = store.record().previous
    assert previous == hashlib.sha256(older.data).hexdigest() and store.damage(previous) is None


def test_a_verdict_is_waited_for(config: DeviceConfig, store: ModelStore) -> None:
    install(config, tiny(), BOTH)
    digest = str(store.record().current)
    assert verdict(store, digest, 0.0) is None
    store.change(store.rolled_back(digest, "no"))
    update = verdict(store, digest, 60.0)
    assert update is not None and (update.state, update.reason) == ("rolled_back", "no")
