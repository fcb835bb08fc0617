"""The outbox: durable before it is offered, in order, bounded, numbered without a gap."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from device.config.schema import OutboxConfig, load_config
from device.errors import StateError
from device.host.paths import state_dir
from device.messages import EmotionEvent
from device.outbox.clock import Clocks
from device.outbox.database import RESERVE_BYTES
from device.outbox.outbox import HELD, Outbox

WRITER = """
import sys
from pathlib import Path
from device.messages import EmotionEvent
from device.config import OutboxConfig
from device.outbox import Outbox

outbox = Outbox(Path(sys.argv[1]), OutboxConfig())
for number in range(100_000):
    event = EmotionEvent(type="update", track=1, ts=number, emotion="happy", confidence=1.0, scores={})
    print(outbox.append(event), flush=True)
"""


MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # thousands of commits want no real disk


class Hands:
    """Clocks that a test turns: the one on the wall, the kernel's, and which boot this is."""

    def __init__(self, wall_s: float = 1000.0) -> None:
        self.wall_s, self.boot_s, self.boot = wall_s, 10.0, "first"

    def pass_(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds

    def reboot(self, wall_s: float) -> None:
        self.boot += "x"
        self.wall_s, self.boot_s = wall_s, 1.0

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.wall_s, lambda: self.boot_s, lambda: self.boot)


def event(track: int = 1) -> EmotionEvent:
    return EmotionEvent(type="start", track=track, ts=1.0, emotion="happy", confidence=0.5, scores={"happy": 0.5})


def seqs(outbox: Outbox, limit: int = 1000, after: int = 0) -> list[int | None]:
    return [waiting.event.seq for waiting in outbox.pending(limit, after)]


def opened(folder: Path | None, hands: Hands | None = None, **limits: float) -> Outbox:
    return Outbox(folder, load_limits(limits), hands.clocks if hands else None)


def load_limits(limits: dict[str, float]) -> OutboxConfig:
    return load_config(overrides=[f"device.outbox.{key}={value}" for key, value in limits.items()]).outbox


