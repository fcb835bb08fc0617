"""Mistakes in the config: one sentence, exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import device, refusal


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "device:\n  mqtt:\n    hots: broker\n",
            "config.yaml, line 3: unknown setting device.mqtt.hots; did you mean host?",
        ),
        (
            "device:\n  mqtt:\n    port: '1883'\n",
            "config.yaml, line 3: device.mqtt.port is '1883', but must be a whole number",
        ),
        (
            "device:\n  camera:\n    fps: 0\n",
            "config.yaml, line 3: device.camera.fps is 0, but must be a number above 0",
        ),
        ("device:\n  camera: {fps: 15\n", "this is not valid YAML"),
        ("devise:\n", "config.yaml, line 1: unknown setting devise; did you mean device?"),
    ],
)
@pytest.mark.parametrize("command", ["check-config", "run", "selftest"])
def test_a_wrong_config(tmp_path: Path, command: str, text: str, sentence: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    done = device(command, cwd=tmp_path)
    assert sentence in refusal(done, 2)
    assert done.stdout == ""


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("device:\n  camera:\n    fps: [1\n  mqtt: x\n")
    assert "mine.yaml, line 4: this is not valid YAML" in refusal(
        device("run", "--config", "mine.yaml", cwd=tmp_path), 2
    )


def test_an_absent_config_and_a_wrong_override(tmp_path: Path) -> None:
    assert "nowhere.yaml: the config cannot be read" in refusal(
        device("run", "--config", "nowhere.yaml", cwd=tmp_path), 2
    )
    assert "did you mean port?" in refusal(device("run", "--set", "device.mqtt.prot=1", cwd=tmp_path), 2)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ([], "device.purpose and device.jurisdiction are not set; write them into config.yaml or add --set device.pur"),
        (["jurisdiction=eu"], "device.purpose is not set; write it into config.yaml or add --set device.purpose=...; "),
        (["purpose=art"], "device.jurisdiction is not set; write it into config.yaml"),
        (["purpose=spying", "jurisdiction=eu"], "device.purpose is 'spying', but must be one of art, audience, "),
        (["purpose=education", "jurisdiction=eu"], "Article 5(1)(f) of the EU AI Act (Regulation (EU) 2024/1689) pro"),
        (["purpose=workplace", "jurisdiction=eu"], "Article 5(1)(f) of the EU AI Act"),
        (["purpose=workplace", "jurisdiction=eu", "privacy.exception=safety"], "set device.privacy.exception and exc"),
    ],
)
@pytest.mark.parametrize("command", ["check-config", "run"])
def test_a_purpose_that_is_missing_or_prohibited(
    tmp_path: Path, command: str, settings: list[str], sentence: str
) -> None:
    wanted = [part for setting in settings for part in ("--set", f"device.{setting}")]
    done = device(command, *wanted, cwd=tmp_path)
    assert sentence in refusal(done, 2)
    assert done.stdout == ""
