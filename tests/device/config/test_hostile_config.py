"""Configs that were made, or broken, to stop the device: each is one sentence, soon and cheaply."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from device.config.schema import DeviceConfig, load_config
from device.config.yaml_text import MAX_CHARACTERS
from device.errors import ConfigError
from device.service.config_reload import ConfigReloader

MAX_S = 5.0  # of processor time
MAX_KB = 200_000

LAUGHS = "\n".join(
    [f"a0: &a0 [{', '.join(['x'] * 10)}]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))]
)
TEXTS = {
    "an integer of no digits": ("device: {id: !!int ''}", "device.id cannot be read"),
    "neither true nor false": ("device: {mqtt: {tls: !!bool maybe}}", "device.mqtt.tls cannot be read"),
    "no time": ("device: {id: !!timestamp x}", "device.id cannot be read"),
    "no float": ("device: {camera: {fps: !!float x}}", "device.camera.fps cannot be read"),
    "no binary": ("device: {id: !!binary ä}", "device.id cannot be read"),
    "no set": ("device: {id: !!set 3}", "device.id cannot be read"),
    "no pairs": ("device: {id: !!pairs [1]}", "device.id cannot be read"),
    "zero bits": ("device: {mqtt: {port: 0b}}", "device.mqtt.port is '0b', but"),
    "ones": (f"device: {{mqtt: {{port: 0b{'1' * 4000}}}}}", "device.mqtt.port is "),
    "20,000 ones": (f"device: {{mqtt: {{port: 0b{'1' * 20_000}}}}}", f"longer than {MAX_CHARACTERS} characters"),
    "sixties": (f"device: {{mqtt: {{port: 1{':1' * 200_000}}}}}", "longer than"),
    "a null byte in a path": ('device: {state_dir: "a\\0b"}', "without control characters"),
    "an escape": ('device: {purpose_note: "\\e[2J"}', "without control characters"),
    "half of a pair": ('device: {camera: {source: "\\ud800"}}', "without control characters"),
    "beyond Unicode": ('device: {id: "\\UFFFFFFFF"}', "this is not valid YAML"),
    "an alias in itself": ("device: &a {mqtt: *a}", "an alias stands for what it is in"),
    "a list in itself": ("device: {model: {public_keys: &a [*a]}}", "an alias stands for what it is in"),
    "nine levels of aliases": (f"{LAUGHS}\ndevice: {{id: *a9}}", "more than 100,000 values"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "deep groups": ("{a: " * 100_000, "nested too deeply"),
    "many": ("- 1\n" * 200_000, "more than 10,000 values"),
    "a megabyte of comments": ("# a comment\n" * 80_000 + "device: {id: 5}", "line 80001: device.id is 5"),
    "two megabytes": ("#" * 2_000_000, "it is larger than 1,000,000 bytes"),
    "a key of a megabyte": (f"{'k' * 900_000}: 1", "longer than"),
    "a version of YAML": (f"%YAML 1.{'9' * 5000}\n---\n", "this is not valid YAML"),
    "another version": ("%YAML 9.9\n---\ndevice: {}", "this is not valid YAML"),
    "an unknown tag": ("device: {id: !!python/object/apply:os.system [ls]}", "device.id cannot be read"),
    "a control character": ("device: {id: \x1b}", "this is not valid YAML"),
    "a long list": (f"device: {{model: {{public_keys: [{'a, ' * 2000}]}}}}", "a list at most 1000 items"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_config_that_is_refused_soon_and_in_one_sentence(tmp_path: Path, name: str) -> None:
    text, told = TEXTS[name]
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    began_s, began_kb = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "c.yaml")
    assert told in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000
    assert time.process_time() - began_s < MAX_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began_kb < MAX_KB


@pytest.mark.parametrize("place", ["pipe", "/dev/zero", "/dev/tty0"])
def test_a_config_that_is_no_file(tmp_path: Path, place: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="cannot be read: "):
        load_config(tmp_path / place)


def test_text_of_several_lines_and_few_aliases_are_allowed(tmp_path: Path) -> None:
    text = "device:\n  purpose_note: &note |\n    two\n    lines\n  id: x\n  model: {path: *note}\n"
    (tmp_path / "c.yaml").write_text(text)
    config = load_config(tmp_path / "c.yaml")
    assert config.purpose_note == config.model.path == "two\nlines\n"


@pytest.mark.parametrize("error", [KeyError("a"), RecursionError(), MemoryError(), ValueError("\x1b[2J" * 1000)])
def test_a_reload_survives_any_exception(error: Exception) -> None:
    def read() -> DeviceConfig:
        raise error

    old = DeviceConfig()
    reloader = ConfigReloader(old, read, lambda _: None)
    assert not reloader.reload() and reloader.config is old
    assert reloader.error is not None and type(error).__name__ in reloader.error
    assert reloader.error.isprintable() and len(reloader.error) < 1100


def test_settings_that_fail_in_use_in_any_way_give_way_to_the_old_ones() -> None:
    old, new = DeviceConfig(), load_config(overrides=["device.id=porch"])
    reloader = ConfigReloader(old, lambda: new, lambda _: None)
    assert reloader.reload() and reloader.fall_back(OSError(22, "Invalid argument"))
    assert reloader.config is old and "OSError" in str(reloader.error)


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "~nobody-of-this-name"])
@pytest.mark.parametrize("key", ["model.path", "state_dir", "mqtt.password_file"])
def test_the_home_folder_of_nobody(tmp_path: Path, key: str, path: str) -> None:
    from device.errors import EmotionEdgeError
    from device.model_registry.registry import model_path
    from device.mqtt.credentials import user

    config = load_config(overrides=[f"device.{key}={path}"])
    for read in (lambda: model_path(config), lambda: user(config.mqtt)):
        try:
            read()
        except EmotionEdgeError as error:
            assert path in str(error)
