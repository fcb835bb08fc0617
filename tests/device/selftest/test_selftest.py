"""`device selftest`: each check on a machine that passes it and on one that fails it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from device.inference.classifier import PROFILES, Classifier
from device.inference.golden import MAX_STEPS, Golden, measure, path_of
from device.mqtt.topics import CHANNELS, SELFTEST
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, retained
from tests.support.command import device
from tests.support.tiny_models import write_tiny

QUICK = [
    "--set",
    "device.selftest.runs=3",
    "--set",
    "device.selftest.warmup=1",
    "--set",
    "device.selftest.budget_ms=60000",
]
ASTRONAUT = Path(__file__).parents[3] / "device" / "assets" / "astronaut.jpg"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "m.tflite")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.stop()


def selftest(cwd: Path, model: Path, *args: object) -> tuple[int, dict[str, dict[str, Any]], dict[str, Any]]:
    """Exit code, checks by name, the whole report."""
    done = device("selftest", "--json", "--set", f"device.model.path={model}", *QUICK, *args, cwd=cwd)
    assert "Traceback" not in done.stderr, done.stderr
    report = json.loads(done.stdout)
    assert (done.returncode == 0) == report["ok"] == all(check["ok"] for check in report["checks"])
    return done.returncode, {check["name"]: check for check in report["checks"]}, report


def write_golden(model: Path, off: float = 0.0) -> Golden:
    """Write golden outputs that differ from this machine's by `off` steps."""
    own = measure(model, Classifier(model))
    shifted = Golden(own.model_digest, own.labels, tuple(x + off * own.step for x in own.logits), own.step)
    path_of(model).write_text(shifted.to_json())
    return shifted


def test_all_checks_pass_on_a_good_machine(tmp_path: Path, model: Path) -> None:
    write_golden(model)
    code, checks, report = selftest(tmp_path, model, "--source", ASTRONAUT)
    assert code == 0
    assert checks.keys() >= {"config", "model", "golden", "face", "camera", "mqtt", "state", "board", "speed"}
    assert checks["golden"]["detail"].startswith("outputs 0.0 steps off")
    assert "512x512" in checks["camera"]["detail"]
    assert checks["mqtt"]["skipped"] and "device.mqtt.host is null" in checks["mqtt"]["detail"]
    assert set(report["stages"]) == {"detect", "track", "check", "classify", "smooth", "total"}
    for stage in report["stages"].values():
        assert stage["n"] == 3 and 0 <= stage["p50_ms"] <= stage["p95_ms"] <= stage["max_ms"]
    assert list((tmp_path / "state").iterdir()) == []


def test_the_text_table_shows_the_same_results(tmp_path: Path, model: Path) -> None:
    done = device("selftest", "--no-camera", "--set", f"device.model.path={model}", *QUICK, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[-1] == "all checks passed"
    assert any(line.startswith("ok    model   tiny 0") for line in lines)
    assert any(line.startswith("skip  camera  --no-camera") for line in lines)
    assert any(line.startswith("total ") for line in lines)


@pytest.mark.parametrize("bundled", PROFILES)
def test_a_bundled_model_reproduces_its_golden_outputs(tmp_path: Path, bundled: str) -> None:
    done = device("selftest", "--no-camera", "--json", "--set", f"device.model.bundled={bundled}", *QUICK, cwd=tmp_path)
    golden = {check["name"]: check for check in json.loads(done.stdout)["checks"]}["golden"]
    assert golden["ok"] and not golden.get("skipped"), golden


def test_golden_outputs_that_differ(tmp_path: Path, model: Path) -> None:
    write_golden(model, off=MAX_STEPS + 1)
    code, checks, _ = selftest(tmp_path, model, "--no-camera")
    assert code == 1 and "steps off the golden outputs" in checks["golden"]["detail"]


def test_golden_outputs_in_the_card(tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "bare.tflite")
    logits = measure(model, Classifier(model)).logits
    for off, ok in ((0.0, True), (9.0, False)):
        write_tiny(model, golden=tuple(value + off for value in logits))
        _, checks, _ = selftest(tmp_path, model, "--no-camera")
        assert checks["golden"]["ok"] is ok and "steps off the golden outputs" in checks["golden"]["detail"]


def test_golden_outputs_of_another_model(tmp_path: Path, model: Path) -> None:
    write_golden(model)
    write_tiny(model, version="1")
    code, checks, _ = selftest(tmp_path, model, "--no-camera")
    assert code == 1 and "golden outputs beside it belong to another model" in checks["golden"]["detail"]


def test_golden_outputs_that_are_damaged(tmp_path: Path, model: Path) -> None:
    path_of(model).write_text("{")
    code, checks, _ = selftest(tmp_path, model, "--no-camera")
    assert code == 1 and "the golden outputs cannot be read" in checks["golden"]["detail"]


def test_a_missing_camera(tmp_path: Path, model: Path) -> None:
    code, checks, _ = selftest(tmp_path, model, "--source", "v4l2:///dev/video987")
    assert code == 1 and "no such camera" in checks["camera"]["detail"]


def test_a_machine_that_is_too_slow(tmp_path: Path, model: Path) -> None:
    code, checks, report = selftest(tmp_path, model, "--no-camera", "--set", "device.selftest.budget_ms=0.001")
    assert code == 1 and "raise device.selftest.budget_ms" in checks["speed"]["detail"]
    assert report["stages"]["total"]["n"] == 3


def test_a_detector_that_finds_no_face(tmp_path: Path, model: Path) -> None:
    code, checks, _ = selftest(tmp_path, model, "--no-camera", "--set", "device.detector.min_face_px=4000")
    assert code == 1 and "finds no face" in checks["face"]["detail"]


def test_haar_finds_the_face_too(tmp_path: Path, model: Path) -> None:
    _, checks, _ = selftest(tmp_path, model, "--no-camera", "--set", "device.detector.kind=haar")
    assert checks["face"]["ok"] and "haar" in checks["face"]["detail"]


@needs_mosquitto
def test_the_round_trip_uses_only_its_own_topic_and_retains_nothing(
    tmp_path: Path, model: Path, broker: Mosquitto
) -> None:
    with Listener(broker.port) as listener:
        where = [
            "--set",
            "device.mqtt.host=127.0.0.1",
            "--set",
            f"device.mqtt.port={broker.port}",
            "--set",
            "device.id=pi",
        ]
        code, checks, _ = selftest(tmp_path, model, "--no-camera", *where)
        assert code == 0 and "round trip" in checks["mqtt"]["detail"] and not checks["mqtt"].get("skipped")
        assert {message.topic for message in listener.heard} == {f"emotion/pi/{SELFTEST.address}"}
        assert SELFTEST in CHANNELS, "docs/events.md has it"
    assert retained(broker.port, "emotion/#") == {}


@needs_mosquitto
def test_a_broker_that_delivers_no_messages(tmp_path: Path, model: Path) -> None:
    (tmp_path / "acl").write_text("topic write emotion/#\n")
    broker = Mosquitto(tmp_path, extra=f"allow_anonymous true\nacl_file {tmp_path / 'acl'}").start()
    try:
        where = ["--set", "device.mqtt.host=127.0.0.1", "--set", f"device.mqtt.port={broker.port}"]
        code, checks, _ = selftest(tmp_path, model, "--no-camera", *where, "--set", "device.mqtt.connect_timeout_s=2")
        assert code == 1 and "delivers none" in checks["mqtt"]["detail"]
    finally:
        broker.stop()
