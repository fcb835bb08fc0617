"""What `trainer compare` leaves: one page of tables and pictures, the same as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.artifacts.run_dir import write_text
from trainer.compare import plots as compare_plots
from trainer.compare import tables
from trainer.compare.result import PICTURES
from trainer.reporting import plots


def publish(out: Path, results: Sequence[dict[str, Any]], source: str) -> None:
    """Write compare.md, compare.csv and compare.json."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "compare.md", markdown(out, results, source))
    write_text(out / "compare.csv", tables.as_csv(results))
    write_text(out / "compare.json", json.dumps({"data": source, "rows": list(results)}, indent=2) + "\n")


def markdown(out: Path, results: Sequence[dict[str, Any]], source: str) -> str:
    """Tables and pictures on one page."""
    trained = [result for result in results if result["state"] == "trained"]
    parts = [f"# {len(trained)} of {len(results)} rows, on {Path(source).name}"]
    if source == "toy":
        parts.append("**Drawn faces: these figures say nothing of people.**")
    for table in tables.tables(results):
        parts += [f"## {table.title[0].upper()}{table.title[1:]}", table.markdown()]
    parts.append(tables.legend())
    parts += [f"![{path.stem}]({path.name})" for path in sorted(out.glob("*.png"))]
    for result in trained:
        folder = Path(result["study"]) / f"{result['name']}-{result['protocol']}"
        drawn = [f"[{name}]({folder / name}.png)" for name in PICTURES if (out / folder / f"{name}.png").is_file()]
        parts.append(f"- {result['key']}: {', '.join(drawn)}")
    return "\n\n".join(parts) + "\n"


def draw(out: Path, results: Sequence[dict[str, Any]]) -> None:
    """What accuracy costs, with the Pareto front, and how the rows of each study learnt."""
    out.mkdir(parents=True, exist_ok=True)
    for cost in compare_plots.COSTS:
        if found := compare_plots.points(results, cost):
            title = f"{len(found)} rows with a figure of {len(results)}"
            plots.save_picture(out / f"pareto-{cost}.png", compare_plots.pareto(found, cost, title))
    for study in dict.fromkeys(result["study"] for result in results):
        curves = {r["name"]: [r["curve"]] for r in results if r["study"] == study and "curve" in r}
        if curves:
            figure = plots.compared_curves(curves, study, "accuracy on validation")
            plots.save_picture(out / f"learning-{study}.png", figure)
