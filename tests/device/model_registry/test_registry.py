"""The installed models on disk: after a power cut, with damage, with two processes at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from device.config.schema import load_config
from device.errors import StateError
from device.inference.classifier import BUNDLED, PROFILES
from device.inference.model_card import read_card
from device.model_registry.registry import ModelStore, Record, model_path
from tests.support.tiny_models import write_tiny


def tiny(folder: Path, version: str) -> bytes:
    return write_tiny(folder / "some.tflite", version=version).read_bytes()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "state")


@pytest.fixture
def digest(store: ModelStore, tmp_path: Path) -> str:
    """A model that is on trial."""
    digest = store.add(tiny(tmp_path, "1"))
    store.start_trial(digest)
    return digest


def test_reading_creates_nothing(store: ModelStore, tmp_path: Path) -> None:
    assert store.record() == Record() and store.path(None) == BUNDLED
    assert not (tmp_path / "state").exists()


def test_from_trial_to_accepted(store: ModelStore, digest: str) -> None:
    record = store.record()
    assert (record.current, record.previous, record.on_trial) == (digest, None, True)
    assert record.update is not None and record.update.state == "trial"
    assert (record.update.new.version, record.update.new.digest) == ("1", digest)
    after = store.accept()
    assert after == store.record() and after.update is not None
    assert (after.on_trial, after.update.state, after.update.new) == (False, "accepted", record.update.new)
    assert store.accept() == after, "there is nothing more to accept"


def test_back_to_the_one_before_and_then_to_the_bundled_one(store: ModelStore, digest: str, tmp_path: Path) -> None:
    store.accept()
    second = store.add(tiny(tmp_path, "2"))
    store.start_trial(second)
    assert store.roll_back(digest, "not that one").current == second
    back = store.roll_back(second, "too slow")
    assert (back.current, back.previous, back.on_trial) == (digest, None, False)
    assert back.update is not None and (back.update.state, back.update.reason) == ("rolled_back", "too slow")
    assert (back.update.new.version, back.update.old.version) == ("2", "1")
    assert store.roll_back(digest, "too old").current is None
    assert store.roll_back(None, "nothing left").current is None


def test_a_refusal_changes_what_is_said_alone(store: ModelStore, digest: str) -> None:
    before = store.record()
    after = store.refuse(store.name(digest), "no")
    assert (after.current, after.on_trial) == (before.current, True)
    assert after.update is not None and (after.update.state, after.update.reason) == ("refused", "no")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"update": 3}', '{"update": null, "more": 1}'])
def test_a_damaged_record_means_the_bundled_model(store: ModelStore, digest: str, tmp_path: Path, text: str) -> None:
    (tmp_path / "state" / "models" / "record.json").write_text(text)
    assert store.record() == Record()


def test_a_model_that_is_no_longer_what_it_was(store: ModelStore, digest: str) -> None:
    assert store.damage(None) is None and store.damage(digest) is None
    data = bytearray(store.path(digest).read_bytes())
    data[1000] ^= 1
    store.path(digest).write_bytes(data)
    assert store.damage(digest) == "its file was damaged after it was installed"
    store.path(digest).unlink()
    assert "No such file" in str(store.damage(digest))


def test_one_that_cannot_be_read_any_more_is_still_known_by_name(store: ModelStore, digest: str) -> None:
    store.path(digest).write_bytes(b"")
    update = store.roll_back(digest, "it is gone").update
    assert update is not None and (update.new.name, update.new.version) == ("tiny", "1")


class PowerCutError(BaseException):
    """Nothing after this happens."""


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_power_cut_leaves_the_old_or_the_new(
    store: ModelStore, digest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, nth: int
) -> None:
    """Before the n-th of the steps that a second installation takes, the machine stops."""
    store.accept()
    old, data, left = store.record(), tiny(tmp_path, "2"), [nth]
    holder: object = os if step == "fsync" else Path
    real = getattr(holder, step)

    def cut(*args: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise PowerCutError
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(holder, step, cut)
        try:
            second = store.add(data)
            store.start_trial(second)
        except PowerCutError:
            second = None
    found = ModelStore(tmp_path / "state").record()
    assert found == old or (found.previous == digest and found.on_trial)
    assert second is None or found.current == second
    assert store.damage(found.current) is None, "what the record names is there in full"
    store.tidy()
    kept = {"record.json", "lock", *(f"{one}.tflite" for one in (found.current, found.previous) if one)}
    assert {file.name for file in (tmp_path / "state" / "models").iterdir()} == kept


def test_two_cannot_install_at_once(store: ModelStore, tmp_path: Path) -> None:
    with store.installing():
        with pytest.raises(StateError, match="another model is being installed"), store.installing():
            pytest.fail("the second began")
        assert store.accept() == Record(), "the record can still be changed"
    with store.installing():
        pass


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    store = ModelStore(tmp_path)
    for work in (store.record, store.accept, lambda: store.add(b"x")):
        with pytest.raises(StateError, match=r"the installed models cannot be used: .*; check device\.state_dir\."):
            work()


def test_the_settings_come_before_what_is_installed(store: ModelStore, digest: str, tmp_path: Path) -> None:
    where = f"device.state_dir={tmp_path / 'state'}"
    assert model_path(load_config(overrides=[where])) == store.path(digest)
    assert model_path(load_config(overrides=[where, "device.model.path=/my.tflite"])) == Path("/my.tflite")
    assert model_path(load_config(overrides=[f"device.state_dir={tmp_path / 'other'}"])) == BUNDLED


def test_which_bundled_model_runs_is_a_setting(tmp_path: Path) -> None:
    where, fast = f"device.state_dir={tmp_path}", "device.model.bundled=fast"
    assert model_path(load_config(overrides=[where, fast])) == PROFILES["fast"]
    assert read_card(PROFILES["fast"]).macs <= 30e6 < read_card(BUNDLED).macs


def test_the_record_is_plain_json(store: ModelStore, digest: str, tmp_path: Path) -> None:
    values = json.loads((tmp_path / "state" / "models" / "record.json").read_text())
    assert values["current"] == digest and values["update"]["new"]["name"] == "tiny"
