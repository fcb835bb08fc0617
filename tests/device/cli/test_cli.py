"""The `device` command: usage, configs, the model's card."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from device.cli import main
from device.inference.model_card import digest
from tests.support.tiny_models import LABELS, write_tiny

DECLARED = ["--set", "device.purpose=test", "--set", "device.jurisdiction=elsewhere"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "argv", [[], ["fly"], ["run", "--nonsense"], ["run", "--sour", "x"], ["demo", "--broker", "x"]]
)
def test_wrong_usage_is_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    assert "usage: device" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["run", "selftest", "demo", "model", "replay", "fleet", "check-config", "completion"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 8


def test_help_fits_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for argv in (
        ["--help"],
        ["run", "--help"],
        ["selftest", "--help"],
        ["demo", "--help"],
        ["fleet", "--help"],
        ["dashboard", "--help"],
        ["watch", "--help"],
    ):
        with pytest.raises(SystemExit):
            main(argv)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("emotion-edge 0.")


def test_check_config_takes_the_config_yaml_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", *DECLARED]) == 0
    assert capsys.readouterr().out.startswith("built-in defaults: good; changed from the defaults: 2\n")
    Path("config.yaml").write_text("device: {purpose: art, jurisdiction: eu, mqtt: {host: broker.local}}\n")
    assert main(["check-config", "--set", "device.camera.fps=5"]) == 0
    output = capsys.readouterr().out.splitlines()
    assert output[0] == "config.yaml: good; changed from the defaults: 4"
    assert output[3:] == [
        "  device.camera.fps: 5.0 (default 15.0)",
        "  device.mqtt.host: 'broker.local' (default None)",
    ]


def test_check_config_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--json", *DECLARED, "--set", "device.mqtt.port=1884"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert output["ok"] and output["changed"]["device.mqtt.port"] == 1884 and output["device"]["camera"]["fps"] == 15


def test_what_check_config_prints_is_a_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--print", *DECLARED, "--set", "device.mqtt.port=1884"]) == 0
    text = capsys.readouterr().out
    assert yaml.safe_load(text)["device"]["mqtt"]["port"] == 1884
    Path("mine.yaml").write_text(text)
    assert main(["check-config", "--config", "mine.yaml"]) == 0
    assert "changed from the defaults: 3" in capsys.readouterr().out


def test_check_config_prints_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--all", *DECLARED]) == 0
    everything = yaml.safe_load(capsys.readouterr().out)["device"]
    assert everything["fleet"]["flaps"] == 2
    assert main(["check-config", "--print", *DECLARED, "--set", "device.tracker.lost_s=2"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["device"]["tracker"] == {"lost_s": 2}


def test_check_config_prints_a_file_to_begin_with_and_says_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--print"]) == 0
    output = capsys.readouterr()
    assert yaml.safe_load(output.out)["device"]["purpose"] is None
    assert output.err.startswith("device: note: device.purpose and device.jurisdiction are not set; ")
    assert output.err.count("\n") == 1


def test_check_config_alone_says_all_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config"]) == 2
    said = capsys.readouterr().err
    for part in ("device.purpose", "device.jurisdiction", "home", "elsewhere", "config.yaml"):
        assert part in said
    assert said.count("\n") == 1


def test_check_config_says_when_one_face_will_give_no_output(capsys: pytest.CaptureFixture[str]) -> None:
    groups = ["--set", "device.purpose=audience", "--set", "device.jurisdiction=eu"]
    assert main(["check-config", *groups]) == 0
    assert "with fewer than 5 faces in view (device.privacy.min_group) there is no output" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("device.id=a/b", "device.id is 'a/b'"),
        ("device.mqtt.base_topic=a/#", "device.mqtt.base_topic is 'a/#'"),
        ("device.smoother.leave=0.9", "device.smoother.leave is 0.9"),
        ("device.camera.fps=0", "device.camera.fps is 0, but must be a number above 0 and at most 120."),
    ],
)
def test_check_config_refuses_what_run_would(wrong: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", *DECLARED, "--set", wrong]) == 2
    output = capsys.readouterr()
    assert (
        output.out == ""
        and sentence in output.err
        and output.err.startswith("device: ")
        and output.err.count("\n") == 1
    )


def test_model_prints_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = ({"split": "public_test", "n": 3589, "accuracy": 0.6712},)
    path = write_tiny(tmp_path / "m.tflite", metrics=metrics, parameters=16128, notes="made of bands")
    assert main(["model", str(path)]) == 0
    output = capsys.readouterr().out
    for part in ("tiny 0", *LABELS, "48x48 grey", "int8", "16,128", "accuracy 0.6712", "made of bands", digest(path)):
        assert part in output
    assert "teachers" not in output  # empty


def test_model_json_and_the_model_of_the_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_tiny(tmp_path / "m.tflite")
    assert main(["model", "--json", "--set", f"device.model.path={path}"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert output["digest"] == digest(path) and output["card"]["labels"] == list(LABELS)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(13, "Permission denied", "a/b.yaml"), "a/b.yaml: Permission denied."),
        (OSError(12, "Cannot allocate memory"), "Cannot allocate memory."),
    ],
)
def test_an_error_of_the_system_that_nothing_expected_is_one_sentence(
    error: OSError, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr("device.cli.check_config.run", fail)
    assert main(["check-config"]) == 1
    assert capsys.readouterr().err == f"device: {sentence}\n"


def test_a_reader_who_leaves_is_no_traceback() -> None:
    command = f"{sys.executable} -m device check-config --print | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.stdout and "Traceback" not in done.stderr and "Exception" not in done.stderr
