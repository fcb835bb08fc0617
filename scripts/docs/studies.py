"""Write the figures of `trainer compare` into docs/studies.md and the README.

    python -m scripts.docs.studies                   what docs/studies.json has
    python -m scripts.docs.studies runs/compare      and the folder that `trainer compare` wrote

docs/studies.json has every figure measured so far: rows may be trained on several machines, and
their folders need not be kept. A row that a folder has too is taken from there. Replaces the part
of docs/studies.md between <!-- rows:begin --> and <!-- rows:end -->. Where two rows have figures,
it also draws the Pareto plots of all of them into docs/pictures/ and puts one into the README.
Figures of synthetic faces are refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scripts.docs.readme import README, ROOT, replaced
from trainer.compare import tables
from trainer.compare.page import draw_pareto
from trainer.compare.plots import COSTS
from trainer.compare.result import ExperimentResult, Status
from trainer.compare.studies import STUDIES as ROWS
from trainer.compare.studies.transfer import PER_CLASS
from trainer.compare.untrained import untrained_result
from trainer.reporting.tables import ScoreTable

STUDIES, PICTURES = ROOT / "docs" / "studies.md", ROOT / "docs" / "pictures"
STORE = ROOT / "docs" / "studies.json"
PICTURE = """\
![Accuracy against multiply-accumulates, with the Pareto front](docs/pictures/pareto-macs.png)

{evaluated} of {rows} rows have a figure, {short} of them of minutes on a CPU ([all of them](docs/studies.md)).
"""
DRAWN = "![Accuracy against {what}, with the Pareto front](pictures/pareto-{cost}.png)"


def load(path: Path) -> tuple[str, list[ExperimentResult]]:
    """Name of the data and the rows; no data for a list of untrained rows."""
    content = json.loads((path / "compare.json" if path.is_dir() else path).read_text(encoding="utf-8"))
    data, rows = ("", content) if isinstance(content, list) else (Path(content["data"]).name, content["rows"])
    return data, [ExperimentResult.from_json(row) for row in rows]


def merged(rows: Sequence[ExperimentResult], kept: Sequence[ExperimentResult]) -> list[ExperimentResult]:
    """The rows; where one has no figure, the one that is kept, beside what its study reports."""
    known = {row.key: row for row in kept}
    return [
        replace(known[row.key], published=row.published)
        if row.status is not Status.EVALUATED and row.key in known
        else row
        for row in rows
    ]


def markdown(data: str, rows: Sequence[ExperimentResult], pictures: Sequence[str]) -> str:
    """The part of docs/studies.md that is measured."""
    evaluated = _count(rows)
    on = f" Measured by `trainer compare --data {data}`." if evaluated else ""
    parts = [f"{evaluated} of {len(rows)} rows have a figure of ours.{on}"]
    for table in tables.tables(rows):
        parts += [f"### {table.title[0].upper()}{table.title[1:]}", table.markdown()]
    parts += ["### Published per emotion", "Means of the three networks of the transfer-learning study, 7,178 faces."]
    parts += [per_class().markdown(), tables.legend()]
    parts += [DRAWN.format(what=COSTS[cost], cost=cost) for cost in pictures]
    return "\n\n".join(parts) + "\n"


def per_class() -> ScoreTable:
    """What the transfer-learning study reports of each emotion."""
    rows = [
        [name, *(f"{value:,}" if isinstance(value, int) else f"{value:.3f}" for value in values)]
        for name, values in PER_CLASS.items()
    ]
    return ScoreTable("published per emotion", ["emotion", "precision", "recall", "F1", "faces", "AUC"], rows)


def _count(rows: Sequence[ExperimentResult]) -> int:
    return sum(row.status is Status.EVALUATED for row in rows)


def _keep(data: str, rows: Sequence[ExperimentResult], kept: Sequence[ExperimentResult]) -> None:
    """Write the rows with figures, and those kept before that are not among them."""
    found = [row for row in rows if row.status is Status.EVALUATED]
    found += [row for row in kept if row.key not in {row.key for row in rows}]
    content = {"data": data, "rows": [row.to_json() for row in found]}
    STORE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main(argv: Sequence[str]) -> int:
    """Write; exit 2 for wrong usage, 1 for figures of synthetic faces."""
    if len(argv) > 1 or (argv and not Path(argv[0]).exists()):
        print("Name the folder of the rows: python -m scripts.docs.studies runs/compare", file=sys.stderr)
        return 2
    kept_data, kept = load(STORE) if STORE.is_file() else ("", [])
    path = Path(argv[0]) if argv else STORE
    data, rows = load(path) if argv else ("", [untrained_result(row) for study in ROWS.values() for row in study])
    if data == "toy":
        print(f"{path}: these figures are of synthetic faces, and stay out of the documentation.", file=sys.stderr)
        return 1
    data, rows = data or kept_data, merged(rows, kept)
    _keep(data, rows, kept)
    evaluated = _count(rows)
    drawn = draw_pareto(PICTURES, rows) if evaluated > 1 else []  # one point is no comparison
    STUDIES.write_text(replaced(STUDIES.read_text(), "rows", markdown(data, rows, drawn)), encoding="utf-8")
    if "macs" in drawn:
        short = sum(row.short for row in rows if row.status is Status.EVALUATED)
        text = PICTURE.format(evaluated=evaluated, short=short, rows=len(rows))
        README.write_text(replaced(README.read_text(), "pareto", text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
