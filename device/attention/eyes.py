"""Openness of the eyes against their own open value, PERCLOS and blinks."""

from __future__ import annotations

from collections import deque

from device.attention.measurement import GAP_S

CLOSED = 0.2  # openness at and below which the eyes are at least 80 % closed
WINDOW_S = 60.0  # of PERCLOS and of the blink rate
ENOUGH_S = 30.0  # of the window must have been seen
BLINK_S = 0.5  # a longer closure is none; blinks last 0.1 to 0.4 s
BLINK_STEP_S = 0.1  # looks must be as close as this to see most blinks
USUAL = 0.9  # open value of a face before it is known
SHUT = 0.4  # share of the open value that tells open eyes from closed ones best; it is called CLOSED
NARROWEST = 0.5  # open value of eyes that are never wide; less is a closed eye
HALF_OPEN = 0.6  # of the open value: less tells nothing about how far the eyes open
RISE_S, FALL_S = 2.0, 30.0  # time constants of the open value


class OpenValue:
    """How open the eyes of this person usually are, as the picture shows it.

    It follows wide eyes quickly and narrow ones slowly; closed eyes do not lower it, so that who
    sleeps does not become somebody with narrow eyes.
    """

    def __init__(self) -> None:
        self._value = USUAL

    def openness(self, eyes: float, step_s: float) -> float:
        """Openness of the eyes in [0, 1], after taking them into account.

        Args:
            eyes: opening as the picture shows it, in [0, 1].
            step_s: time since the look before, seconds.
        """
        if eyes > HALF_OPEN * self._value:
            slow_s = RISE_S if eyes > self._value else FALL_S
            self._value += (eyes - self._value) * min(1.0, step_s / slow_s)
            self._value = max(NARROWEST, self._value)
        share = min(1.0, eyes / self._value)
        if share <= SHUT:
            return CLOSED * share / SHUT
        return CLOSED + (1.0 - CLOSED) * (share - SHUT) / (1.0 - SHUT)


class EyeHistory:
    """Closed and open eyes over the last minute.

    A look counts until the next one, at most `GAP_S`; what was not seen is left out.
    """

    def __init__(self) -> None:
        self._spans: deque[tuple[float, float, bool]] = deque()  # end, length, closed
        self._blinks: deque[float] = deque()  # when the eyes opened again
        self._last: tuple[float, bool] | None = None  # the look before: its time, and whether closed
        self._closed_since_s: float | None = None
        self._seen_s = self._closed_s = 0.0  # sums of the spans

    def add(self, time_s: float, openness: float | None) -> None:
        """Take in one look; times must grow. None: the eyes were not seen."""
        closed = None if openness is None else openness <= CLOSED
        if self._last is not None and time_s - self._last[0] > GAP_S:
            self._last = self._closed_since_s = None
        if self._last is not None:
            self._add_span(time_s, time_s - self._last[0], self._last[1])
        self._count_blink(time_s, closed)
        self._last = None if closed is None else (time_s, closed)
        self._drop(time_s - WINDOW_S)

    @property
    def perclos(self) -> float | None:
        """Share of the last 60 s with the eyes at least 80 % closed; None until 30 s were seen.

        P80 of Wierwille et al. 1994 (DOT HS 808 247) and Dinges and Grace 1998 (FHWA-MCRT-98-006).
        They leave blinks out; here they count, which adds about 0.02.
        """
        return min(1.0, self._closed_s / self._seen_s) if self._seen_s >= ENOUGH_S else None

    @property
    def blinks_per_min(self) -> float | None:
        """Closures of at most 0.5 s, a minute; None if the looks are too far apart to see them.

        A blink lasts 0.1 to 0.4 s (Schiffman 2001, Sensation and Perception), so that looks every
        0.2 s miss many of them.
        """
        if self._seen_s < ENOUGH_S or self._seen_s / len(self._spans) > BLINK_STEP_S:
            return None
        return WINDOW_S * len(self._blinks) / self._seen_s

    def _count_blink(self, time_s: float, closed: bool | None) -> None:
        if closed and self._last is not None and not self._last[1]:
            self._closed_since_s = time_s
        elif closed is False and self._closed_since_s is not None:
            if time_s - self._closed_since_s <= BLINK_S:
                self._blinks.append(time_s)
            self._closed_since_s = None
        elif closed is None:
            self._closed_since_s = None

    def _add_span(self, end_s: float, length_s: float, closed: bool) -> None:
        self._spans.append((end_s, length_s, closed))
        self._seen_s += length_s
        self._closed_s += length_s if closed else 0.0

    def _drop(self, before_s: float) -> None:
        while self._spans and self._spans[0][0] <= before_s:
            _, length_s, closed = self._spans.popleft()
            self._seen_s -= length_s
            self._closed_s = max(0.0, self._closed_s - (length_s if closed else 0.0))
        while self._blinks and self._blinks[0] <= before_s:
            self._blinks.popleft()
