"""The scores of `trainer evaluate` as tables that a person reads: on a terminal, or in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from trainer.corruptions import SEVERITIES

ROWS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "top5": "top 5",
    "ece": "ECE (15 bins of equal mass)",
    "brier": "Brier",
    "nll": "NLL, nats",
    "aurc": "AURC (mean error of the surest)",
}
CALIBRATION = {
    "temperature": "temperature",
    "ece": "ECE",
    "brier": "Brier",
    "nll": "NLL, nats",
    "nll_votes": "NLL against FER+ votes, nats",
}
COVERAGES = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0)  # of the curve, in the table


@dataclass(frozen=True)
class ScoreTable:
    """A table of finished texts; the first column names the row."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table in Markdown, without its title."""
        lines = [self.head, ["---", *["---:"] * (len(self.head) - 1)], *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def rich(self) -> Table:
        """The table for a terminal."""
        table = Table(title=self.title)
        for column, name in enumerate(self.head):
            table.add_column(name, justify="right" if column else "left")
        for row in self.rows:
            table.add_row(*row)
        return table


def print_scores(scores: dict[str, Any], console: Console) -> None:
    """Print what `trainer evaluate` measured, on a console."""
    console.print(f"[bold]{scores['model']}[/] on {scores['split']} of {scores['data']}: {headline(scores)}")
    for table in tables(scores):
        console.print(table.rich())
    if "against" in scores:
        console.print(verdict(scores["against"]), highlight=False)


def headline(scores: dict[str, Any]) -> str:
    """The one figure, with its standard error and its n."""
    error = 100 * scores["standard_error"]
    return f"{percent(scores['accuracy'])} ± {error:.2f} (standard error), n = {scores['n']:,}"


def tables(scores: dict[str, Any]) -> Iterator[ScoreTable]:
    """Every table that the scores fill, in order."""
    yield summary(scores)
    yield calibration(scores)
    yield coverage(scores)
    yield classes(scores)
    if "against" in scores:
        yield against(scores)
    if "corruptions" in scores:
        yield corruptions(scores["corruptions"])
    if "detected" in scores:
        yield through(scores)


def summary(scores: dict[str, Any]) -> ScoreTable:
    """The single view of all faces, of those that are new, and several views."""
    columns = [("one view, all faces", scores)]
    if scores["without_duplicates"]:
        columns.append(("one view, without duplicates", scores["without_duplicates"]))
    for values in scores.get("tta", {}).values():
        columns.append((f"{values['views']} views, all faces", values))
        if values["without_duplicates"]:
            columns.append((f"{values['views']} views, without duplicates", values["without_duplicates"]))
    rows = [["n", *(f"{values['n']:,}" for _, values in columns)]]
    for key, name in ROWS.items():
        show = percent if key in ("accuracy", "top5") else _four
        rows.append([name, *(show(values[key]) for _, values in columns)])
    rows.append(["accuracy of the surest 80 %", *(percent(v["coverage"]["accuracy"]) for _, v in columns)])
    return ScoreTable("scores; duplicates stand, pixel for pixel, in Training", ["", *(n for n, _ in columns)], rows)


def calibration(scores: dict[str, Any]) -> ScoreTable:
    """How far confidence can be trusted, before and after the temperature."""
    columns = [("all faces", scores["calibration"])]
    if scores["without_duplicates"]:
        columns.append(("without duplicates", scores["without_duplicates"]["calibration"]))
    head = ["", *(f"{name}, {when} the temperature" for name, _ in columns for when in ("before", "after"))]
    rows = []
    for key, name in CALIBRATION.items():
        values = [both[when][key] for _, both in columns for when in ("before", "after")]
        if None not in values:
            rows.append([name, *map(_four, values)])
    return ScoreTable("calibration", head, rows)


def coverage(scores: dict[str, Any]) -> ScoreTable:
    """Accuracy if only the surest faces are told."""
    columns = [("all faces", scores["risk_coverage"])]
    if scores["without_duplicates"]:
        columns.append(("without duplicates", scores["without_duplicates"]["risk_coverage"]))
    rows = []
    for share in COVERAGES:
        found = (
            min(zip(c["coverage"], c["accuracy"], strict=True), key=lambda p: abs(p[0] - share)) for _, c in columns
        )
        rows.append([f"{100 * share:.0f} %", *(percent(accuracy) for _, accuracy in found)])
    rows.append(["area over the curve (AURC)", *(_four(c["aurc"]) for _, c in columns)])
    rows.append(["least area with these readings", *(_four(c["least_aurc"]) for _, c in columns)])
    return ScoreTable(
        "risk and coverage: accuracy of the surest", ["share of faces told", *(n for n, _ in columns)], rows
    )


def classes(scores: dict[str, Any]) -> ScoreTable:
    """Each emotion against all others."""
    keys = ("precision", "recall", "f1", "auc")
    rows = []
    for name, values in scores["per_class"].items():
        figures = ("" if values[key] is None else f"{values[key]:.3f}" for key in keys)
        rows.append([name, *figures, f"{values['support']:,}"])
    return ScoreTable("by emotion", ["emotion", *keys, "faces"], rows)


def against(scores: dict[str, Any]) -> ScoreTable:
    """The same faces read by another model."""
    compared = [("all faces", scores["against"])]
    if scores["against"]["without_duplicates"]:
        compared.append(("without duplicates", scores["against"]["without_duplicates"]))
    rows = []
    for name, v in compared:
        low, high = (100 * end for end in v["ci95"])
        points = f"{100 * v['difference']:+.2f} ({low:+.2f} to {high:+.2f})"
        accuracies = (percent(v["accuracy"]), percent(v["other_accuracy"]))
        rows.append(
            [name, f"{v['n']:,}", *accuracies, points, f"{v['only_this']:,}", f"{v['only_other']:,}", _p(v["p"])]
        )
    head = [
        "",
        "n",
        "this",
        "other",
        "points apart (95 % interval)",
        "only this right",
        "only other right",
        "McNemar's p",
    ]
    return ScoreTable(f"against {scores['against']['model']}", head, rows)


def verdict(compared: dict[str, Any]) -> str:
    """One sentence on a comparison."""
    if compared["p"] >= 0.05:
        return f"That is no proof of a difference: p = {_p(compared['p'])} on {compared['n']:,} faces."
    better = "this" if compared["difference"] > 0 else "the other"
    return f"So {better} model reads these faces better: p = {_p(compared['p'])}."


def corruptions(found: dict[str, Any]) -> ScoreTable:
    """Accuracy by kind and severity."""
    rows = []
    for kind, values in found["kinds"].items():
        shares = [percent(share) for share in (*values["accuracy"], values["mean"])]
        rows.append([kind.replace("_", " "), *shares, f"{values['lost']:.1f}"])
    means = [percent(share) for share in (*found["by_severity"], found["mean"])]
    rows.append(["mean", *means, f"{100 * (found['accuracy'] - found['mean']):.1f}"])
    title = f"spoilt faces, n = {found['faces']:,}; unspoilt {percent(found['accuracy'])}"
    return ScoreTable(title, ["severity", *map(str, SEVERITIES), "mean", "points lost"], rows)


def through(scores: dict[str, Any]) -> ScoreTable:
    """The whole chain, by size of the face in the frame."""
    rows = []
    for size, found in scores["detected"].items():
        read = [scores[key][size] for key in ("accuracy_through_detector", "accuracy_direct", "points_lost")]
        figures = ["", "", ""] if read[0] is None else [percent(read[0]), percent(read[1]), f"{read[2]:.2f}"]
        rows.append([size, f"{scores['faces_pasted'][size]:,}", f"{100 * found:.1f} %", *figures])
    head = ["face in the frame, px", "faces", "found", "accuracy of those", "direct, same faces", "points lost"]
    return ScoreTable("through detector and crop, in frames of 640x480", head, rows)


def percent(share: float) -> str:
    """`68.29 %`."""
    return f"{100 * share:.2f} %"


def _four(value: float) -> str:
    return f"{value:.4f}"


def _p(value: float) -> str:
    return "below 0.0001" if value < 0.0001 else f"{value:.4f}"
