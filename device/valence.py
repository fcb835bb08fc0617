"""Valence: whether an expression is positive, negative or neutral."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

from device.message_json import documented

Sign = Literal["positive", "negative", "neutral"]

# By the names that data sets use, lower case. Surprise may be pleasant or not, and the face alone
# does not tell which: it counts as neutral.
SIGNS: dict[str, Sign] = {
    "happy": "positive",
    "happiness": "positive",
    "joy": "positive",
    "angry": "negative",
    "anger": "negative",
    "contempt": "negative",
    "disgust": "negative",
    "fear": "negative",
    "sad": "negative",
    "sadness": "negative",
    "neutral": "neutral",
    "surprise": "neutral",
}


@dataclass(frozen=True, kw_only=True)
class Valence:
    """The scores added up by the sign of the emotion; the three shares add up to 1."""

    positive: float = documented("share of happy", ge=0, le=1)
    negative: float = documented("share of angry, disgust, fear and sad", ge=0, le=1)
    neutral: float = documented("share of neutral and surprise", ge=0, le=1)

    @classmethod
    def of(cls, scores: Mapping[str, float]) -> Self | None:
        """The valence of scores by label; None if there are none or a label is not in `SIGNS`."""
        if not scores or any(label.lower() not in SIGNS for label in scores):
            return None
        shares: dict[Sign, float] = {"positive": 0.0, "negative": 0.0, "neutral": 0.0}
        for label, score in scores.items():
            shares[SIGNS[label.lower()]] += score
        return cls(**shares)


def mean_valence(valences: Sequence[Valence | None], min_faces: int = 1) -> Valence | None:
    """The mean over the faces that have one; None if these are fewer than `min_faces`."""
    known = [valence for valence in valences if valence is not None]
    if len(known) < max(1, min_faces):
        return None
    return Valence(**{sign: sum(getattr(each, sign) for each in known) / len(known) for sign in get_args(Sign)})
