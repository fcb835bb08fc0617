"""The attention of several faces together."""

from __future__ import annotations

from collections.abc import Sequence

from device.messages import AttentionState, GroupAttention


def group_attention(states: Sequence[AttentionState | None], min_faces: int = 1) -> GroupAttention | None:
    """Means and shares over the faces that have the value.

    Args:
        states: one a face; None where nothing is known of it.
        min_faces: a value that fewer faces have is left out, so that it tells of no single one.

    Returns:
        None if the head of fewer faces than `min_faces` is known.
    """
    known = [state for state in states if state is not None]
    measured = sum(state.facing is not None for state in known)
    if measured < max(1, min_faces):
        return None

    def mean(name: str) -> float | None:
        values = [getattr(state, name) for state in known if getattr(state, name) is not None]
        return sum(values) / len(values) if len(values) >= max(1, min_faces) else None

    return GroupAttention(
        measured=measured,
        facing=mean("facing"),
        eye_openness=mean("eye_openness"),
        mouth_openness=mean("mouth_openness"),
        looking_away=mean("looking_away"),
        eyes_closed=mean("eyes_closed"),
        yawning=mean("yawning"),
    )
