"""Measures the attention of each face from the looks of the face check."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device.attention import FaceAttention, Measurement
from device.config.schema import AttentionConfig
from device.messages import AttentionAlert, AttentionState
from device.vision import head_geometry
from device.vision.eye_state import EyeState, eye_patch
from device.vision.landmarks import Landmarks
from device.vision.tracker import NO_ID, Track

MIN_PRESENCE = 0.8  # below it the points may lie
MAX_EYE_YAW_DEG = 45.0  # a head turned farther hides an eye
ONE_EYE_YAW_DEG = 20.0  # from here on only the nearer eye counts
MAX_EYE_PITCH_DEG = 35.0  # a head nodded farther hides the lids
MIN_CONTRAST = 6.0  # standard deviation of an eye's pixels, grey levels; less is too dark or a blur


class AttentionReader:
    """Keeps the attention of each confirmed track.

    Args:
        config: thresholds.
    """

    def __init__(self, config: AttentionConfig) -> None:
        self._config = config
        self._eye_state = EyeState()
        self._faces: dict[int, FaceAttention] = {}
        self._alerts: dict[int, list[AttentionAlert]] = {}

    def read(self, image: NDArray[np.uint8], track: Track, seen: Landmarks, time_s: float) -> None:
        """Take in one look at a track; those that are not confirmed are left out.

        Args:
            image: uint8 (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA.
            track: whose face it is.
            seen: what the landmark network says of it.
            time_s: of the frame, seconds.
        """
        if track.id == NO_ID:
            return
        face = self._faces.setdefault(track.id, FaceAttention(self._config))
        self._alerts.setdefault(track.id, []).extend(face.update(time_s, self._measure(image, track, seen)))

    def state(self, track: Track, time_s: float) -> AttentionState | None:
        """What is known of a track at this moment; None before its first look."""
        face = self._faces.get(track.id)
        return face.state(time_s) if face is not None else None

    def alerts(self, track: Track) -> list[AttentionAlert]:
        """What has begun or ended since the last call."""
        return self._alerts.pop(track.id, [])

    def finish(self, track: Track) -> list[AttentionAlert]:
        """Forget a track that has ended, and end its alerts; gives all that `alerts` had not."""
        face = self._faces.pop(track.id, None)
        return self.alerts(track) + (face.finish() if face is not None else [])

    def _measure(self, image: NDArray[np.uint8], track: Track, seen: Landmarks) -> Measurement:
        if seen.presence < MIN_PRESENCE or track.box.mean_side < self._config.min_face_px:
            return Measurement()
        pose = head_geometry.head_pose(seen.points)
        return Measurement(
            yaw_deg=pose.yaw_deg,
            pitch_deg=pose.pitch_deg,
            roll_deg=pose.roll_deg,
            eyes=self._eyes(image, seen, pose),
            mouth=head_geometry.mouth_openness(seen.points),
        )

    def _eyes(self, image: NDArray[np.uint8], seen: Landmarks, pose: head_geometry.HeadPose) -> float | None:
        """Mean opening of the eyes that are seen well; None if none is."""
        if abs(pose.yaw_deg) > MAX_EYE_YAW_DEG or abs(pose.pitch_deg) > MAX_EYE_PITCH_DEG:
            return None
        sides = (0, 1) if abs(pose.yaw_deg) < ONE_EYE_YAW_DEG else (0,) if pose.yaw_deg > 0 else (1,)
        patches = np.stack([eye_patch(image, seen.points, side) for side in sides])
        if patches.std((1, 2)).min() < MIN_CONTRAST:
            return None
        return float(self._eye_state.of_patches(patches).mean())
