"""What one look at a face measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

GAP_S = 0.5  # between two looks; what happened in a longer one is not known
LOST_S = 1.0  # after this long without a value it counts as unknown
BEYOND_DEG = 60.0  # a head that is turned by this does not face the camera at all


@dataclass(frozen=True)
class Measurement:
    """Head, eyes and mouth at one moment; None where it cannot be measured."""

    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    eyes: float | None = None  # opening as the picture shows it, in [0, 1]; not yet that of this person
    mouth: float | None = None  # height of the opening over its width

    @property
    def away_deg(self) -> float | None:
        """The larger of yaw and pitch, whatever their sign."""
        if self.yaw_deg is None or self.pitch_deg is None:
            return None
        return max(abs(self.yaw_deg), abs(self.pitch_deg))

    @property
    def facing(self) -> float | None:
        """How far the head points at the camera, in [0, 1].

        With c = cos(yaw) cos(pitch), the cosine of the angle between the head and the camera's
        axis: (c - cos 60) / (1 - cos 60), at least 0. So 1 is straight ahead, 0.73 is 30 degrees,
        0 is 60 degrees. Our own definition; the law of cosines is that of a surface that is seen.
        """
        if self.yaw_deg is None or self.pitch_deg is None:
            return None
        along = math.cos(math.radians(self.yaw_deg)) * math.cos(math.radians(self.pitch_deg))
        edge = math.cos(math.radians(BEYOND_DEG))
        return max(0.0, (along - edge) / (1.0 - edge))


NOTHING = Measurement()
