"""Renders the demo's clip: a public-domain portrait moves past a plain wall."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PORTRAIT = Path(__file__).parent.parent / "assets" / "astronaut.jpg"

WIDTH, HEIGHT = 640, 480
FPS = 15.0
SECONDS = 9.0
WALL = (178, 187, 192)  # BGR

# time in seconds, then the portrait's centre (in frame widths and heights) and its side (in frame
# heights)
PATH = np.array(
    [
        (0.0, -0.60, 0.62, 0.90),
        (0.8, -0.60, 0.62, 0.90),  # no face
        (2.4, 0.38, 0.60, 0.95),  # in from the left
        (4.2, 0.50, 0.66, 1.25),  # nearer
        (5.4, 0.56, 0.66, 1.25),
        (6.0, 0.60, 0.62, 1.05),  # farther
        (7.4, 1.60, 0.60, 1.00),  # out to the right
        (SECONDS, 1.60, 0.60, 1.00),  # no face
    ]
)


def write_clip(folder: Path) -> int:
    """Write the clip as numbered JPEG files, for the camera source that plays a folder.

    Returns:
        The number of frames.
    """
    import cv2

    count = 0
    for count, frame in enumerate(frames(), start=1):
        cv2.imwrite(str(folder / f"{count:04d}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return count


def frames() -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of the clip, uint8 (480, 640, 3) BGR, for 15 frames a second."""
    import cv2

    portrait = np.asarray(cv2.imread(str(PORTRAIT)), dtype=np.uint8)
    for time_s in np.arange(0, SECONDS, 1 / FPS):
        yield _frame(portrait, *_place(float(time_s)))


def _place(time_s: float) -> tuple[float, float, float]:
    """Return centre x, centre y and side of the portrait in pixels, with easing at each stop."""
    after = int(np.clip(np.searchsorted(PATH[:, 0], time_s, side="right"), 1, len(PATH) - 1))
    start, end = PATH[after - 1], PATH[after]
    share = (time_s - start[0]) / (end[0] - start[0])
    eased = share * share * (3 - 2 * share)
    x, y, side = start[1:] + (end[1:] - start[1:]) * eased
    return float(x * WIDTH), float(y * HEIGHT), float(side * HEIGHT)


def _frame(portrait: NDArray[np.uint8], x: float, y: float, side: float) -> NDArray[np.uint8]:
    """Draw the portrait on the wall.

    Positions between pixels are interpolated, for smooth motion.
    """
    import cv2

    scale = side / portrait.shape[0]
    move = np.array([[scale, 0, x - side / 2], [0, scale, y - side / 2]])
    return np.asarray(
        cv2.warpAffine(
            portrait, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=WALL
        ),
        dtype=np.uint8,
    )
