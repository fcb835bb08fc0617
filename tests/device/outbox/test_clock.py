"""Ages of events when the wall clock jumps and the board reboots."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device.outbox.helpers import FakeClocks, event, open_outbox, seqs


def test_a_wall_clock_correction_does_not_age_events(tmp_path: Path) -> None:
    """A Pi starts in the past and jumps when the network is up; a new event must not look old."""
    clocks = FakeClocks(wall_s=0.0)
    outbox = open_outbox(tmp_path, clocks, max_age_s=3600)
    outbox.append(event())
    clocks.wall_s += 1e9
    clocks.advance(5)
    outbox.append(event())
    assert (seqs(outbox), outbox.oldest_age_s) == ([1, 2], 5)
    outbox.close()
    outbox = open_outbox(tmp_path, clocks, max_age_s=3600)
    assert (seqs(outbox), outbox.oldest_age_s) == ([1, 2], 5), "the same for the next process of the same boot"
    clocks.wall_s -= 2e9
    clocks.advance(3594)
    assert seqs(outbox) == [1, 2]
    clocks.advance(2)
    assert seqs(outbox) == [2], "a clock that is set back makes no event younger"


def test_after_a_reboot_the_wall_clock_gives_the_time_off(tmp_path: Path) -> None:
    clocks = FakeClocks()
    outbox = open_outbox(tmp_path, clocks)
    outbox.append(event())
    outbox.close()
    clocks.reboot(wall_s=1100.0)
    assert open_outbox(tmp_path, clocks).oldest_age_s == pytest.approx(100.0)


def test_after_a_reboot_into_the_past_ages_continue_from_the_last_record(tmp_path: Path) -> None:
    clocks = FakeClocks()
    outbox = open_outbox(tmp_path, clocks, max_age_s=60)
    outbox.append(event())
    outbox.close()
    clocks.reboot(wall_s=0.0)
    outbox = open_outbox(tmp_path, clocks, max_age_s=60)
    clocks.advance(50)
    assert (seqs(outbox), outbox.oldest_age_s) == ([1], pytest.approx(50.0))
    clocks.advance(11)
    assert seqs(outbox) == []
