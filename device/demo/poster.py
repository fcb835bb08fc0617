"""Draws the demo's poster: one frame with its faces and scores, and a timeline of the clip."""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.errors import EmotionEdgeError
from device.inference.box import Box
from device.messages import UNKNOWN

Colour = tuple[int, int, int]  # BGR

WIDTH, HEIGHT = 1280, 800
SUPERSAMPLING = 2  # drawn this many times larger, then averaged: OpenCV's line fonts look rough without it
FRAME = Box(32, 32, 864, 648)
PANEL_X, PANEL_RIGHT = 936, 1248
TIMELINE = Box(32, 728, 1216, 20)
PAPER: Colour = (30, 24, 20)
INK: Colour = (238, 234, 230)
FAINT: Colour = (150, 140, 132)
LINE: Colour = (62, 52, 46)


@dataclass(frozen=True)
class Face:
    """One tracked face and its smoothed label."""

    track: int
    box: Box
    emotion: str
    confidence: float
    scores: Mapping[str, float]


@dataclass(frozen=True)
class AnnotatedFrame:
    """A frame, uint8 (H, W, 3) BGR, and the faces in it."""

    image: NDArray[np.uint8]
    faces: Sequence[Face]


class FrameLabel(NamedTuple):
    """The label of one frame of the clip."""

    time_s: float  # since the start of the clip
    emotion: str | None  # of the first face; None without a face


class Mark(NamedTuple):
    """An event that the subscriber received."""

    time_s: float  # since the start of the clip
    text: str


def save_poster(
    path: Path, frame: AnnotatedFrame, clip: Sequence[FrameLabel], marks: Sequence[Mark], footer: str
) -> None:
    """Draw the poster and write it as a PNG of 1280x800 pixels.

    Args:
        path: the file; its folder is created.
        frame: the frame to show; its first face fills the panel of scores.
        clip: a label for every frame of the clip, in order.
        marks: the events, in order.
        footer: a line of small text.

    Raises:
        EmotionEdgeError: the file cannot be written.
    """
    import cv2

    labels = list(frame.faces[0].scores)
    canvas = Canvas()
    _draw_frame(canvas, frame, labels)
    _draw_panel(canvas, frame.faces[0], labels)
    _draw_timeline(canvas, clip, marks, labels)
    canvas.text(TIMELINE.x, HEIGHT - 14, footer, 11, FAINT)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", canvas.downsampled(), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())
    except OSError as error:
        raise EmotionEdgeError(f"{path}: cannot be written: {error.strerror}; choose another --out.") from error


def colour_of(emotion: str, labels: Sequence[str]) -> Colour:
    """Return the colour of a label: hues are evenly spread, unknown is grey."""
    if emotion == UNKNOWN or emotion not in labels:
        return FAINT
    red, green, blue = colorsys.hls_to_rgb(labels.index(emotion) / len(labels), 0.62, 0.72)
    return (round(blue * 255), round(green * 255), round(red * 255))


class Canvas:
    """A drawing surface with supersampling; coordinates are in pixels of the finished picture."""

    def __init__(self) -> None:
        self._pixels: NDArray[np.uint8] = np.full((HEIGHT * SUPERSAMPLING, WIDTH * SUPERSAMPLING, 3), PAPER, np.uint8)

    def downsampled(self) -> NDArray[np.uint8]:
        """Return the picture, uint8 (800, 1280, 3) BGR."""
        import cv2

        return np.asarray(cv2.resize(self._pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def image(self, image: NDArray[np.uint8], where: Box) -> None:
        """Draw a picture, resized to fit a box."""
        import cv2

        x, y, width, height = (round(v * SUPERSAMPLING) for v in where)
        self._pixels[y : y + height, x : x + width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)

    def bar(self, where: Box, colour: Colour) -> None:
        """A filled rectangle."""
        x, y, width, height = (round(v * SUPERSAMPLING) for v in where)
        self._pixels[y : y + height, x : x + max(width, 1)] = colour

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: float = 1) -> None:
        """Draw a straight line."""
        import cv2

        a, b = ((round(x * SUPERSAMPLING), round(y * SUPERSAMPLING)) for x, y in (start, end))
        cv2.line(self._pixels, a, b, colour, max(1, round(width * SUPERSAMPLING)), cv2.LINE_AA)

    def text(self, x: float, y: float, text: str, size: float, colour: Colour, bold: bool = False) -> None:
        """Draw one line of text.

        Its baseline starts at x, y, and size is the height of a capital letter.
        """
        import cv2

        weight = max(1, round(SUPERSAMPLING * size / (7 if bold else 12)))
        at = (round(x * SUPERSAMPLING), round(y * SUPERSAMPLING))
        cv2.putText(
            self._pixels, text, at, cv2.FONT_HERSHEY_SIMPLEX, size * SUPERSAMPLING / 22, colour, weight, cv2.LINE_AA
        )


def text_width(text: str, size: float) -> float:
    """Return the width of a line of text, in pixels of the picture."""
    import cv2

    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size * SUPERSAMPLING / 22, 1)
    return float(width) / SUPERSAMPLING


