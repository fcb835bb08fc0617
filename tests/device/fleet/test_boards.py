"""Which messages change the list of boards and their state."""

from __future__ import annotations

import pytest

from device.fleet.boards import Boards
from tests.device.fleet.helpers import Hall


def test_the_last_will_is_no_message_of_the_board() -> None:
    hall = Hall().good()
    hall.now_s += 50
    hall.send("availability", "offline")
    (board,) = hall.boards.all()
    assert board.last_message_s == 1000.0


def test_a_board_whose_topics_are_cleared_is_removed_unless_it_is_named() -> None:
    for named, left in ((), []), (("hall",), ["hall"]):
        hall = Hall(*named).good()
        for channel in ("availability", "status", "health"):
            hall.send(channel, "")
        assert [board.name for board in hall.boards.all()] == left


@pytest.mark.parametrize(
    "topic",
    ["emotion/hall/events", "emotion/a b/status", "emotion//status", "emotion/x/y/status", "other/hall/status",
     "emotion/hall/status\n", "emotion/" + "x" * 65 + "/status"],
)  # fmt: skip
def test_messages_on_unknown_topics_are_counted_and_ignored(topic: str) -> None:
    boards = Boards("emotion")
    boards.handle_message(topic, b"{}", False, 0.0)
    assert boards.all() == [] and boards.unknown_topics == 1
