"""A model on trial: it is accepted or rolled back, even if it crashes the process."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from device.config.schema import DeviceConfig, load_config
from device.errors import BrokerError, StateError
from device.inference.model_card import ModelCard, attach
from device.messages import ModelUpdate
from device.model_registry.registry import ModelStore
from device.model_registry.trial import MIN_ROUNDS, ROUNDS_A_STEP, Trial
from tests.support.clock import Clock
from tests.support.tiny_models import tiny_card, tiny_model, write_tiny


@pytest.fixture
def config(tmp_path: Path) -> DeviceConfig:
    values = {"state_dir": tmp_path, "model.trial_s": 10, "model.trial_frames": 20, "model.trial_starts": 2}
    return load_config(overrides=[f"device.{key}={value}" for key, value in values.items()])


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path)


@pytest.fixture
def first(store: ModelStore, tmp_path: Path) -> str:
    """A tiny model that is accepted, the target of a rollback."""
    digest = store.add(write_tiny(tmp_path / "first.tflite", version="first").read_bytes())
    store.start_trial(digest)
    store.accept()
    return digest


def installed(store: ModelStore, model: bytes, card: ModelCard) -> str:
    digest = store.add(attach(model, card))
    store.start_trial(digest)
    return digest


def second(store: ModelStore, **changes: Any) -> str:
    """One like the first; `changes` go to the card."""
    return installed(store, tiny_model(), tiny_card(**({"version": "second"} | changes)))


def said(trial: Trial) -> ModelUpdate:
    assert trial.update is not None
    return trial.update


def ended(trial: Trial) -> bool:
    """`over`, as a function: mypy assumes that a property keeps its value."""
    return trial.over


def with_still_time(trial: Trial, clock: Clock, seconds: int = 11, fps: int = 5) -> list[str]:
    """Step once a second; the states of all changed updates."""
    news: list[str] = []
    for _ in range(seconds + 1):
        if trial.step(int(clock.now_s) * fps):
            news.append(said(trial).state)
        clock.now_s += 1
    return news


def test_a_good_model_is_accepted(config: DeviceConfig, store: ModelStore, first: str) -> None:
    digest, clock = second(store), Clock()
    with Trial(config, clock) as trial:
        assert trial.path == store.path(digest) and said(trial).state == "trial"
        assert with_still_time(trial, clock, seconds=9) == [] and store.record().on_trial
        assert with_still_time(trial, clock, seconds=1) == ["accepted"]
        assert not trial.over
    record = store.record()
    assert (record.current, record.previous, record.on_trial, record.begun) == (digest, first, False, 0)


def test_without_frames_the_trial_goes_on(config: DeviceConfig, store: ModelStore, first: str) -> None:
    clock = Clock()
    second(store)
    with Trial(config, clock) as trial:
        assert with_still_time(trial, clock, seconds=60, fps=0) == []
    assert store.record().on_trial


def test_a_slow_model_is_rolled_back(config: DeviceConfig, store: ModelStore, first: str) -> None:
    second(store)
    clock = Clock()
    with Trial(config, clock, lambda classifier, _: 1.0 if classifier.card.version == "first" else 3.0) as trial:
        assert with_still_time(trial, clock) == ["rolled_back"] and trial.over
        assert "it takes 3.00 ms a face, the previous model 1.00 ms" in str(said(trial).reason)
    with Trial(config) as trial:
        assert trial.path == store.path(first) and said(trial).state == "rolled_back"


def test_a_trial_needs_enough_measurements(config: DeviceConfig, store: ModelStore, first: str) -> None:
    """A clock that jumps, as after a suspend, does not end the trial."""
    second(store)
    clock = Clock()
    with Trial(config, clock) as trial:
        for _ in range(MIN_ROUNDS // ROUNDS_A_STEP - 1):
            clock.now_s += 1000
            assert not trial.step(1000)
        assert trial.step(1000)


WRONG: dict[str, tuple[bytes, ModelCard, str]] = {
    "not what its card says": (tiny_model(3), tiny_card(), "the card names 7 labels"),
    "damaged": (tiny_model()[:3000], tiny_card(), "the model cannot be loaded"),
    "not what it said where it was made": (tiny_model(), tiny_card(golden=(9.0,) * 7), "off those in its card"),
    "dumb": (tiny_model(2, "float32"), tiny_card(("a", "b"), "float32", golden=(1e9, 0.0)), "steps off"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_model_never_runs(config: DeviceConfig, store: ModelStore, first: str, name: str) -> None:
    model, card, reason = WRONG[name]
    installed(store, model, card)
    with Trial(config) as trial:
        assert trial.path == store.path(first) and not trial.over
        assert said(trial).state == "rolled_back" and reason in str(said(trial).reason)


def test_a_model_that_disagrees_with_the_bundled_one(config: DeviceConfig, store: ModelStore) -> None:
    second(store)
    with Trial(config) as trial:
        assert "it classifies the bundled face as surprise" in str(said(trial).reason)
        assert "the previous model as happy" in str(said(trial).reason)


def test_a_model_that_crashes_the_process_is_rolled_back_after_some_starts(
    config: DeviceConfig, store: ModelStore, first: str
) -> None:
    digest = second(store)
    for _ in range(config.model.trial_starts):
        assert Trial(config).__enter__().path == store.path(digest)  # and then the process is gone
    with Trial(config) as trial:
        assert trial.path == store.path(first)
        assert said(trial).reason == "the device was started with it 2 times and did not end in order"


def test_orderly_ends_and_broker_errors_do_not_count(config: DeviceConfig, store: ModelStore, first: str) -> None:
    digest = second(store)
    for _ in range(5):
        with Trial(config):
            pass
        with pytest.raises(BrokerError), Trial(config):
            raise BrokerError("there is none.")
    with Trial(config) as trial:
        assert trial.path == store.path(digest) and store.record().begun == 1


def test_an_unexpected_error_rolls_back(config: DeviceConfig, store: ModelStore, first: str) -> None:
    second(store)
    with pytest.raises(ZeroDivisionError), Trial(config):
        raise ZeroDivisionError("oh")
    record = store.record()
    assert record.current == first and record.update is not None
    assert record.update.reason == "the device failed with it: ZeroDivisionError: oh"


def test_damage_is_found_long_after_the_trial(config: DeviceConfig, store: ModelStore, first: str) -> None:
    digest = second(store)
    store.accept()
    store.path(digest).write_bytes(b"\0" * 1000)
    store.path(first).write_bytes(b"")
    with Trial(config) as trial:
        assert trial.path == store.path(None), "one after the other, down to the bundled one"
        assert said(trial).reason == "its file was damaged after it was installed"


def test_changes_by_other_processes_end_the_session(config: DeviceConfig, store: ModelStore, first: str) -> None:
    with Trial(config) as trial:
        assert not trial.step(0) and not ended(trial)
        store.refuse(store.name(None), "no")
        assert trial.step(0) and said(trial).state == "refused" and not ended(trial)
        digest = second(store)
        assert trial.step(0) and said(trial).state == "trial" and ended(trial)
    assert store.record().begun == 0, "it was not this session's model"
    with Trial(config) as trial:
        store.roll_back(digest, "asked for")
        assert trial.step(0) and ended(trial)
    assert store.record().current == first


def test_a_full_disk_does_not_stop_the_session(
    config: DeviceConfig, store: ModelStore, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = second(store)
    real = ModelStore._commit

    def full(*_: object) -> Any:
        raise StateError("the disk is full.")

    monkeypatch.setattr(ModelStore, "_commit", full)
    clock = Clock()
    with Trial(config, clock) as trial:
        assert trial.path == store.path(digest)
        assert with_still_time(trial, clock) == [] and not trial.over
        monkeypatch.setattr(ModelStore, "_commit", real)
        assert with_still_time(trial, clock, seconds=0) == ["accepted"]
    second(store, version="third")
    store.path(store.record().current).write_bytes(b"")
    monkeypatch.setattr(ModelStore, "_commit", full)
    with Trial(config) as trial:
        assert trial.path == store.path(digest) and said(trial).state == "rolled_back"
        assert not trial.step(0) and not trial.over, "though the disk still says otherwise"


def test_a_model_from_the_settings_is_not_on_trial(config: DeviceConfig, store: ModelStore, first: str) -> None:
    second(store)
    mine = dataclasses.replace(config, model=dataclasses.replace(config.model, path="/mine.tflite"))
    with Trial(mine) as trial:
        assert trial.path == Path("/mine.tflite") and trial.update is None
        assert not trial.step(100) and not trial.over