def _draw_frame(canvas: Canvas, frame: AnnotatedFrame, labels: Sequence[str]) -> None:
    """Draw the frame, and around each face four corners and a tag."""
    canvas.image(frame.image, FRAME)
    scale = FRAME.width / frame.image.shape[1]
    for face in frame.faces:
        colour = colour_of(face.emotion, labels)
        x, y, width, height = (v * scale for v in face.box)
        _corners(canvas, Box(FRAME.x + x, FRAME.y + y, width, height), colour)
        tag = f"#{face.track}  {face.emotion}  {face.confidence:.0%}"
        left, top = FRAME.x + x - 2, max(FRAME.y, FRAME.y + y - 36)
        canvas.bar(Box(left, top, text_width(tag, 14) + 24, 28), colour)
        canvas.text(left + 12, top + 20, tag, 14, PAPER, bold=True)


def _corners(canvas: Canvas, box: Box, colour: Colour) -> None:
    arm = box.width / 4
    for x, inward_x in ((box.x, arm), (box.x + box.width, -arm)):
        for y, inward_y in ((box.y, arm), (box.y + box.height, -arm)):
            canvas.line((x, y), (x + inward_x, y), colour, 3)
            canvas.line((x, y), (x, y + inward_y), colour, 3)


def _draw_panel(canvas: Canvas, face: Face, labels: Sequence[str]) -> None:
    """Draw the label of a face in large, and a bar for every label's score."""
    colour = colour_of(face.emotion, labels)
    canvas.text(PANEL_X, 60, "emotion-edge", 20, INK, bold=True)
    canvas.text(PANEL_X, 84, "expression, classified on the device", 11, FAINT)
    canvas.line((PANEL_X, 108), (PANEL_RIGHT, 108), LINE)
    canvas.text(PANEL_X, 142, f"track {face.track}", 13, FAINT)
    canvas.text(PANEL_X, 190, face.emotion, 34, colour, bold=True)
    canvas.text(PANEL_X, 222, f"confidence {face.confidence:.0%}", 13, INK)
    for row, label in enumerate(labels):
        _draw_bar(canvas, 276 + row * 58, label, face.scores[label], colour_of(label, labels))


def _draw_bar(canvas: Canvas, y: float, label: str, score: float, colour: Colour) -> None:
    share = f"{score:.0%}"
    canvas.text(PANEL_X, y, label, 13, INK)
    canvas.text(PANEL_RIGHT - text_width(share, 13), y, share, 13, FAINT)
    canvas.bar(Box(PANEL_X, y + 10, PANEL_RIGHT - PANEL_X, 10), LINE)
    canvas.bar(Box(PANEL_X, y + 10, (PANEL_RIGHT - PANEL_X) * min(1.0, score), 10), colour)


def _draw_timeline(canvas: Canvas, clip: Sequence[FrameLabel], marks: Sequence[Mark], labels: Sequence[str]) -> None:
    """Draw a band coloured by each frame's label, and above it the events that arrived."""
    canvas.bar(TIMELINE, LINE)
    length_s = max(clip[-1].time_s, 1e-3)

    def place(time_s: float) -> float:
        return TIMELINE.x + TIMELINE.width * min(1.0, time_s / length_s)

    for frame, following in itertools.pairwise(clip):
        if frame.emotion is not None:
            left, right = place(frame.time_s), place(following.time_s)
            canvas.bar(Box(left, TIMELINE.y, right - left + 0.5, TIMELINE.height), colour_of(frame.emotion, labels))
    free_x = TIMELINE.x
    for mark in marks:
        x = place(mark.time_s)
        canvas.line((x, TIMELINE.y - 8), (x, TIMELINE.y + TIMELINE.height), INK, 1.5)
        text_x = min(max(x, free_x), TIMELINE.x + TIMELINE.width - text_width(mark.text, 11))
        canvas.text(text_x, TIMELINE.y - 14, mark.text, 11, INK)
        free_x = text_x + text_width(mark.text, 11) + 14
