"""The bill of materials names the networks that others made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from device.inference.classifier import PROFILES
from scripts.release.add_networks import networks

ROOT = Path(__file__).parents[2]


def test_every_network_of_others_is_a_component(tmp_path: Path) -> None:
    bill = tmp_path / "bill.json"
    package = {"bom-ref": "numpy", "name": "numpy", "type": "library"}
    bill.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [package]}))
    for _ in range(2):  # a second time adds nothing
        subprocess.run([sys.executable, "scripts/release/add_networks.py", str(bill)], cwd=ROOT, check=True)
    components = json.loads(bill.read_text())["components"]
    found = {part["name"]: part for part in components if part["type"] == "machine-learning-model"}
    ours = {path.name for path in PROFILES.values()}
    assert found.keys() == {path.name for path in (ROOT / "device" / "models").glob("*.tflite")} - ours
    assert all(part["licenses"] and part["hashes"][0]["content"] for part in found.values())
    assert package in components and len(components) == 1 + len(found)


def test_a_network_that_is_not_the_one_in_notice(tmp_path: Path) -> None:
    (tmp_path / "device" / "models").mkdir(parents=True)
    (tmp_path / "device" / "models" / "face.tflite").write_bytes(b"another")
    (tmp_path / "NOTICE").write_text("device/models/face.tflite\n    A detector, Apache License 2.0\n    sha256 00\n")
    with pytest.raises(ValueError, match=r"face\.tflite lacks its licence, or the sha256"):
        networks(tmp_path)


def test_the_release_adds_them() -> None:
    assert 'add_networks.py "$bill"' in (ROOT / "scripts" / "release" / "package").read_text()
