"""The scores of `trainer evaluate` as tables: on a terminal, or in Markdown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.data.corruptions import SEVERITIES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

ROWS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "top5": "top 5",
    "ece": "ECE, 15 bins",
    "brier": "Brier",
    "nll": "NLL, nats",
    "aurc": "AURC",
}
CALIBRATION = {
    "temperature": "temperature",
    "ece": "ECE",
    "brier": "Brier",
    "nll": "NLL, nats",
    "nll_votes": "NLL against FER+",
}
NEW = "; new: without the duplicates of Training faces"
MIN_P = 0.0001  # smaller ones are shown as below it
COVERAGES = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0)  # of the curve, in the table


@dataclass(frozen=True)
class ScoreTable:
    """A table of formatted texts; the first column names the row."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table in Markdown, without its title."""
        lines = [self.head, ["---", *["---:"] * (len(self.head) - 1)], *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def rich(self) -> Table:
        """The table for a terminal."""
        from rich.table import Table

        table = Table(title=self.title)
        for column, name in enumerate(self.head):
            table.add_column(name, justify="right" if column else "left", no_wrap=not column)
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
    """The accuracy, with its standard error and its n."""
    error = 100 * scores["standard_error"]
    return f"{percent(scores['accuracy'])} ± {error:.2f} (standard error), n = {scores['n']:,}"


def tables(scores: dict[str, Any]) -> Iterator[ScoreTable]:
    """Every table for which there are scores, in order."""
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
    """The single view of all faces and of the new ones, and several views."""
    columns = []
    for values in (scores, *scores.get("tta", {}).values()):
        views = f"{values['views']} views" if "views" in values else "one view"
        columns += [(f"{views}, {name}", part) for name, part in _both(values)]
    rows = [["n", *(f"{values['n']:,}" for _, values in columns)]]
    for key, name in ROWS.items():
        show = percent if key in ("accuracy", "top5") else _four
        rows.append([name, *(show(values[key]) for _, values in columns)])
    rows.append(["most confident 80 %", *(percent(v["coverage"]["accuracy"]) for _, v in columns)])
    return ScoreTable(f"scores{NEW}", ["", *(name for name, _ in columns)], rows)


def _both(scores: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """All faces, and the new ones where they are known."""
    new = scores["without_duplicates"]
    return [("all", scores), *([("new", new)] if new else [])]


def calibration(scores: dict[str, Any]) -> ScoreTable:
    """How far confidence can be trusted, before and after the temperature."""
    columns = [
        (f"{name}, {when}", part["calibration"][when]) for name, part in _both(scores) for when in ("before", "after")
    ]
    rows = []
    for key, name in CALIBRATION.items():
        values = [found[key] for _, found in columns]
        if None not in values:
            rows.append([name, *map(_four, values)])
    return ScoreTable("calibration, before and after the temperature", ["", *(name for name, _ in columns)], rows)


def coverage(scores: dict[str, Any]) -> ScoreTable:
    """Accuracy if only the most confident faces are classified."""
    columns = [(name, part["risk_coverage"]) for name, part in _both(scores)]
    rows = [
        [f"{100 * share:.0f} %", *(percent(c["accuracy"][bisect_left(c["coverage"], share)]) for _, c in columns)]
        for share in COVERAGES
    ]
    rows.append(["AURC", *(_four(c["aurc"]) for _, c in columns)])
    rows.append(["lowest possible AURC at this accuracy", *(_four(c["least_aurc"]) for _, c in columns)])
    return ScoreTable(
        "accuracy of the most confident faces", ["share of faces classified", *(name for name, _ in columns)], rows
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
    """The same faces classified by another model."""
    columns = _both(scores["against"])
    rows: dict[str, Callable[[dict[str, Any]], str]] = {
        "n": lambda v: f"{v['n']:,}",
        "this": lambda v: percent(v["accuracy"]),
        "the other": lambda v: percent(v["other_accuracy"]),
        "difference, points": lambda v: f"{100 * v['difference']:+.2f}",
        "its 95 % interval": lambda v: " to ".join(f"{100 * end:+.2f}" for end in v["ci95"]),
        "only this correct": lambda v: f"{v['only_this']:,}",
        "only the other correct": lambda v: f"{v['only_other']:,}",
        "McNemar's p, exact": lambda v: _p(v["p"]),
    }
    cells = [[name, *(show(values) for _, values in columns)] for name, show in rows.items()]
    return ScoreTable(f"against {scores['against']['model']}", ["", *(name for name, _ in columns)], cells)


def verdict(compared: dict[str, Any]) -> str:
    """The outcome of a comparison, in one sentence."""
    chance = f"p {'' if compared['p'] < MIN_P else '= '}{_p(compared['p'])}"
    if compared["p"] >= 0.05:
        return f"No significant difference: {chance} on {compared['n']:,} faces."
    better = "This" if compared["difference"] > 0 else "The other"
    return f"{better} model is more accurate on these faces: {chance}."


def corruptions(found: dict[str, Any]) -> ScoreTable:
    """Accuracy by kind and severity."""
    rows = []
    for kind, values in found["kinds"].items():
        shares = [*values["accuracy"], values["mean"]]
        rows.append([kind.replace("_", " "), *(f"{100 * s:.1f}" for s in shares), f"{values['lost']:.1f}"])
    means = [f"{100 * share:.1f}" for share in (*found["by_severity"], found["mean"])]
    rows.append(["mean", *means, f"{100 * (found['accuracy'] - found['mean']):.1f}"])
    title = f"corrupted faces: accuracy in %, n = {found['faces']:,}; clean {100 * found['accuracy']:.1f}"
    return ScoreTable(title, ["severity", *map(str, SEVERITIES), "mean", "lost"], rows)


def through(scores: dict[str, Any]) -> ScoreTable:
    """The whole chain, by size of the face in the frame."""
    rows = []
    for size, found in scores["detected"].items():
        shares = [scores[key][size] for key in ("accuracy_through_detector", "accuracy_direct", "points_lost")]
        figures = ["", "", ""] if shares[0] is None else [percent(shares[0]), percent(shares[1]), f"{shares[2]:.2f}"]
        rows.append([size, f"{scores['faces_pasted'][size]:,}", f"{100 * found:.1f} %", *figures])
    head = ["face, px", "faces", "detected", "accuracy of those", "direct, same faces", "points lost"]
    return ScoreTable(f"through {scores.get('detector', 'detector')} and crop, in frames of 640x480", head, rows)


def percent(share: float) -> str:
    """`68.29 %`."""
    return f"{100 * share:.2f} %"


def _four(value: float) -> str:
    return f"{value:.4f}"


def _p(value: float) -> str:
    return f"< {MIN_P:.4f}" if value < MIN_P else f"{value:.4f}"
