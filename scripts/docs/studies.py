"""Write what `trainer compare` found on FER2013 into docs/studies.md and the README, so that nobody types a figure.

    python -m scripts.docs.studies runs/compare      the folder that `trainer compare` wrote
    python -m scripts.docs.studies rows.json         or the untrained rows, from `trainer compare --list --json`

Replaces the part of docs/studies.md between <!-- rows:begin --> and <!-- rows:end -->. Where two rows have figures, it
also copies the Pareto pictures to docs/pictures/ and puts one into the README. Figures of drawn faces are refused.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.docs.readme import HOUSE, README, replaced
from trainer.compare import tables
from trainer.compare.plots import COSTS

STUDIES, PICTURES = HOUSE / "docs" / "studies.md", HOUSE / "docs" / "pictures"
PICTURE = """\
![Accuracy on the test faces against multiply-accumulates, with the Pareto front](docs/pictures/pareto-macs.png)

{trained} of {rows} rows have a figure; [docs/studies.md](docs/studies.md) has each row's split, schedule and figures.
"""
DRAWN = "![Accuracy against {what}, with the Pareto front](pictures/pareto-{cost}.png)"


def read(path: Path) -> tuple[str, list[dict[str, Any]]]:
    """Name of the data and the rows; no data for a list of rows before any is taught."""
    content = json.loads((path / "compare.json" if path.is_dir() else path).read_text(encoding="utf-8"))
    return ("", content) if isinstance(content, list) else (Path(content["data"]).name, content["rows"])


def markdown(data: str, rows: Sequence[dict[str, Any]], pictures: Sequence[str]) -> str:
    """The part of docs/studies.md that is measured."""
    trained = sum(row["state"] == "trained" for row in rows)
    on = f" Measured by `trainer compare --data {data}`." if trained else ""
    parts = [f"{trained} of {len(rows)} rows have a figure of ours.{on}"]
    for table in tables.tables(rows):
        parts += [f"### {table.title[0].upper()}{table.title[1:]}", table.markdown()]
    parts.append(tables.legend())
    parts += [DRAWN.format(what=COSTS[cost], cost=cost) for cost in pictures]
    return "\n\n".join(parts) + "\n"


def main(argv: Sequence[str]) -> int:
    """Write; exit 2 for wrong usage, 1 where the figures say nothing of people."""
    if len(argv) != 1 or not Path(argv[0]).exists():
        print("Say where the rows are: python -m scripts.docs.studies runs/compare", file=sys.stderr)
        return 2
    path = Path(argv[0])
    data, rows = read(path)
    if data == "toy":
        print(f"{path}: these figures are of drawn faces, and stay out of the documentation.", file=sys.stderr)
        return 1
    trained = sum(row["state"] == "trained" for row in rows)
    there = trained > 1 and path.is_dir()  # one point is no comparison
    drawn = [cost for cost in COSTS if there and (path / f"pareto-{cost}.png").is_file()]
    for cost in drawn:
        shutil.copy(path / f"pareto-{cost}.png", PICTURES / f"pareto-{cost}.png")
    STUDIES.write_text(replaced(STUDIES.read_text(), "rows", markdown(data, rows, drawn)), encoding="utf-8")
    if "macs" in drawn:
        text = PICTURE.format(trained=trained, rows=len(rows))
        README.write_text(replaced(README.read_text(), "pareto", text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
