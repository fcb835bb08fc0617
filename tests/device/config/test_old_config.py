"""A config.yaml that an earlier version accepted is accepted still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from device.cli import main
from device.config.loader import to_dict
from device.config.schema import load_config
from trainer.config import load_config as load_trainer

OLD = Path(__file__).with_name("config-b1c7e6a.yaml")  # every setting of that commit
NEW_DEFAULTS = {  # since that commit
    "camera.source",
    *("detector.kind", "detector.min_score", "detector.min_face_px"),
    *("smoother.time_constant_s", "smoother.enter", "smoother.leave", "smoother.dwell_s"),
}
DECLARED = ["--set", "device.purpose=test", "--set", "device.jurisdiction=elsewhere"]


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_check_config_accepts_every_old_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--config", str(OLD), *DECLARED]) == 0
    changed = {
        line.split(":")[0].removeprefix("  device.")
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("  device.")
    }
    assert changed == {"purpose", "jurisdiction", *NEW_DEFAULTS}


def test_both_programs_read_every_old_value() -> None:
    old = dict(flat(yaml.safe_load(OLD.read_text())))
    new = dict(flat({"device": to_dict(load_config(OLD)), "trainer": to_dict(load_trainer(OLD))}))
    assert len(old) > 160
    old["trainer.bf16"] = "true"  # a word since there is `auto`
    assert {key: new.get(key, "gone") for key in old} == old


def test_config_yaml_still_trains_as_it_did() -> None:
    """Its values are kept, although it leaves most settings out, and they are the defaults."""
    old = replace(load_trainer(OLD), bf16="auto")  # on a machine with bfloat16 that is the same
    assert load_trainer(OLD.parents[3] / "config.yaml") == old == load_trainer()
