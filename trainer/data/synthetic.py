"""Toy faces: seven drawn expressions, to run the whole chain without a download.

They look like emoji. Accuracy on them means nothing for people; they exercise every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ZOOM = 4  # drawn larger and resized, which smooths the lines


@dataclass(frozen=True)
class Expression:
    """Mouth curve (-1 down, 1 up), mouth and eye opening, brow slant (1 angry), brow height."""

    curve: float
    mouth: float
    eye: float
    slant: float
    brow: float


EXPRESSIONS = {
    "angry": Expression(-0.5, 0.1, 0.5, 1.0, -0.4),
    "disgust": Expression(-0.9, 0.3, 0.2, 0.5, -0.3),
    "fear": Expression(-0.6, 0.5, 1.0, -0.8, 0.7),
    "happy": Expression(1.0, 0.4, 0.6, 0.0, 0.2),
    "sad": Expression(-0.9, 0.0, 0.4, -0.8, 0.0),
    "surprise": Expression(0.0, 1.0, 1.0, 0.0, 1.0),
    "neutral": Expression(0.0, 0.0, 0.6, 0.0, 0.0),
}


def toy_faces(
    count: int, labels: Sequence[str], side: int, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw `count` faces, each expression in turn.

    Returns:
        images: uint8 (count, side, side).
        codes: index in `labels`, (count,).
    """
    codes = np.arange(count, dtype=np.int64) % len(labels)
    images = np.stack([draw_face(EXPRESSIONS[labels[int(code)]], side, generator) for code in codes])
    return images, codes


def draw_face(expression: Expression, side: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """One face with random size, position, light and noise: uint8 (side, side)."""
    import cv2

    final, side = side, side * ZOOM
    skin, ink, ground = generator.integers(140, 220), generator.integers(0, 60), generator.integers(20, 120)
    canvas = np.full((side, side), int(ground), np.uint8)
    centre = side / 2 + generator.normal(0, side * 0.03, 2)
    radius = side * generator.uniform(0.38, 0.46)
    cv2.ellipse(canvas, _point(*centre), _point(radius * 0.85, radius), 0, 0, 360, int(skin), -1)
    jitter = generator.normal(0, 0.12, 5)
    e = Expression(
        *(np.array([expression.curve, expression.mouth, expression.eye, expression.slant, expression.brow]) + jitter)
    )
    _eyes(canvas, centre, radius, e, int(ink))
    _mouth(canvas, centre, radius, e, int(ink))
    small = cv2.resize(canvas, (final, final), interpolation=cv2.INTER_AREA)
    noisy = small + generator.normal(0, 6, small.shape)
    return np.asarray(np.clip(noisy, 0, 255), dtype=np.uint8)


def _point(x: float, y: float) -> tuple[int, int]:
    return max(0, round(x)), max(0, round(y))


def _eyes(canvas: NDArray[np.uint8], centre: NDArray[np.float64], radius: float, e: Expression, ink: int) -> None:
    import cv2

    for mirror in (-1, 1):
        x, y = centre[0] + mirror * radius * 0.36, centre[1] - radius * 0.2
        cv2.ellipse(canvas, _point(x, y), _point(radius * 0.15, radius * 0.16 * max(0.15, e.eye)), 0, 0, 360, ink, -1)
        top = y - radius * (0.28 + 0.12 * e.brow)
        tilt = radius * 0.12 * e.slant
        inner, outer = x - mirror * radius * 0.18, x + mirror * radius * 0.18
        cv2.line(canvas, _point(inner, top + tilt), _point(outer, top - tilt), ink, round(radius * 0.07))


def _mouth(canvas: NDArray[np.uint8], centre: NDArray[np.float64], radius: float, e: Expression, ink: int) -> None:
    import cv2

    t = np.linspace(-1, 1, 21)
    x = centre[0] + radius * 0.38 * t
    bend = radius * 0.22 * e.curve * (0.5 - t**2)
    opening = radius * 0.22 * max(0.12, e.mouth) * (1 - t**2)
    y = centre[1] + radius * 0.45 + bend
    outline = np.concatenate([np.stack([x, y - opening], 1), np.stack([x, y + opening], 1)[::-1]])
    cv2.fillPoly(canvas, [outline.round().astype(np.int32)], ink)
