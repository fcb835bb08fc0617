"""Add the networks that others made, as NOTICE lists them, to a bill of materials (CycloneDX JSON).

python scripts/release/add_networks.py dist/emotion_edge-0.1.0.cdx.json
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^(device/models/\S+)\n((?:    .*\n)+)", re.MULTILINE)
LICENCES = {"Apache License 2.0": "Apache-2.0", "3-clause BSD": "BSD-3-Clause"}


def networks(root: Path = ROOT) -> list[dict[str, Any]]:
    """A component of the bill for every network in NOTICE.

    Raises:
        ValueError: NOTICE names no licence, or another digest than that of the file.
    """
    return [_component(root, *block) for block in BLOCK.findall((root / "NOTICE").read_text(encoding="utf-8"))]


def _component(root: Path, file: str, about: str) -> dict[str, Any]:
    digest = hashlib.sha256((root / file).read_bytes()).hexdigest()
    licence = next((spdx for words, spdx in LICENCES.items() if words in about), None)
    if digest not in about or licence is None:
        raise ValueError(f"NOTICE: the entry of {file} lacks its licence, or the sha256 {digest}")
    component: dict[str, Any] = {
        "bom-ref": file,
        "description": about.strip().splitlines()[0],
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": [{"license": {"id": licence}}],
        "name": Path(file).name,
        "type": "machine-learning-model",
    }
    if address := re.search(r"https://[^\s),;]+", about):
        component["externalReferences"] = [{"type": "website", "url": address[0]}]
    return component


def main(bill: Path) -> None:
    """Write them into the bill."""
    content = json.loads(bill.read_text(encoding="utf-8"))
    added = networks()
    names = {component["bom-ref"] for component in added}
    kept = [component for component in content.get("components", []) if component.get("bom-ref") not in names]
    content["components"] = sorted([*kept, *added], key=lambda component: str(component.get("bom-ref")))
    bill.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
