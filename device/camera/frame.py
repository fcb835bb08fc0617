"""A frame: as a source yields it, and as the pipeline gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class RawFrame(NamedTuple):
    """One frame as a source yields it and as the worker process passes it on."""

    image: NDArray[np.uint8]  # (H, W, 3) BGR or (H, W) grey
    time_s: float  # monotonic, or a file's media time
    timestamp: float  # UNIX seconds
    still_s: float = 0.0  # for how long no pixel has changed; 0 where that is not measured
    pixel_format: str = ""  # in which the camera sent it, a FourCC; empty if unknown


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame as the pipeline gets it."""

    image: NDArray[np.uint8]  # (H, W, 3) BGR or (H, W) grey, read-only
    index: int  # of all frames that the camera gave, from 0; skipped ones count
    time_s: float  # monotonic; a file's media time, so that --fast changes only the speed
    timestamp: float  # UNIX seconds; of a file: as if it were played now, or with --fast had just ended
    skipped: int = 0  # frames that were dropped since the last one
    still_s: float = 0.0  # for how long no pixel has changed, of a live camera
    pixel_format: str = ""  # in which the camera sent it, a FourCC; empty if unknown
    media_s: float | None = None  # of a file: time since its start
