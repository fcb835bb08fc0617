"""Config reload, the pause on disk, and signals."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from device.config.schema import DeviceConfig, load_config
from device.errors import BrokerError, ConfigError
from device.service.config_reload import ConfigReloader
from device.service.pause import FILE, Pause
from device.service.signals import Signals, StoppedError

OLD, NEW = DeviceConfig(), load_config(overrides=["device.id=porch"])


def no_check(_: DeviceConfig) -> None:
    """Everything is good."""


def bad(_: object = None) -> DeviceConfig:
    raise ConfigError("config.yaml, line 3: no.")


@pytest.mark.parametrize(
    ("read", "check", "other", "error"),
    [
        (lambda: OLD, no_check, False, None),
        (lambda: NEW, no_check, True, None),
        (bad, no_check, False, "config.yaml, line 3: no."),
        (lambda: NEW, bad, False, "config.yaml, line 3: no."),
        (None, no_check, False, None),
    ],
)
def test_settings_read_again_hold_if_they_are_good(
    read: Callable[[], DeviceConfig] | None, check: Callable[[DeviceConfig], object], other: bool, error: str | None
) -> None:
    reloader = ConfigReloader(OLD, read, check)
    assert reloader.reload() is other
    assert (reloader.config, reloader.error) == (NEW if other else OLD, error)


def test_a_mistake_that_was_corrected_is_forgotten() -> None:
    answers = [bad, lambda: OLD]
    reloader = ConfigReloader(OLD, lambda: answers.pop(0)(), no_check)
    reloader.reload()
    assert reloader.error
    reloader.reload()
    assert reloader.error is None


def test_new_settings_that_fail_in_use_give_way_to_the_old_ones_once() -> None:
    reloader = ConfigReloader(OLD, lambda: NEW, no_check)
    assert not reloader.fall_back(BrokerError("x")), "there are no others"
    reloader.reload()
    assert reloader.fall_back(BrokerError("there is no broker."))
    assert (reloader.config, reloader.error) == (OLD, "there is no broker.")
    assert not reloader.fall_back(BrokerError("x"))


def test_new_settings_that_have_worked_stay() -> None:
    reloader = ConfigReloader(OLD, lambda: NEW, no_check)
    reloader.reload()
    reloader.confirm()
    assert not reloader.fall_back(BrokerError("x"))
    assert reloader.config is NEW


def test_a_pause_outlives_the_process(tmp_path: Path) -> None:
    assert not Pause(tmp_path).on
    assert Pause(tmp_path).set(True)
    again = Pause(tmp_path)
    assert again.on and again.set(True) and again.set(False)
    assert not Pause(tmp_path).on and again.set(False)


def test_a_pause_that_cannot_be_kept_holds_all_the_same(tmp_path: Path) -> None:
    gone = Pause(tmp_path / "gone")
    assert not gone.set(True) and gone.on
    (tmp_path / FILE).mkdir()
    blocked = Pause(tmp_path)
    assert blocked.on and not blocked.set(False)


def test_sigterm_asks_once_and_sighup_asks_for_the_settings() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Signals(can_reread=True) as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert (signals.reread, signals.stop) == (True, False)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stop
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "a second one takes effect at once"
    assert signal.getsignal(signal.SIGTERM) == before


def test_sighup_of_a_terminal_that_closes_means_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.service.signals._at_terminal", lambda: True)
    with Signals(can_reread=True) as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert (signals.reread, signals.stop) == (False, True)


def test_a_wait_is_broken_off() -> None:
    with Signals() as signals:
        with pytest.raises(StoppedError), signals.interruptible():
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("it went on")
        with pytest.raises(StoppedError), signals.interruptible():
            pytest.fail("it went on, though the signal had come before")
