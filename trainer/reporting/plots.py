"""The plots of `trainer report` and `trainer data`: one function a figure, from plain arrays."""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.artifacts.run_dir import write_bytes
from trainer.data.corruptions import KINDS, SEVERITIES, corrupt
from trainer.data.dataset import LABELS, FaceSet
from trainer.evaluation import metrics

# Okabe & Ito's palette for colour-blind people: one colour an emotion, in the order of the labels.
COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#0072b2", "#56b4e9", "#7f7f7f", "#000000")
INK, FAINT = "#222222", "#d9d9d9"
BLUES = LinearSegmentedColormap.from_list("blues", ["#ffffff", "#9ecae1", "#2171b5", "#08306b"])
DPI = 130


def save_picture(path: Path, figure: Figure) -> None:
    """Write a figure as PNG, whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    write_bytes(path, buffer.getvalue())


def confusion(matrix: NDArray[np.int64], title: str, names: Sequence[str] = LABELS) -> Figure:
    """Confusion matrix (K, K) of K labels: shares of each row, and counts."""
    figure = Figure((7.6, 6.4), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap=BLUES, vmin=0, vmax=1)
    for row, column in np.ndindex(*matrix.shape):
        colour = "white" if shares[row, column] > 0.45 else INK
        axes.text(
            column, row - 0.09, f"{100 * shares[row, column]:.0f}", ha="center", va="center", color=colour, size=12
        )
        axes.text(column, row + 0.24, f"{matrix[row, column]}", ha="center", va="center", color=colour, size=7.5)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), [f"{n}\n{s:,}" for n, s in zip(names, matrix.sum(1), strict=True)])
    axes.set(title=title, xlabel="predicted, % of the row (below: faces)", ylabel="truth")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def roc(scores: NDArray[np.float64], labels: NDArray[np.int64], title: str, names: Sequence[str] = LABELS) -> Figure:
    """One curve an emotion, against all others; scores (N, K), labels (N,)."""
    from sklearn.metrics import roc_curve

    figure = Figure((6.6, 6.2), layout="constrained")
    axes = plain(figure.subplots(), title, "false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=0)
    for k, name in enumerate(names):
        area = metrics.auc(scores[:, k], labels == k)
        if area is not None:
            false, true, _ = roc_curve(labels == k, scores[:, k])
            axes.plot(false, true, color=COLOURS[k], lw=1.8, label=f"{name}  {area:.3f}")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.legend(title="area under the curve", loc="lower right", frameon=False)
    return figure


def reliability(calibration: dict[str, Any], title: str) -> Figure:
    """Accuracy against confidence, before and after the temperature, from `trainer evaluate`."""
    figure = Figure((6.4, 6.2), layout="constrained")
    axes = plain(figure.subplots(), title, f"confidence (a dot: {calibration['after']['bins'][0]['n']:,} faces)", "")
    axes.set_ylabel("accuracy")
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=0)
    for when, colour in (("before", COLOURS[6]), ("after", COLOURS[4])):
        found = calibration[when]
        confidence, right = ([each[key] for each in found["bins"]] for key in ("confidence", "accuracy"))
        label = f"{when}: temperature {found['temperature']:.3f}, ECE {found['ece']:.3f}, NLL {found['nll']:.3f}"
        axes.vlines(confidence, confidence, right, color=colour, lw=1, alpha=0.5)
        axes.plot(confidence, right, "o-", color=colour, lw=1.6, ms=5, label=label)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01))
    axes.legend(frameon=False, loc="upper left")
    return figure


def risk_coverage(curves: dict[str, dict[str, Any]], title: str) -> Figure:
    """Accuracy of the most confident faces, by share; curves are `risk_coverage` by name."""
    figure = Figure((6.8, 5.0), layout="constrained")
    axes = plain(figure.subplots(), title, "share of faces classified, the most confident first", "accuracy of those")
    styles = ((COLOURS[4], (6, 5), "left"), (COLOURS[0], (-6, -14), "right"))  # colour, and where its figure stands
    for (colour, offset, side), (name, curve) in zip(styles, curves.items(), strict=False):
        axes.plot(curve["coverage"], curve["accuracy"], color=colour, lw=1.8, label=f"{name}: AURC {curve['aurc']:.3f}")
        at = bisect_left(curve["coverage"], metrics.COVERAGE)
        point, text = (curve["coverage"][at], curve["accuracy"][at]), f"{100 * curve['accuracy'][at]:.1f} %"
        axes.plot(*point, "o", color=colour)
        axes.annotate(text, point, xytext=offset, textcoords="offset points", color=colour, ha=side)
    axes.set(xlim=(0, 1.01))
    axes.legend(frameon=False, loc="lower left")
    return figure


def corruptions(found: dict[str, Any], title: str) -> Figure:
    """Accuracy by corruption and severity, and each mean; `found` is of `trainer evaluate`."""
    kinds = found["kinds"]
    table = 100 * np.array([[*values["accuracy"], values["mean"]] for values in kinds.values()])
    figure = Figure((7.2, 7.6), layout="constrained")
    axes = figure.subplots()
    axes.imshow(table, cmap=BLUES, vmin=0, vmax=100, aspect="auto")
    for row, column in np.ndindex(*table.shape):
        colour = "white" if table[row, column] > 50 else INK
        axes.text(column, row, f"{table[row, column]:.1f}", ha="center", va="center", color=colour, size=10)
    axes.set_xticks(range(table.shape[1]), [*map(str, range(1, table.shape[1])), "mean"])
    axes.set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds])
    axes.axvline(table.shape[1] - 1.5, color="white", lw=4)
    clean, mean = 100 * found["accuracy"], 100 * found["mean"]
    below = f"severity\naccuracy, %, n = {found['faces']:,} each; clean {clean:.1f}, mean {mean:.1f}"
    axes.set(title=title, xlabel=below)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def corrupted_sheet(face: NDArray[np.uint8], seed: int) -> Figure:
    """One face (S, S) with every corruption at every severity."""
    figure = Figure((len(SEVERITIES) * 0.95 + 2.0, len(KINDS) * 0.95 + 0.3), layout="constrained")
    grid = figure.subplots(len(KINDS), len(SEVERITIES) + 1, squeeze=False)
    for row, kind in zip(grid, KINDS, strict=True):
        corrupted = (corrupt(face[np.newaxis], kind, severity, seed)[0] for severity in SEVERITIES)
        strengths = (f"{strength:g}" for strength in KINDS[kind].strengths)
        for axes, image, caption in zip(row, (face, *corrupted), ("", *strengths), strict=True):
            _face(axes, image, caption)
        row[0].set_ylabel(
            f"{kind.replace('_', ' ')},\n{KINDS[kind].unit}", rotation=0, ha="right", va="center", color=INK
        )
    return figure


def learning_curves(entries: Sequence[dict[str, Any]], title: str, split: str = "PublicTest") -> Figure:
    """Accuracy and loss by epoch, from metrics.jsonl; `split` is the validation split."""
    figure = Figure((10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [e["epoch"] for e in entries]
    plain(left, title, "epoch", "accuracy")
    left.plot(epochs, [e["train_accuracy"] for e in entries], color=COLOURS[6], label="Training, augmented views")
    public = [e["accuracy"] for e in entries]
    left.plot(epochs, public, color=COLOURS[4], lw=2, label=split)
    best = int(np.argmax(public))
    left.plot(epochs[best], public[best], "o", color=COLOURS[0], label=f"best: {public[best]:.4f} after {epochs[best]}")
    left.legend(frameon=False, loc="lower right")
    plain(right, "", "epoch", "loss")
    right.plot(epochs, [e["loss"] for e in entries], color=COLOURS[6], label="Training, as optimised")
    right.plot(epochs, [e["loss_public"] for e in entries], color=COLOURS[4], lw=2, label=f"{split}, cross-entropy")
    right.legend(frameon=False, loc="upper right")
    return figure


def compared_curves(
    groups: dict[str, list[list[float]]], title: str, quantity: str = "accuracy on PublicTest"
) -> Figure:
    """Accuracy by epoch: each group's mean over seeds, in a band of one standard deviation.

    Where seeds ended at different epochs, the line ends with the shortest.
    """
    figure = Figure((9.0, 5.2), layout="constrained")
    axes = plain(figure.subplots(), title, "epoch", quantity)
    styles = ("-", "--", ":", "-.")
    for place, (name, seeds) in enumerate(groups.items()):
        length = min(map(len, seeds))
        values = np.array([seed[:length] for seed in seeds])  # (seeds, epochs)
        epochs, mean = np.arange(1, length + 1), values.mean(0)
        colour, style = COLOURS[place % len(COLOURS)], styles[place // len(COLOURS) % len(styles)]
        axes.plot(epochs, mean, style, color=colour, lw=1.6, label=f"{name} (n = {len(seeds)})")
        if len(seeds) > 1:
            spread = values.std(0, ddof=1)
            axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0)
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    return figure


def tsne(features: NDArray[np.float32], labels: NDArray[np.int64], title: str, names: Sequence[str] = LABELS) -> Figure:
    """The penultimate features (N, C) on a plane (van der Maaten & Hinton 2008), one dot a face."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features) - 1) / 3)
    points = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(features)
    figure = Figure((7.4, 6.6), layout="constrained")
    axes = figure.subplots()
    for k, name in enumerate(names):
        chosen = points[labels == k]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=9, color=COLOURS[k], alpha=0.75, linewidths=0, label=name)
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_color(FAINT)
    axes.legend(frameon=False, markerscale=2.5, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def worst_mistakes(faces: FaceSet, scores: NDArray[np.float64], title: str, rows: int = 5, columns: int = 8) -> Figure:
    """The wrong predictions with the highest confidence."""
    predicted, confidence = scores.argmax(1), scores.max(1)
    wrong = np.flatnonzero(predicted != faces.labels)
    worst = wrong[np.argsort(-confidence[wrong])][: rows * columns]
    captions = [f"{faces.names[faces.labels[i]]}\n→ {faces.names[predicted[i]]} {confidence[i]:.2f}" for i in worst]
    return _sheet(faces.images[worst], captions, f"{title}\nlabel → prediction, confidence", columns)


def contact_sheet(faces: FaceSet, columns: int) -> Figure:
    """The first faces of each emotion, a row each."""
    chosen = [np.flatnonzero(faces.labels == k)[:columns] for k in range(len(faces.names))]
    figure = Figure((columns * 0.95 + 1.0, len(faces.names) * 0.95 + 0.3), layout="constrained")
    grid = figure.subplots(len(faces.names), columns, squeeze=False)
    for k, indices in enumerate(chosen):
        for column in range(columns):
            _face(grid[k, column], faces.images[indices[column]] if column < len(indices) else None, "")
        grid[k, 0].set_ylabel(faces.names[k], rotation=0, ha="right", va="center", color=INK)
    return figure


def _sheet(images: NDArray[np.uint8], captions: Sequence[str], title: str, columns: int) -> Figure:
    rows = max(1, -(-len(images) // columns))
    figure = Figure((columns * 1.15, rows * 1.5 + 0.5), layout="constrained")
    figure.suptitle(title, color=INK)
    for position, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        there = position < len(images)
        _face(axes, images[position] if there else None, captions[position] if there else "")
    return figure


def _face(axes: Axes, image: NDArray[np.uint8] | None, caption: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if image is not None:
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(caption, size=7.5, color=INK)


def plain(axes: Axes, title: str, x: str, y: str) -> Axes:
    """Axes without a frame, with a faint grid and their texts."""
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=FAINT, lw=0.5)
    axes.set_axisbelow(True)
    return axes
