"""Write the README's figures from the measurements, so that nobody types a number.

scripts/docs/readme.py demo                   from `device demo`: its output, and docs/demo.png
scripts/docs/readme.py accuracy scores.json   from the output of `trainer evaluate --json`
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from device.inference.classifier import BUNDLED
from device.inference.model_card import read_card

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
SPLITS = {"training": "Training", "public_test": "PublicTest", "private_test": "PrivateTest"}
PROTOCOL = """\
`device/models/emotion.tflite`: {parameters:,} parameters, {macs:.1f} M multiply-adds a face, {size:.0f} kB.
Measured in int8 through LiteRT, one view of each face, by `trainer evaluate --model
device/models/emotion.tflite --data <FER2013> --split public_test --json`. ± is the standard error.
PublicTest also selected the checkpoint and the temperature.
"""
MORE = """\
Without the least certain fifth of {split}, accuracy is {sure:.2%}. On faces corrupted in 15 ways
at 5 severities (noise, blur, bad light, bad crops, masks, ...) it is {mean:.2%} (n = {n:,}):
[all figures](docs/training.md#how-the-committed-model-was-scored)."""


def replaced(readme: str, name: str, text: str) -> str:
    """The README with the part between `<!-- name:begin -->` and `<!-- name:end -->` replaced."""
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    before, _, rest = readme.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{text}{end}{after}"


def demo() -> str:
    """Run the demo as a new user does; return its output as a code block."""
    done = subprocess.run([Path(sys.executable).with_name("device"), "demo"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    shutil.copy(ROOT / "demo" / "emotion-edge-demo.png", ROOT / "docs" / "demo.png")
    return f"```\n{done.stdout.strip()}\n```\n"


def accuracy(evaluations: Sequence[dict[str, Any]]) -> str:
    """The protocol, one or two rows for each split, and the loss through the detector."""
    card = read_card(BUNDLED)
    size = BUNDLED.stat().st_size / 1000
    lines = [PROTOCOL.format(parameters=card.parameters, macs=card.macs / 1e6, size=size)]
    lines += [
        "| faces | n | accuracy | mean of ten views | macro F1 | weighted F1 | ECE |",
        "|---|---|---|---|---|---|---|",
    ]
    for scores in evaluations:
        lines += _rows(scores)
    for scores in evaluations:
        lines += _more(scores)
    for scores in evaluations:
        lines += _through(scores)
    return "\n".join(lines) + "\n"


def _rows(scores: dict[str, Any]) -> Iterator[str]:
    split, views = SPLITS[scores["split"]], scores.get("tta", {}).get("ten_views", {})
    yield _row(f"{split}, all", scores, views)
    if scores["without_duplicates"]:
        name = f"{split}, no duplicates of Training"
        yield _row(name, scores["without_duplicates"], views.get("without_duplicates"))


def _row(name: str, scores: dict[str, Any], views: dict[str, Any] | None) -> str:
    share, n = scores["accuracy"], scores["n"]
    error = (share * (1 - share) / n) ** 0.5
    ten = f"{views['accuracy']:.2%}" if views else "-"
    figures = " | ".join(f"{scores[key]:.3f}" for key in ("macro_f1", "weighted_f1", "ece"))
    return f"| {name} | {n:,} | {share:.2%} ± {error:.2%} | {ten} | {figures} |"


def _more(scores: dict[str, Any]) -> Iterator[str]:
    """Accuracy without the least certain faces, and on corrupted ones."""
    if "corruptions" not in scores:
        return
    corrupted, sure = scores["corruptions"], scores["coverage"]
    split, n = SPLITS[scores["split"]], 75 * corrupted["faces"]
    yield "\n" + MORE.format(split=split, sure=sure["accuracy"], mean=corrupted["mean"], n=n)


def _through(scores: dict[str, Any]) -> Iterator[str]:
    if "detected" not in scores:
        return
    chain = f"Through the detector (`{scores['detector']}`), crop and network"
    yield f"\n{chain}, faces of {SPLITS[scores['split']]} pasted into 640x480:\n"
    yield "| face height (pixels) | n | found | accuracy of the found | without detector | points lost |"
    yield "|---|---|---|---|---|---|"
    for height, found in scores["detected"].items():
        through, direct, lost = (
            scores[key][height] for key in ("accuracy_through_detector", "accuracy_direct", "points_lost")
        )
        count = scores["faces_pasted"][height]
        accuracies = "- | - | -" if through is None else f"{through:.2%} | {direct:.2%} | {lost:.2f}"
        yield f"| {height} | {count:,} | {found:.1%} | {accuracies} |"


def main(name: str, *files: str) -> None:
    """Replace one part of the README."""
    text = demo() if name == "demo" else accuracy([json.loads(Path(file).read_text()) for file in files])
    README.write_text(replaced(README.read_text(encoding="utf-8"), name, text), encoding="utf-8")


if __name__ == "__main__":
    if not re.fullmatch(r"demo|accuracy .+", " ".join(sys.argv[1:])):
        sys.exit(__doc__)
    main(*sys.argv[1:])
