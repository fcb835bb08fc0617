"""The output of `trainer compare`: a page of tables and plots, and the same as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from trainer.artifacts.run_dir import write_text
from trainer.compare import plots as compare_plots
from trainer.compare import tables
from trainer.compare.evaluation import PICTURES
from trainer.compare.result import ExperimentResult, Status
from trainer.reporting import plots


def publish(out: Path, results: Sequence[ExperimentResult], source: str) -> None:
    """Write compare.md, compare.csv and compare.json."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "compare.md", markdown(out, results, source))
    write_text(out / "compare.csv", tables.as_csv(results))
    write_text(
        out / "compare.json",
        json.dumps({"data": source, "rows": [result.to_json() for result in results]}, indent=2) + "\n",
    )


def markdown(out: Path, results: Sequence[ExperimentResult], source: str) -> str:
    """Tables and plots on one page."""
    evaluated = [result for result in results if result.status is Status.EVALUATED]
    parts = [f"# {len(evaluated)} of {len(results)} rows, on {Path(source).name}"]
    if source == "toy":
        parts.append("**Synthetic faces: these figures do not apply to people.**")
    for table in tables.tables(results):
        parts += [f"## {table.title[0].upper()}{table.title[1:]}", table.markdown()]
    parts.append(tables.legend())
    parts += [f"![{path.stem}]({path.name})" for path in sorted(out.glob("*.png"))]
    for result in evaluated:
        folder = Path(result.study) / f"{result.name}-{result.protocol}{'-short' if result.short else ''}"
        drawn = [f"[{name}]({folder / name}.png)" for name in PICTURES if (out / folder / f"{name}.png").is_file()]
        parts.append(f"- {result.key}: {', '.join(drawn)}")
    return "\n\n".join(parts) + "\n"


def draw(out: Path, results: Sequence[ExperimentResult]) -> None:
    """Accuracy against each cost with its Pareto front, and the learning curves of each study."""
    out.mkdir(parents=True, exist_ok=True)
    draw_pareto(out, results)
    for study in dict.fromkeys(result.study for result in results):
        curves = {r.name: [list(r.curve)] for r in results if r.study == study and r.curve}
        if curves:
            figure = plots.compared_curves(curves, study, "accuracy on validation")
            plots.save_picture(out / f"learning-{study}.png", figure)


def draw_pareto(out: Path, results: Sequence[ExperimentResult]) -> list[str]:
    """Accuracy against each cost with its Pareto front; the costs that were drawn."""
    drawn = []
    for cost in compare_plots.COSTS:
        if found := compare_plots.points(results, cost):
            title = f"{len(found)} rows of {len(results)}, without short schedules"
            plots.save_picture(out / f"pareto-{cost}.png", compare_plots.pareto(found, cost, title))
            drawn.append(cost)
    return drawn
