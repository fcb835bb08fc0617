"""A frame: what a source yields, what crosses the process boundary, what the chain reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Pause = Callable[[float], None]


class RawFrame(NamedTuple):
    """A picture, as it comes from the source."""

    image: NDArray[np.uint8]  # (H, W, 3) BGR or (H, W) grey
    time_s: float  # monotonic, or a file's media time
    timestamp: float  # UNIX seconds
    still_s: float = 0.0  # for how long no pixel has changed, where the source is watched for that


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture that a camera took."""

    image: NDArray[np.uint8]  # (H, W, 3) BGR or (H, W) grey, not to be changed
    index: int  # of all frames that the camera gave, from 0; skipped ones count
    time_s: float  # monotonic; a file's media time, so that --fast changes nothing but the speed
    timestamp: float  # UNIX seconds; a file's are those it would have in real time
    skipped: int = 0  # frames that were dropped since the last one
    still_s: float = 0.0  # for how long no pixel has changed, of a live camera
