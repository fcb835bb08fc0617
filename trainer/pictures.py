"""The pictures of `trainer report` and `trainer data`: each function draws one figure from plain arrays."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer import metrics
from trainer.dataset import LABELS, FaceSet
from trainer.runs import write_bytes

# Okabe & Ito's palette, which colour-blind people can tell apart: one colour an emotion, in the order of LABELS.
COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#0072b2", "#56b4e9", "#7f7f7f")
INK, FAINT = "#222222", "#d9d9d9"
BLUES = LinearSegmentedColormap.from_list("house", ["#ffffff", "#9ecae1", "#2171b5", "#08306b"])
DPI = 130


def save_picture(path: Path, figure: Figure) -> None:
    """Write a figure as PNG, whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    write_bytes(path, buffer.getvalue())


def confusion(matrix: NDArray[np.int64], title: str) -> Figure:
    """Confusion matrix (K, K): shares of each row, and counts."""
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
    axes.set_xticks(range(len(LABELS)), LABELS, rotation=30, ha="right")
    axes.set_yticks(range(len(LABELS)), [f"{n}\n{s:,}" for n, s in zip(LABELS, matrix.sum(1), strict=True)])
    axes.set(title=title, xlabel="read, % of the row (below: faces)", ylabel="truth")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def roc(scores: NDArray[np.float64], labels: NDArray[np.int64], title: str) -> Figure:
    """One curve an emotion, against all others; scores (N, K), labels (N,)."""
    from sklearn.metrics import roc_curve

    figure = Figure((6.6, 6.2), layout="constrained")
    axes = _plain(figure.subplots(), title, "false alarms", "found")
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=0)
    for k, name in enumerate(LABELS):
        area = metrics.auc(scores[:, k], labels == k)
        if area is not None:
            false, true, _ = roc_curve(labels == k, scores[:, k])
            axes.plot(false, true, color=COLOURS[k], lw=1.8, label=f"{name}  {area:.3f}")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.legend(title="area under the curve", loc="lower right", frameon=False)
    return figure


def reliability(scores: NDArray[np.float64], labels: NDArray[np.int64], title: str) -> Figure:
    """Accuracy against confidence in bins of equal mass, over a histogram of the confidences."""
    figure = Figure((6.2, 7.0), layout="constrained")
    upper, lower = figure.subplots(2, height_ratios=(4, 1), sharex=True)
    bins = metrics.reliability(scores, labels)
    confidence, right = (np.array([part.mean() for part in side]) for side in zip(*bins, strict=True))
    _plain(upper, title, "", "share read right")
    upper.plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=0)
    upper.vlines(confidence, confidence, right, color=COLOURS[0], lw=1.2, alpha=0.6)
    upper.plot(confidence, right, "o-", color=COLOURS[4], lw=1.6, ms=5)
    upper.set(ylim=(0, 1.02))
    upper.text(0.03, 0.95, f"ECE {metrics.ece(scores, labels):.3f}", transform=upper.transAxes, va="top", size=12)
    _plain(lower, "", "confidence", "faces")
    lower.hist(scores.max(1), bins=40, range=(0, 1), color=COLOURS[4], alpha=0.8)
    lower.set(xlim=(0, 1))
    return figure


def learning_curves(entries: Sequence[dict[str, Any]], title: str) -> Figure:
    """Accuracy and loss by epoch, from a run's metrics.jsonl."""
    figure = Figure((10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [e["epoch"] for e in entries]
    _plain(left, title, "epoch", "accuracy")
    left.plot(epochs, [e["train_accuracy"] for e in entries], color=COLOURS[6], label="Training, augmented views")
    public = [e["accuracy"] for e in entries]
    left.plot(epochs, public, color=COLOURS[4], lw=2, label="PublicTest")
    best = int(np.argmax(public))
    left.plot(epochs[best], public[best], "o", color=COLOURS[0], label=f"best: {public[best]:.4f} after {epochs[best]}")
    left.legend(frameon=False, loc="lower right")
    _plain(right, "", "epoch", "loss")
    right.plot(epochs, [e["loss"] for e in entries], color=COLOURS[6], label="Training, as optimised")
    right.plot(epochs, [e["loss_public"] for e in entries], color=COLOURS[4], lw=2, label="PublicTest, cross-entropy")
    right.legend(frameon=False, loc="upper right")
    return figure


def tsne(features: NDArray[np.float32], labels: NDArray[np.int64], title: str) -> Figure:
    """The penultimate features (N, C) on a plane (van der Maaten & Hinton 2008), one dot a face."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features) - 1) / 3)
    points = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(features)
    figure = Figure((7.4, 6.6), layout="constrained")
    axes = figure.subplots()
    for k, name in enumerate(LABELS):
        chosen = points[labels == k]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=9, color=COLOURS[k], alpha=0.75, linewidths=0, label=name)
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_color(FAINT)
    axes.legend(frameon=False, markerscale=2.5, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def worst_mistakes(faces: FaceSet, scores: NDArray[np.float64], title: str, rows: int = 5, columns: int = 8) -> Figure:
    """The wrong readings that were surest of themselves."""
    read, confidence = scores.argmax(1), scores.max(1)
    wrong = np.flatnonzero(read != faces.labels)
    worst = wrong[np.argsort(-confidence[wrong])][: rows * columns]
    captions = [f"{LABELS[faces.labels[i]]}\n→ {LABELS[read[i]]} {confidence[i]:.2f}" for i in worst]
    return _sheet(faces.images[worst], captions, f"{title}\nthe truth → what was read instead, and how sure", columns)


def contact_sheet(faces: FaceSet, columns: int) -> Figure:
    """The first faces of each emotion, a row each."""
    chosen = [np.flatnonzero(faces.labels == k)[:columns] for k in range(len(LABELS))]
    figure = Figure((columns * 0.95 + 1.0, len(LABELS) * 0.95 + 0.3), layout="constrained")
    grid = figure.subplots(len(LABELS), columns, squeeze=False)
    for k, indices in enumerate(chosen):
        for column in range(columns):
            _face(grid[k, column], faces.images[indices[column]] if column < len(indices) else None, "")
        grid[k, 0].set_ylabel(LABELS[k], rotation=0, ha="right", va="center", color=INK)
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
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        axes.set_title(caption, size=7.5, color=INK)


def _plain(axes: Axes, title: str, x: str, y: str) -> Axes:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=FAINT, lw=0.5)
    axes.set_axisbelow(True)
    return axes
