"""The plots of `trainer compare`: accuracy against cost, precision and recall by emotion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from trainer.compare.result import ExperimentResult, Status
from trainer.reporting.plots import COLOURS, FAINT, INK, plain

OURS = "this-project"
MARKERS = {"original": "o", "811": "s", "7178": "^"}


@dataclass(frozen=True)
class Point:
    """A row in a plot of cost and accuracy."""

    name: str
    study: str
    protocol: str
    cost: float
    accuracy: float


NAME_ABOVE, NAME_WIDTH, NAME_HEIGHT = 4.0, 45.0, 9.0  # points: of a name above its dot, and the room that it needs
COSTS = {
    "parameters": "parameters, million",
    "macs": "multiply-accumulates a face, million",
    "latency": "CPU milliseconds a face, one thread, LiteRT",
}


def points(results: Sequence[ExperimentResult], cost: str) -> list[Point]:
    """The evaluated rows with this cost (a key of `COSTS`), without those of a short schedule.

    With `latency`, accuracy is that of the file that was timed; else that of the network as
    trained.
    """
    found = []
    for result in results:
        complete = result.status is Status.EVALUATED and not result.short
        values = _cost_and_accuracy(result, cost) if complete else None
        if values is not None:
            found.append(Point(result.name, result.study, result.protocol, *values))
    return found


def _cost_and_accuracy(result: ExperimentResult, cost: str) -> tuple[float, float] | None:
    if cost == "latency":
        file = result.file
        return None if file is None or file.latency is None else (file.latency.median_ms, file.accuracy or 0.0)
    count = result.parameters if cost == "parameters" else result.macs
    return None if result.test is None or count is None else (count / 1e6, result.test.accuracy)


def front(found: Sequence[Point]) -> list[Point]:
    """The points that no cheaper one matches in accuracy, cheapest first."""
    best: list[Point] = []
    for point in sorted(found, key=lambda p: (p.cost, -p.accuracy)):
        if not best or point.accuracy > best[-1].accuracy:
            best.append(point)
    return best


def pareto(found: Sequence[Point], cost: str, title: str) -> Figure:
    """Accuracy against a cost.

    The front is of the split that most rows have: accuracies of other splits are of other faces.
    """
    figure = Figure((10.4, 6.2), layout="constrained")
    axes = plain(figure.subplots(), title, COSTS[cost], "accuracy on the test faces, %")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
    axes.margins(x=0.12)
    protocol = Counter(point.protocol for point in found).most_common(1)[0][0]
    line = front([point for point in found if point.protocol == protocol])
    axes.plot([p.cost for p in line], [100 * p.accuracy for p in line], color=INK, lw=1.2, ls="--", zorder=1)
    colours = _colours(found)
    for point in found:
        size = 130 if point.study == OURS else 45
        marker, colour = MARKERS[point.protocol], colours[point.study]
        axes.scatter(point.cost, 100 * point.accuracy, s=size, color=colour, marker=marker, zorder=2)
    _name(axes, found)
    _legend(axes, found, protocol)
    return figure


def _colours(found: Sequence[Point]) -> dict[str, str]:
    """A colour for each study."""
    studies = dict.fromkeys(point.study for point in found)
    return {study: COLOURS[place % len(COLOURS)] for place, study in enumerate(studies)}


def _legend(axes: Axes, found: Sequence[Point], protocol: str) -> None:
    """Colours of studies, markers of splits, and the front's line."""
    for study, colour in _colours(found).items():
        axes.scatter([], [], color=colour, label=study)
    for kind in dict.fromkeys(point.protocol for point in found):
        axes.scatter([], [], color=FAINT, edgecolors=INK, marker=MARKERS[kind], label=f"split {kind}")
    axes.plot([], [], color=INK, ls="--", label=f"Pareto front of split {protocol}")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


def _name(axes: Axes, found: Sequence[Point]) -> None:
    """Write each point's name beside it, top down, moved below names that it would overlap."""
    axes.autoscale_view()
    figure = axes.get_figure(root=True)
    assert figure is not None
    points_a_pixel = 72 / figure.dpi
    taken: list[tuple[float, float]] = []
    for point in sorted(found, key=lambda p: -p.accuracy):
        x, y = axes.transData.transform((point.cost, 100 * point.accuracy)) * points_a_pixel
        place = y + NAME_ABOVE
        for other_x, other_y in taken:
            if abs(other_x - x) < NAME_WIDTH and abs(other_y - place) < NAME_HEIGHT:
                place = other_y - NAME_HEIGHT
        taken.append((x, place))
        axes.annotate(
            point.name,
            (point.cost, 100 * point.accuracy),
            (5, place - y),
            textcoords="offset points",
            size=7.5,
            color=INK,
        )


def classes(per_class: dict[str, dict[str, Any]], title: str) -> Figure:
    """Precision and recall of each emotion, side by side."""
    figure = Figure((7.6, 4.4), layout="constrained")
    axes = plain(figure.subplots(), title, "", "share")
    places = range(len(per_class))
    for shift, key, colour in ((-0.2, "precision", COLOURS[4]), (0.2, "recall", COLOURS[3])):
        heights = [values[key] for values in per_class.values()]
        bars = axes.bar([place + shift for place in places], heights, 0.38, color=colour, label=key)
        axes.bar_label(bars, [f"{100 * height:.0f}" for height in heights], size=7.5, color=INK)
    axes.set_xticks(places, [f"{name}\nn = {values['support']:,}" for name, values in per_class.items()])
    axes.set_ylim(0, 1.12)
    axes.legend(frameon=False, ncols=2, loc="upper right")
    return figure
