"""Write a committed model's scores from `trainer evaluate --json`, so that nobody types a number.

    python -m scripts.docs.scores scores.json [fer.json]

Saves the figures in docs/scores/<model>.json, draws docs/pictures/<model>-reliability.png and
<model>-coverage.png, and replaces the part of docs/training.md between the markers
`scores-<model>`. `fer.json` is the output of `python -m benchmarks.accuracy --json`.
`scripts/docs/score` does all of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from device.inference.model_card import digest, read_card
from scripts.docs.readme import SPLITS, replaced
from trainer.reporting import plots, tables
from trainer.reporting.run_report import coverage_curves

ROOT = Path(__file__).resolve().parents[2]
MODELS, KEPT, PICTURES = ROOT / "device" / "models", ROOT / "docs" / "scores", ROOT / "docs" / "pictures"
TRAINING = ROOT / "docs" / "training.md"
PROTOCOL = """\
`device/models/{file}`, version {version}: {parameters:,} parameters, {macs:.1f} M multiply-adds, int8, through LiteRT,
on {split} of FER2013. **One view of each face: {headline}.** All of this was
measured and written by `scripts/docs/score <FER2013>{argument}`; the figures in full are in
[scores/{stem}.json](scores/{stem}.json). PublicTest also chose the checkpoint and the
temperature, so expect a little less elsewhere."""
NOTES = {
    "summary": "The first column is the official figure. New faces are those without an exact duplicate in Training.\n"
    "Several views are the mean over the face and its mirror image (2), and over both moved to each corner too (10).",
    "calibration": "Brier from 0 to 2; NLL against FER+ takes the shares of the annotators' votes as labels.",
    "coverage": "AURC is the mean error of the most confident faces, over all shares; 0 is best.",
    "corruptions": "Accuracy by kind and severity ([one face with all corruptions](pictures/corruptions.png)),\n"
    "after Hendrycks & Dietterich 2019; `trainer/data/corruptions.py` has the strength of each severity.",
}


def kept(scores: dict[str, Any], fer: dict[str, Any] | None) -> dict[str, Any]:
    """The scores as committed, without paths of the machine that measured them."""
    found = scores | {"model": f"device/models/{Path(scores['model']).name}", "data": Path(scores["data"]).name}
    if "against" in found:
        found["against"] = found["against"] | {"model": Path(found["against"]["model"]).name}
    return found | ({"fer": fer} if fer else {})


def as_text(scores: dict[str, Any]) -> str:
    """JSON with a line for each key, so that a change shows where it is."""
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in scores.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def markdown(scores: dict[str, Any]) -> str:
    """The part of docs/training.md that belongs to a model."""
    return "\n\n".join(_parts(scores)) + "\n"


def _parts(scores: dict[str, Any]) -> Iterator[str]:
    file = Path(scores["model"]).name
    card, stem = read_card(MODELS / file), Path(file).stem
    yield PROTOCOL.format(
        file=file, stem=stem, version=card.version, parameters=card.parameters, macs=card.macs / 1e6,
        split=SPLITS[scores["split"]], headline=tables.headline(scores),
        argument="" if stem == "emotion" else f" {scores['model']}",
    )  # fmt: skip
    yield _section(tables.summary(scores), NOTES["summary"])
    yield _section(tables.calibration(scores), NOTES["calibration"])
    yield f"![Confidence against accuracy, before and after the temperature](pictures/{stem}-reliability.png)"
    yield _section(tables.coverage(scores), NOTES["coverage"])
    yield f"![Accuracy of the most confident faces, by their share](pictures/{stem}-coverage.png)"
    yield _section(tables.classes(scores))
    if "corruptions" in scores:
        yield _section(tables.corruptions(scores["corruptions"]), NOTES["corruptions"])
    if "detected" in scores:
        yield _section(tables.through(scores))
    for compared in (scores, scores.get("fer", {})):
        if "against" in compared:
            yield _section(tables.against(compared), tables.verdict(compared["against"]))


def _section(table: tables.ScoreTable, note: str = "") -> str:
    title = table.title[0].upper() + table.title[1:]
    return "\n\n".join([f"### {title}", *([note] if note else []), table.markdown()])


def main(file: str, fer_file: str | None = None) -> None:
    """Save the scores, draw their plots, replace their part of docs/training.md."""
    fer = json.loads(Path(fer_file).read_text()) if fer_file else None
    scores = kept(json.loads(Path(file).read_text()), fer)
    stem, model = Path(scores["model"]).stem, ROOT / scores["model"]
    mark, text = f"scores-{stem}", TRAINING.read_text(encoding="utf-8")
    if digest(model) != scores["model_digest"]:
        sys.exit(f"scores: {file} was measured with another {model.name} than the one in device/models; measure again.")
    if f"<!-- {mark}:begin -->" not in text:
        sys.exit(
            f"scores: docs/training.md has no markers for them; add <!-- {mark}:begin --> and <!-- {mark}:end -->."
        )
    KEPT.mkdir(exist_ok=True)
    (KEPT / f"{stem}.json").write_text(as_text(scores), encoding="utf-8")
    title = f"{model.name}, {SPLITS[scores['split']]}, n = {scores['n']:,}"
    reliability = plots.reliability(scores["calibration"], title)
    plots.save_picture(PICTURES / f"{stem}-reliability.png", reliability)
    coverage = plots.risk_coverage(coverage_curves(scores), title)
    plots.save_picture(PICTURES / f"{stem}-coverage.png", coverage)
    TRAINING.write_text(replaced(text, mark, markdown(scores)), encoding="utf-8")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
