"""The loop between camera and publisher, in this process: a file for a camera, and a publisher that
remembers.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import device
from device.config.schema import DeviceConfig, load_config
from device.errors import BrokerError, ConfigError, EmotionEdgeError
from device.messages import EmotionEvent, Health, ModelInfo, ModelUpdate, TrackState
from device.publishing.command_inbox import Request
from device.publishing.reports import CameraReport, ConfigReport, ModelReport, Progress, Report
from device.service import run
from device.vision.observation import Observation
from device.vision.pipeline import Pipeline
from tests.support.tiny_models import write_tiny

PICTURE = Path(device.__file__).parent / "assets" / "astronaut.jpg"


class Memory:
    """A publisher that records its input, and sends requests at given frames."""

    def __init__(self, asked: dict[int, list[Request]] | None = None, connected: bool = True) -> None:
        self.said: list[str] = []  # events by type, camera states, answers by verb
        self.tracks: set[int] = set()
        self.answers: dict[Request, tuple[dict[str, Any] | None, str | None]] = {}
        self.troubles: list[str | None] = []
        self.updates: list[ModelUpdate | None] = []
        self.progress: Progress | None = None
        self.closed = False
        self._connected = connected
        self._asked = asked or {}
        self._polls = 0

    @property
    def remote(self) -> Memory | None:
        return self if self._connected else None

    def publish(self, events: Sequence[EmotionEvent], faces: Sequence[TrackState]) -> None:
        self.said += [event.type for event in events]
        self.tracks |= {event.track for event in events} | {face.track for face in faces}

    def report(self, report: Report) -> None:
        match report:
            case CameraReport(state, _):
                self.said.append(state)
            case ConfigReport(error):
                self.troubles.append(error)
            case ModelReport(update):
                self.updates.append(update)
            case Progress():
                self.progress = report

    def health(self) -> Health | None:
        return None

    def requests(self) -> list[Request]:
        self._polls += 1
        return self._asked.get(self._polls, [])

    def answer(self, request: Request, data: dict[str, Any] | None, error: str | None = None) -> None:
        self.said.append(f"{request.verb} answered")
        self.answers[request] = (data, error)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def config(tmp_path: Path) -> DeviceConfig:
    values = {
        "id": "porch",
        "purpose": "test",
        "jurisdiction": "elsewhere",
        "state_dir": tmp_path,
        "camera.source": PICTURE,
        "camera.fast": True,
        "model.path": write_tiny(tmp_path / "tiny.tflite"),
    }
    return load_config(overrides=[f"device.{key}={value}" for key, value in values.items()])


@pytest.fixture
def memories(monkeypatch: pytest.MonkeyPatch) -> list[Memory]:
    """What each life gets for a publisher, in turn; the last one again and again."""
    lives: list[Memory] = []
    left: list[Memory] = []

    def opened(
        config: DeviceConfig,
        model: ModelInfo,
        update: ModelUpdate | None,
        commands: Collection[str],
        seq: Iterator[int],
    ) -> Memory:
        left[:] = left or list(lives)
        return left.pop(0)

    monkeypatch.setattr(run, "open_publisher", opened)
    return lives


def over_mqtt(config: DeviceConfig) -> DeviceConfig:
    """As if there were a broker: only then is there somebody who could end a pause."""
    return dataclasses.replace(config, mqtt=dataclasses.replace(config.mqtt, host="broker"))


def test_a_film_from_its_start_to_its_end(config: DeviceConfig, memories: list[Memory]) -> None:
    seen: list[Observation] = []
    memories.append(Memory())
    assert run.run(config, seen.append) == 0
    (memory,) = memories
    assert [word for word in memory.said if word != "update"] == ["running", "start", "end", "ended"]
    assert memory.closed and len(seen) == 45 and memory.progress is not None


def test_a_pause_ends_every_track_before_it_is_answered(config: DeviceConfig, memories: list[Memory]) -> None:
    pause, resume = Request("pause", "1"), Request("resume", "2")
    memories.append(Memory({20: [pause], 22: [pause, resume]}))
    run.run(over_mqtt(config))
    said = [word for word in memories[0].said if word != "update"]
    assert said[:5] == ["running", "start", "end", "paused", "pause answered"]
    assert said[5:8] == ["pause answered", "starting", "resume answered"]
    assert said[-2:] == ["end", "ended"], "it played again from the beginning"
    assert memories[0].answers == {
        pause: ({"camera": "paused", "survives_restart": True}, None),
        resume: ({"camera": "starting", "survives_restart": True}, None),
    }


def test_a_pause_on_disk_holds_until_resume_and_is_of_no_account_without_a_broker(
    config: DeviceConfig, memories: list[Memory], tmp_path: Path
) -> None:
    (tmp_path / "paused").touch()
    memories.append(Memory({3: [Request("resume", "1")]}))
    run.run(over_mqtt(config))
    assert memories[0].said[:3] == ["paused", "starting", "resume answered"] and "start" in memories[0].said
    (tmp_path / "paused").touch()
    memories[:] = [Memory(connected=False)]
    run.run(config)
    assert "paused" not in memories[0].said


def test_self_tests_run_one_at_a_time_beside_the_chain(
    config: DeviceConfig, memories: list[Memory], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(config: DeviceConfig, camera: bool, live: dict[str, Any]) -> Any:
        time.sleep(0.2)
        raise ValueError("of a kind nobody thought of")

    monkeypatch.setattr("device.service.command_handler.selftest", slow)
    first, second = Request("selftest", "1"), Request("selftest", "2")
    memories.append(Memory({5: [first, second]}))
    run.run(over_mqtt(dataclasses.replace(config, camera=dataclasses.replace(config.camera, fast=False))))
    assert memories[0].answers == {
        second: (None, "a self-test is running already; wait for its answer."),
        first: (None, "the self-test failed: of a kind nobody thought of."),
    }
    assert "end" in memories[0].said, "the chain went on"


def test_a_prohibited_purpose_sees_nothing(config: DeviceConfig, memories: list[Memory]) -> None:
    with pytest.raises(ConfigError, match=r"Article 5\(1\)\(f\)"):
        run.run(dataclasses.replace(config, purpose="education", jurisdiction="eu"))


@pytest.mark.parametrize("trouble", [ValueError, BrokerError])
def test_what_goes_wrong_in_the_chain_still_ends_the_tracks(
    config: DeviceConfig, memories: list[Memory], monkeypatch: pytest.MonkeyPatch, trouble: type[Exception]
) -> None:
    process = Pipeline.process

    def fail(self: Pipeline, frame: Any) -> Observation:
        if frame.index == 20:
            raise trouble("it broke")
        return process(self, frame)

    monkeypatch.setattr(Pipeline, "process", fail)
    memories.append(Memory())
    with pytest.raises(trouble, match="it broke"):
        run.run(config)
    assert memories[0].said[-2:] == ["end", "stopped"] and memories[0].closed


def test_a_source_that_is_not_there_is_a_camera_that_failed(config: DeviceConfig, memories: list[Memory]) -> None:
    memories.append(Memory())
    with pytest.raises(EmotionEdgeError, match="there is no such file"):
        run.run(dataclasses.replace(config, camera=dataclasses.replace(config.camera, source="nowhere.mp4")))
    assert memories[0].said == ["failed"] and memories[0].closed


def signalling(number: signal.Signals, frame: int) -> Callable[[Observation], None]:
    """Somebody who looks on and, once, sends a signal."""
    sent: list[int] = []

    def watch(observation: Observation) -> None:
        if observation.frame.index == frame and not sent:
            sent.append(frame)
            os.kill(os.getpid(), number)

    return watch


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.service.signals._at_terminal", lambda: False)


def test_a_signal_ends_it(config: DeviceConfig, memories: list[Memory]) -> None:
    memories.append(Memory())
    assert run.run(config, signalling(signal.SIGTERM, 20)) == 0
    assert memories[0].said[-2:] == ["end", "stopped"]


@pytest.mark.usefixtures("no_terminal")
def test_other_settings_begin_another_life(config: DeviceConfig, memories: list[Memory]) -> None:
    memories += [Memory(), Memory()]
    other = dataclasses.replace(config, purpose_note="another")
    assert run.run(config, signalling(signal.SIGHUP, 20), lambda: other) == 0
    assert memories[0].said[-2:] == ["end", "stopped"] and memories[0].closed
    assert memories[1].said[-2:] == ["end", "ended"] and memories[1].troubles == []


@pytest.mark.usefixtures("no_terminal")
def test_the_track_ids_go_on_with_other_settings(config: DeviceConfig, memories: list[Memory]) -> None:
    memories += [Memory(), Memory(), Memory()]
    others = [dataclasses.replace(config, purpose_note=note) for note in ("second", "third")]
    watched: set[int] = set()
    hang_up = [signalling(signal.SIGHUP, frame) for frame in (20, 21)]

    def watch(observation: Observation) -> None:
        watched.update(face.track.id for face in observation.faces)
        for signal_once in hang_up:
            signal_once(observation)

    assert run.run(config, watch, lambda: others.pop(0)) == 0
    assert [memory.tracks for memory in memories] == [{1}, {2}, {3}]
    assert watched == {1, 2, 3}


@pytest.mark.usefixtures("no_terminal")
def test_the_numbers_of_printed_events_go_on_with_other_settings(
    config: DeviceConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataclasses.replace(config, purpose_note="another")
    assert run.run(config, signalling(signal.SIGHUP, 20), lambda: other) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["track"] for line in lines if line["type"] == "start"] == [1, 2]


@pytest.mark.usefixtures("no_terminal")
def test_bad_settings_are_told_of_and_the_life_goes_on(config: DeviceConfig, memories: list[Memory]) -> None:
    memories.append(Memory())
    bad = dataclasses.replace(config, purpose="education", jurisdiction="eu")
    assert run.run(config, signalling(signal.SIGHUP, 20), lambda: bad) == 0
    assert memories[0].said[-1] == "ended"
    assert ["Article 5(1)(f)" in (trouble or "") for trouble in memories[0].troubles] == [True]


@pytest.mark.usefixtures("no_terminal")
def test_settings_that_fail_in_use_give_way_to_the_old_ones(config: DeviceConfig, memories: list[Memory]) -> None:
    memories += [Memory(), Memory(), Memory()]
    gone = dataclasses.replace(config, camera=dataclasses.replace(config.camera, source="nowhere.mp4"))
    assert run.run(config, signalling(signal.SIGHUP, 20), lambda: gone) == 0
    assert memories[1].said == ["failed"] and memories[1].closed
    assert memories[2].said[-1] == "ended"
    (trouble,) = memories[2].troubles
    assert trouble is not None and trouble.startswith("nowhere.mp4: there is no such file")


def test_the_command_from_end_to_end(config: DeviceConfig, capsys: pytest.CaptureFixture[str]) -> None:
    from device.cli import main

    settings = ["purpose=test", "jurisdiction=elsewhere", f"model.path={config.model.path}"]
    sets = [part for setting in settings for part in ("--set", f"device.{setting}")]
    assert main(["run", "--fast", "--source", str(PICTURE), *sets]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (lines[0]["type"], lines[-1]["type"]) == ("start", "end")
    assert main(["selftest", "--no-camera", "--json", *sets, "--set", "device.selftest.runs=1"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["checks"]
