"""What may be said where only groups are spoken of: summaries of enough faces, and nothing of a single one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from device import privacy
from device.config import DeviceConfig, ReportConfig
from device.events import TrackState
from device.presence import Presence
from device.topics import SUMMARY, Message, Topics


class Crowd(Presence):
    """A presence that keeps everything to itself but the summary of a group.

    Args:
        topics, labels, config: see `Presence`.
        min_group: of fewer faces nothing is said.
    """

    def __init__(self, topics: Topics, labels: Sequence[str], config: ReportConfig, min_group: int) -> None:
        super().__init__(topics, labels, config)
        self._min_group = min_group
        self._summary_topic = topics.of(SUMMARY)

    def observe(self, faces: Sequence[TrackState], ended: Collection[int], now_s: float) -> list[Message]:
        """Take in one frame; see `Presence`."""
        return self._permitted(super().observe(faces, ended, now_s))

    def announce(self, now_s: float) -> list[Message]:
        """The summary, if there is a group."""
        return self._permitted(super().announce(now_s))

    def _permitted(self, messages: list[Message]) -> list[Message]:
        if len(self._faces) < self._min_group:
            return []
        return [message for message in messages if message.topic == self._summary_topic]


def open_presence(config: DeviceConfig, topics: Topics, labels: Sequence[str]) -> Presence:
    """What may be said of the people in view, as the settings want it."""
    if privacy.aggregate(config):
        return Crowd(topics, labels, config.report, config.privacy.min_group)
    return Presence(topics, labels, config.report)
