"""The scores of `trainer evaluate` as a person reads them."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

ROWS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "top5": "top 5",
    "ece": "ECE (15 bins of equal mass)",
    "brier": "Brier",
    "nll": "NLL, nats",
}


def print_scores(scores: dict[str, Any], console: Console) -> None:
    """Print what `evaluate` returned, on a console."""
    error = 100 * scores["standard_error"]
    console.print(
        f"[bold]{scores['model']}[/] on {scores['split']} of {scores['data']}:"
        f" [bold]{100 * scores['accuracy']:.2f} %[/] ± {error:.2f} (standard error), n = {scores['n']:,}",
        highlight=False,
    )
    console.print(_summary(scores), _classes(scores["per_class"]))
    if "detected" in scores:
        console.print(_through(scores))


def _summary(scores: dict[str, Any]) -> Table:
    table = Table(title="all faces, and those whose pixels do not stand in Training")
    unique = scores["without_duplicates"]
    columns = [("all", scores)] + ([("without duplicates", unique)] if unique else [])
    table.add_column("")
    for name, values in columns:
        table.add_column(f"{name}\nn = {values['n']:,}", justify="right")
    for key, name in ROWS.items():
        table.add_row(name, *(f"{values[key]:.4f}" for _, values in columns))
    share = columns[0][1]["coverage"]["share"]
    table.add_row(
        f"accuracy of the surest {100 * share:.0f} %", *(f"{v['coverage']['accuracy']:.4f}" for _, v in columns)
    )
    return table


def _classes(classes: dict[str, Any]) -> Table:
    table = Table("emotion", title="by emotion")
    for name in ("precision", "recall", "f1", "auc", "support"):
        table.add_column(name, justify="right")
    for name, c in classes.items():
        auc = "" if c["auc"] is None else f"{c['auc']:.3f}"
        table.add_row(name, f"{c['precision']:.3f}", f"{c['recall']:.3f}", f"{c['f1']:.3f}", auc, f"{c['support']:,}")
    return table


def _through(scores: dict[str, Any]) -> Table:
    table = Table("face, px", title="through detector and crop, in frames of 640x480")
    for name in ("faces", "found", "accuracy", "direct, same faces", "points lost"):
        table.add_column(name, justify="right")
    for size, found in scores["detected"].items():
        read = [scores[key][size] for key in ("accuracy_through_detector", "accuracy_direct", "points_lost")]
        figures = ["", "", ""] if read[0] is None else [f"{read[0]:.4f}", f"{read[1]:.4f}", f"{read[2]:.2f}"]
        table.add_row(size, f"{scores['faces_pasted'][size]:,}", f"{100 * found:.1f} %", *figures)
    return table
