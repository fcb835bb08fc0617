"""Write the figures of `trainer compare` into docs/studies.md and the README.

    python -m scripts.docs.studies runs/compare      the folder that `trainer compare` wrote python
    -m scripts.docs.studies rows.json         or the untrained rows, from `trainer compare --list
    --json`

Replaces the part of docs/studies.md between <!-- rows:begin --> and <!-- rows:end -->. Where two
rows have figures, it also copies the Pareto plots to docs/pictures/ and puts one into the README.
Figures of synthetic faces are refused.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.docs.readme import README, ROOT, replaced
from trainer.compare import tables
from trainer.compare.plots import COSTS
from trainer.compare.result import ExperimentResult, Status

STUDIES, PICTURES = ROOT / "docs" / "studies.md", ROOT / "docs" / "pictures"
PICTURE = """\
![Accuracy against multiply-accumulates, with the Pareto front](docs/pictures/pareto-macs.png)

{evaluated} of {rows} rows have a figure. [docs/studies.md](docs/studies.md) has all of them, with split and
schedule.
"""
DRAWN = "![Accuracy against {what}, with the Pareto front](pictures/pareto-{cost}.png)"


def load(path: Path) -> tuple[str, list[ExperimentResult]]:
    """Name of the data and the rows; no data for a list of untrained rows."""
    content = json.loads((path / "compare.json" if path.is_dir() else path).read_text(encoding="utf-8"))
    data, rows = ("", content) if isinstance(content, list) else (Path(content["data"]).name, content["rows"])
    return data, [ExperimentResult.from_json(row) for row in rows]


def markdown(data: str, rows: Sequence[ExperimentResult], pictures: Sequence[str]) -> str:
    """The part of docs/studies.md that is measured."""
    evaluated = _count(rows)
    on = f" Measured by `trainer compare --data {data}`." if evaluated else ""
    parts = [f"{evaluated} of {len(rows)} rows have a figure of ours.{on}"]
    for table in tables.tables(rows):
        parts += [f"### {table.title[0].upper()}{table.title[1:]}", table.markdown()]
    parts.append(tables.legend())
    parts += [DRAWN.format(what=COSTS[cost], cost=cost) for cost in pictures]
    return "\n\n".join(parts) + "\n"


def _count(rows: Sequence[ExperimentResult]) -> int:
    return sum(row.status is Status.EVALUATED for row in rows)


def main(argv: Sequence[str]) -> int:
    """Write; exit 2 for wrong usage, 1 for figures of synthetic faces."""
    if len(argv) != 1 or not Path(argv[0]).exists():
        print("Name the folder of the rows: python -m scripts.docs.studies runs/compare", file=sys.stderr)
        return 2
    path = Path(argv[0])
    data, rows = load(path)
    if data == "toy":
        print(f"{path}: these figures are of synthetic faces, and stay out of the documentation.", file=sys.stderr)
        return 1
    evaluated = _count(rows)
    there = evaluated > 1 and path.is_dir()  # one point is no comparison
    drawn = [cost for cost in COSTS if there and (path / f"pareto-{cost}.png").is_file()]
    for cost in drawn:
        shutil.copy(path / f"pareto-{cost}.png", PICTURES / f"pareto-{cost}.png")
    STUDIES.write_text(replaced(STUDIES.read_text(), "rows", markdown(data, rows, drawn)), encoding="utf-8")
    if "macs" in drawn:
        text = PICTURE.format(evaluated=evaluated, rows=len(rows))
        README.write_text(replaced(README.read_text(), "pareto", text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