def test_events_come_back_as_they_were_in_order(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    written = [event(track) for track in (1, 2, 3)]
    assert outbox.append(written[0]) == 1
    assert outbox.append(*written[1:]) == 3
    back = [waiting.event for waiting in outbox.pending(10)]
    assert back == [dataclasses.replace(e, seq=seq) for seq, e in enumerate(written, 1)]
    assert seqs(outbox, limit=1, after=1) == [2]


def test_a_number_is_given_once_in_the_life_of_the_folder(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.append(event(), event())
    outbox.acknowledge([1, 2])
    outbox.close()
    outbox = opened(tmp_path)
    assert (outbox.depth, outbox.size, outbox.last_seq) == (0, 0, 2)
    assert outbox.oldest_age_s is None
    assert outbox.append(event()) == 3


def test_when_full_the_oldest_is_dropped_and_counted(tmp_path: Path) -> None:
    outbox = opened(tmp_path, max_events=3)
    for track in range(1, 6):
        outbox.append(event(track))
    assert seqs(outbox) == [3, 4, 5]
    assert (outbox.depth, outbox.dropped) == (3, 2)
    outbox.close()
    assert opened(tmp_path, max_events=3).dropped == 2


def test_a_smaller_limit_holds_from_the_start(tmp_path: Path) -> None:
    outbox = opened(tmp_path, max_events=5)
    outbox.append(*(event(track) for track in range(1, 6)))
    outbox.close()
    assert seqs(opened(tmp_path, max_events=2)) == [4, 5]


def test_bytes_are_bounded_too_and_so_is_the_file(tmp_path: Path) -> None:
    one = len(event(100).to_json().encode())
    outbox = opened(tmp_path, max_bytes=60 * one, max_events=1_000_000)
    for batch in range(20):
        outbox.append(*(event(track) for track in range(100 + 50 * batch, 150 + 50 * batch)))
    assert outbox.depth == len(seqs(outbox)) == outbox.size // one <= 60
    assert seqs(outbox)[-1] == 1000
    assert outbox.depth + outbox.dropped == 1000
    everything = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert everything < 2 * RESERVE_BYTES + 200_000, "what was dropped does not stay in the file"
    size = outbox.size
    outbox.close()
    assert opened(tmp_path).size == size, "counted anew, it is the same"


def test_as_many_bytes_as_are_allowed_may_wait(tmp_path: Path) -> None:
    outbox = opened(tmp_path, max_bytes=10_000)
    written = dataclasses.replace(event(), emotion="")
    outbox.append(dataclasses.replace(written, emotion="x" * (10_000 - len(written.to_json()))))
    assert (outbox.size, outbox.depth) == (10_000, 1)


def test_bytes_are_counted_not_letters(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    written = dataclasses.replace(event(), emotion="glücklich 😀")
    outbox.append(written)
    assert outbox.size == len(written.to_json().encode()) > len(written.to_json())
    outbox.acknowledge([1])
    assert outbox.size == 0


def test_what_is_too_old_is_dropped_and_counted(tmp_path: Path) -> None:
    hands = Hands()
    outbox = opened(tmp_path, hands, max_age_s=60)
    outbox.append(event())
    hands.pass_(30)
    outbox.append(event())
    assert outbox.oldest_age_s == 30
    hands.pass_(30)
    assert seqs(outbox) == [1, 2], "just young enough"
    hands.pass_(1)
    assert seqs(outbox) == [2]
    assert (outbox.dropped, outbox.depth) == (1, 1)
    hands.pass_(339)
    assert seqs(outbox) == []
    assert (outbox.dropped, outbox.depth) == (2, 0)
    assert outbox.oldest_age_s is None


def test_acknowledging_what_is_gone_changes_nothing(tmp_path: Path) -> None:
    outbox = opened(tmp_path, max_events=1)
    outbox.append(event(), event())
    outbox.acknowledge([1, 99])
    assert (outbox.depth, seqs(outbox)) == (1, [2])


def test_without_a_folder_it_lives_in_memory() -> None:
    outbox = opened(None)
    assert outbox.append(event()) == 1
    outbox._db.execute("PRAGMA query_only = ON")
    outbox.append(event())
    assert str(outbox.trouble).startswith("memory: ")


def test_what_is_appended_is_on_the_medium_and_what_is_forgotten_may_wait(tmp_path: Path) -> None:
    """FULL is 2: the commit waits for the medium. NORMAL is 1: an SD card is not worn for what may be sent again."""
    outbox = opened(tmp_path)
    outbox.append(event())
    assert outbox._db.execute("PRAGMA synchronous").fetchone() == (2,)
    outbox.acknowledge([1])
    assert outbox._db.execute("PRAGMA synchronous").fetchone() == (1,)


def test_asking_writes_nothing(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.append(event())
    rows_written = outbox._db.total_changes
    assert (seqs(outbox), seqs(outbox)) == ([1], [1])
    assert outbox._db.total_changes == rows_written


def test_a_writer_killed_midway_leaves_no_gap_and_loses_nothing_it_was_promised(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    promised = [int(writer.stdout.readline()) for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    promised += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    writer.wait()

    outbox = opened(tmp_path)
    stored = seqs(outbox)
    assert stored == list(range(1, len(stored) + 1))
    assert len(promised) <= len(stored) <= len(promised) + 1  # one may be on disk whose number was not yet said
    assert outbox.append(event()) == len(stored) + 1


def test_two_processes_on_one_folder_are_refused(tmp_path: Path) -> None:
    first = opened(tmp_path)
    with pytest.raises(StateError, match="another process uses this state folder"):
        opened(tmp_path)
    first.close()
    opened(tmp_path)


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match=r"cannot be used: Not a directory; check device\.state_dir"):
        opened(tmp_path / "file" / "state")


def test_an_event_that_cannot_be_read_is_dropped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = opened(tmp_path)
    outbox.append(event(), event(), event())
    outbox._db.execute('UPDATE events SET body = \'{"not": "an event"}\' WHERE seq = 1')
    outbox._db.execute("UPDATE events SET body = 'x' WHERE seq = 2")
    assert seqs(outbox) == [3]
    assert caplog.messages == [f"event {seq} cannot be read any more and is dropped." for seq in (1, 2)]
    assert (outbox.depth, outbox.dropped) == (1, 2)
    outbox.close()
    assert opened(tmp_path).dropped == 2


# --- clocks


def test_a_clock_that_is_put_right_makes_no_event_old(tmp_path: Path) -> None:
    """A Pi begins in the past and jumps when the network is there: nothing that was just recorded is a day old."""
    hands = Hands(wall_s=0.0)
    outbox = opened(tmp_path, hands, max_age_s=3600)
    outbox.append(event())
    hands.wall_s += 1e9
    hands.pass_(5)
    outbox.append(event())
    assert (seqs(outbox), outbox.oldest_age_s) == ([1, 2], 5)
    outbox.close()
    outbox = opened(tmp_path, hands, max_age_s=3600)
    assert (seqs(outbox), outbox.oldest_age_s) == ([1, 2], 5), "nor for the next process of the same boot"
    hands.wall_s -= 2e9
    hands.pass_(3594)
    assert seqs(outbox) == [1, 2]
    hands.pass_(2)
    assert seqs(outbox) == [2], "and a clock that is put back makes none young"


def test_after_a_reboot_the_wall_clock_tells_how_long_it_was_off(tmp_path: Path) -> None:
    hands = Hands()
    outbox = opened(tmp_path, hands)
    outbox.append(event())
    outbox.close()
    hands.reboot(wall_s=1100.0)
    assert opened(tmp_path, hands).oldest_age_s == pytest.approx(100.0)


def test_after_a_reboot_into_the_past_ages_go_on_from_the_last_record(tmp_path: Path) -> None:
    hands = Hands()
    outbox = opened(tmp_path, hands, max_age_s=60)
    outbox.append(event())
    outbox.close()
    hands.reboot(wall_s=0.0)
    outbox = opened(tmp_path, hands, max_age_s=60)
    hands.pass_(50)
    assert (seqs(outbox), outbox.oldest_age_s) == ([1], pytest.approx(50.0))
    hands.pass_(11)
    assert seqs(outbox) == []


# --- disks


def test_a_disk_that_takes_nothing_holds_events_in_memory_and_loses_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = opened(tmp_path)
    outbox.append(event(1))
    outbox._db.execute("PRAGMA query_only = ON")  # as when the kernel mounts a failing card read-only
    assert outbox.append(event(2)) is None
    assert outbox.append(event(3)) is None
    outbox.acknowledge([1])
    assert (outbox.held, outbox.depth, seqs(outbox), outbox.last_seq) == (2, 2, [], 1)
    reason = "the state folder cannot be used: attempt to write a readonly database; check device.state_dir, "
    assert str(outbox.trouble).startswith(f"{tmp_path / 'outbox.db'}: {reason}")
    told = f"{outbox.trouble} Meanwhile events are held in memory, the newest 1000 at most."
    assert caplog.messages == [told], "said once"

    outbox._db.execute("PRAGMA query_only = OFF")
    assert seqs(outbox) == [2, 3]
    assert [w.event.track for w in outbox.pending(9)] == [2, 3]
    assert (outbox.held, outbox.depth, outbox.trouble) == (0, 2, None)
    assert caplog.messages[1:] == ["the state folder can be written again; nothing is held in memory any more."]


def test_what_the_broker_took_is_not_offered_again_while_the_disk_takes_nothing(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.append(event(), event(), event())
    outbox._db.execute("PRAGMA query_only = ON")
    outbox.acknowledge([1, 99])
    assert (outbox.depth, seqs(outbox, limit=1), seqs(outbox)) == (2, [2], [2, 3])


def test_a_write_that_fails_midway_is_undone_whole(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox._db.execute(
        "CREATE TEMP TRIGGER refuse BEFORE INSERT ON events WHEN (SELECT count(*) FROM events) = 1"
        " BEGIN SELECT RAISE(ABORT, 'no room'); END"
    )
    assert outbox.append(event(1), event(2)) is None
    assert (outbox.held, seqs(outbox)) == (2, [])
    outbox._db.execute("DROP TRIGGER refuse")
    assert outbox.append(event(3)) == 3
    assert [w.event.track for w in outbox.pending(9)] == [1, 2, 3]


def test_a_file_that_cannot_even_be_read_stops_nothing(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.append(event(), event())
    outbox._db.close()
    assert seqs(outbox) == []
    assert "closed database" in str(outbox.trouble)
    outbox.acknowledge([1])
    assert (outbox.append(event()), outbox.depth, outbox.held) == (None, 3, 1)


def test_of_what_is_held_the_newest_stay_and_the_rest_is_counted(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox._db.execute("PRAGMA query_only = ON")
    for track in range(1, HELD + 6):
        outbox.append(event(track))
    assert (outbox.held, outbox.dropped) == (HELD, 5)
    outbox._db.execute("PRAGMA query_only = OFF")
    assert seqs(outbox, limit=HELD) == list(range(1, HELD + 1))
    assert outbox.pending(1)[0].event.track == 6
    outbox.close()
    assert opened(tmp_path).dropped == 5


def test_what_cannot_be_written_at_the_end_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = opened(tmp_path)
    outbox._db.execute("PRAGMA query_only = ON")
    outbox.append(event())
    outbox.close()
    assert caplog.messages[1:] == [f"1 events could not be written and are lost. {outbox.trouble}"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MB, which only root can make."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system takes root")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path) -> Path:
    """Take all the room there is."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return ballast


def test_a_full_disk_does_not_silence_a_device_whose_broker_is_there(small_disk: Path) -> None:
    outbox = opened(small_disk)
    fill(small_disk)
    for seq in range(1, 501):
        assert outbox.append(event()) == seq
        outbox.acknowledge([seq])
    assert (outbox.depth, outbox.trouble) == (0, None)


def test_a_full_disk_with_the_broker_away_loses_nothing_once_there_is_room(small_disk: Path) -> None:
    outbox = opened(small_disk, max_events=100_000)
    ballast = fill(small_disk)
    for track in range(1, 3001):
        outbox.append(event(track))
        if outbox.held == 500:
            break
    on_disk = outbox.last_seq
    assert on_disk > 100, "the reserve takes some"
    assert "full" in str(outbox.trouble)
    ballast.unlink()
    assert [w.event.track for w in outbox.pending(5000)] == list(range(1, on_disk + 501))
    assert (outbox.trouble, outbox.held, outbox.dropped) == (None, 0, 0)
    outbox.close()
    assert opened(small_disk).depth == on_disk + 500


def test_a_start_on_a_full_disk_keeps_what_waits_and_goes_on(small_disk: Path) -> None:
    outbox = opened(small_disk)
    outbox.append(*(event(track) for track in range(1, 11)))
    outbox.close()
    ballast = fill(small_disk)
    outbox = opened(small_disk)
    assert seqs(outbox) == list(range(1, 11))
    outbox.append(*(event(track) for track in range(11, 21)))
    assert outbox.depth == 20
    ballast.unlink()
    assert seqs(outbox) == list(range(1, 21))


def test_a_first_start_on_a_full_disk_is_one_sentence(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(StateError, match=r"cannot be used: .*; check device\.state_dir, .* and the disk\."):
        opened(small_disk)


# --- damage


def spoil(file: Path, at: int, length: int) -> None:
    with file.open("r+b") as data:
        data.seek(at)
        data.write(b"\xde\xad" * (length // 2))


@pytest.mark.parametrize("at", [0, 100, 4096, 5000])
def test_a_damaged_file_is_moved_aside_and_no_number_is_given_twice(
    tmp_path: Path, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = opened(tmp_path)
    given = outbox.append(*(event(track) for track in range(1, 2101)))
    outbox.close()
    spoil(tmp_path / "outbox.db", at, 20_000)
    outbox = opened(tmp_path)
    seq = outbox.append(event())
    assert given is not None and seq is not None and given < seq <= given + 1001
    assert (outbox.damaged, outbox.depth) == (1, 1)
    assert (tmp_path / "outbox.db.damaged").exists()
    assert "the outbox was damaged (" in caplog.text and f"an empty one begins at seq {seq}." in caplog.text
    outbox.close()
    outbox = opened(tmp_path)
    assert (outbox.damaged, outbox.append(event())) == (0, seq + 1)


def spoil_in_use(outbox: Outbox, file: Path) -> None:
    """All but the first page, so that nothing of it is in SQLite's memory or in its log."""
    outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    outbox._db.execute("PRAGMA cache_size = 0")
    outbox._db.execute("PRAGMA shrink_memory")
    spoil(file, 4096, 400_000)


def test_damage_that_shows_later_is_healed_without_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = opened(tmp_path)
    outbox.append(*(event(track) for track in range(1, 501)))
    outbox.acknowledge(range(1, 101))
    spoil_in_use(outbox, tmp_path / "outbox.db")
    for track in range(501, 511):
        outbox.append(event(track))
    assert (outbox.damaged, outbox.dropped, outbox.trouble) == (1, 400, None)
    waiting = outbox.pending(100)
    assert [w.event.track for w in waiting] == list(range(501, 511))
    assert waiting[0].event.seq == 1501
    assert "the outbox was damaged (database disk image is malformed)" in caplog.text


def test_every_event_is_accounted_for_when_the_file_is_damaged_twice(tmp_path: Path) -> None:
    outbox = opened(tmp_path, max_events=500)
    outbox.append(*(event() for _ in range(503)))
    outbox._db.execute("UPDATE events SET body = 'x' WHERE seq = 4")
    outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    outbox._db.execute("PRAGMA query_only = ON")
    outbox.acknowledge([5, 6])
    assert (seqs(outbox, limit=2), outbox.depth, outbox.dropped) == ([7], 497, 4)
    spoil_in_use(outbox, tmp_path / "outbox.db")
    outbox._db.execute("PRAGMA query_only = OFF")
    outbox.append(event())
    assert (outbox.damaged, outbox.depth, outbox.dropped) == (1, 1, 504 - 2 - 1)
    assert seqs(outbox) == [1504]
    spoil_in_use(outbox, tmp_path / "outbox.db")
    outbox.append(event())
    assert (outbox.damaged, outbox.depth, outbox.dropped) == (2, 1, 505 - 2 - 1)


def test_damage_without_the_note_of_the_ceiling_gives_no_number_twice_in_one_process(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.append(*(event() for _ in range(500)))
    (tmp_path / "outbox.seq").unlink()
    spoil_in_use(outbox, tmp_path / "outbox.db")
    outbox.append(event())
    assert seqs(outbox) == [501]


def test_damage_where_no_new_file_can_be_made_is_one_sentence(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.append(*(event() for _ in range(500)))
    (tmp_path / "outbox.db.damaged").mkdir()
    spoil_in_use(outbox, tmp_path / "outbox.db")
    with pytest.raises(StateError, match=r"/outbox\.db: the state folder cannot be used: Is a directory; check"):
        outbox.append(event())


def test_a_file_that_is_gone_does_not_begin_again_at_one(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.append(event())
    outbox.close()
    (tmp_path / "outbox.db").unlink()
    assert opened(tmp_path).append(event()) == 1002


@pytest.mark.parametrize("note", ["", "not a number", "-5", "\xff"])
def test_a_note_of_the_ceiling_that_cannot_be_read_is_passed_over(tmp_path: Path, note: str) -> None:
    (tmp_path / "outbox.seq").write_text(note, encoding="latin-1")
    assert opened(tmp_path).append(event()) == 1


def test_the_state_folder_is_the_settings_else_systemds_else_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/pi")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/emotion-device:/elsewhere")
    assert state_dir(load_config(overrides=["device.state_dir=~/mine"])) == Path("/home/pi/mine")
    assert state_dir(load_config()) == Path("/var/lib/emotion-device")
    monkeypatch.delenv("STATE_DIRECTORY")
    assert state_dir(load_config()) == Path("/home/pi/.local/state/emotion-edge")


class OutboxMachine(RuleBasedStateMachine):
    """Whatever is appended, acknowledged, reopened, left to age or refused by the disk, it agrees with two lists."""

    MAX_EVENTS, MAX_AGE_S = 5, 100.0

    def __init__(self) -> None:
        super().__init__()
        self.hands = Hands()
        self.disk: list[tuple[int, float]] = []  # seq, recorded
        self.held: list[float] = []
        self.given = self.dropped = 0
        self.broken = False
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.outbox = self.open()

    def open(self) -> Outbox:
        return opened(self.folder, self.hands, max_events=self.MAX_EVENTS, max_age_s=self.MAX_AGE_S)

    def settle(self) -> None:
        """What every call does first, if the disk allows."""
        if self.broken:
            return
        self.disk += [(self.given + n, recorded) for n, recorded in enumerate(self.held, 1)]
        self.given, self.held = self.given + len(self.held), []
        young = [(seq, s) for seq, s in self.disk if s >= self.hands.boot_s - self.MAX_AGE_S]
        kept = young[-self.MAX_EVENTS :]
        self.dropped, self.disk = self.dropped + len(self.disk) - len(kept), kept

    @rule(count=st.integers(1, 7))
    def append(self, count: int) -> None:
        self.held += [self.hands.boot_s] * count
        self.settle()
        seq = self.outbox.append(*(event() for _ in range(count)))
        assert seq == (None if self.broken else self.given)

    @rule(seconds=st.floats(0, 80))
    def wait(self, seconds: float) -> None:
        self.hands.pass_(seconds)

    @rule(seconds=st.floats(-1e6, 1e6))
    def set_the_clock(self, seconds: float) -> None:
        self.hands.wall_s += seconds

    @precondition(lambda self: self.given > 0)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        seq = data.draw(st.integers(1, self.given))
        self.outbox.acknowledge([seq])
        self.disk = [(s, t) for s, t in self.disk if s != seq]
        self.settle()

    @rule()
    def break_or_mend_the_disk(self) -> None:
        self.broken = not self.broken
        self.outbox._db.execute(f"PRAGMA query_only = {'ON' if self.broken else 'OFF'}")

    @precondition(lambda self: not self.broken)
    @rule()
    def reopen(self) -> None:
        self.outbox.close()
        self.settle()
        self.outbox = self.open()

    @invariant()
    def agrees(self) -> None:
        self.settle()
        assert seqs(self.outbox) == [seq for seq, _ in self.disk]
        assert (self.outbox.depth, self.outbox.held) == (len(self.disk) + len(self.held), len(self.held))
        assert (self.outbox.dropped, self.outbox.last_seq) == (self.dropped, self.given)
        assert (self.outbox.size > 0) == (self.outbox.depth > self.outbox.held) or self.broken

    def teardown(self) -> None:
        self.outbox.close()
        shutil.rmtree(self.folder)


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
