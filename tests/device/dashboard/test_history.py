"""The last day on disk: what is written, read, exported, deleted, and what survives."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from device.dashboard.history import MAX_ROWS, PRUNE_S, History
from device.dashboard.history_file import MAX_LABELS, PRAGMAS
from device.dashboard.history_rows import csv_lines
from device.dashboard.live_state import alert_of
from device.errors import StateError
from device.messages.attention import GroupAttention
from tests.device.dashboard.helpers import alert, summary

DAY_S = 86400
START_S = 1_800_000_000
MAX_DAY_BYTES = 20_000_000


class Clock:
    """The clock of the machine, which a test sets."""

    def __init__(self) -> None:
        self.now_s = float(START_S)

    def __call__(self) -> float:
        return self.now_s


class Diary:
    """A history in a folder, with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.path, self.clock = folder / "dashboard" / "hall.db", Clock()
        self.history = History(self.path, 24, self.clock)

    def add(self, message: Any = None, after_s: float = 1.0) -> None:
        """A summary arrives, and then time goes by."""
        self.history.add_summary(json.loads((message or summary()).to_json()))
        self.clock.now_s += after_s

    def rows(self, step_s: int = 1, since_s: float = 0.0) -> list[dict[str, Any]]:
        """All rows."""
        return self.history.rows(since_s or self.clock.now_s - 3600, self.clock.now_s + 1, step_s)[1]

    def restart(self) -> None:
        """The process ends and starts again."""
        self.history.close()
        self.history = History(self.path, 24, self.clock)


@pytest.fixture
def diary(tmp_path: Path) -> Iterator[Diary]:
    diary = Diary(tmp_path)
    yield diary
    diary.history.close()


def test_a_row_has_the_numbers_of_its_message(diary: Diary) -> None:
    attention = GroupAttention(measured=2, facing=0.5, eye_openness=0.25, looking_away=0.5, eyes_closed=0, yawning=1)
    diary.add(summary(faces=3, happy=0.75, attention=attention))
    diary.add(summary(faces=0))
    first, second = diary.rows()
    assert first == {
        "t": START_S,
        "faces": 3,
        "counts": {"angry": 0, "happy": 3, "neutral": 0, "unknown": 0},
        "valence": {"positive": 0.75, "negative": 0.25, "neutral": 0},
        "attention": {
            "measured": 2, "facing": 0.5, "eye_openness": 0.25, "looking_away": 0.5, "eyes_closed": 0, "yawning": 1,
        },
    }  # fmt: skip
    assert second["t"] == START_S + 1 and second["faces"] == 0 and second["attention"] is None


def test_several_messages_in_a_second_are_one_row_with_their_mean(diary: Diary) -> None:
    for faces in (1, 2, 6):
        diary.add(summary(faces), after_s=0.2)
    diary.clock.now_s += 1
    (row,) = diary.rows()
    assert row["faces"] == 3 and row["counts"]["happy"] == 3


def test_a_repeated_summary_counts_where_no_other_comes(diary: Diary) -> None:
    empty, three = (json.loads(summary(faces).to_json()) for faces in (0, 3))
    for message, repeated in ((empty, True), (three, False), (empty, True), (three, False)):
        diary.history.add_summary(message, repeated)
    diary.clock.now_s += 1
    diary.history.add_summary(empty, repeated=True)
    diary.clock.now_s += 1
    assert [row["faces"] for row in diary.rows()] == [3, 0]


def test_a_larger_step_takes_the_mean_of_the_rows(diary: Diary) -> None:
    for faces in (1, 2, 3, 4, 5, 6):
        diary.add(summary(faces))
    assert [(row["t"] - START_S, row["faces"]) for row in diary.rows(step_s=3)] == [(0, 2), (3, 5)]
    assert [row["t"] - START_S for row in diary.rows(since_s=START_S + 4)] == [4, 5]


def test_the_number_of_rows_is_bounded_and_the_answer_says_the_step(diary: Diary) -> None:
    step, rows = diary.history.rows(0, START_S + DAY_S, 1)
    assert step >= DAY_S / MAX_ROWS and rows == []
    assert diary.history.rows(-1e18, 1e18, 1)[1] == []


def test_the_csv_has_the_same_numbers(diary: Diary) -> None:
    for faces in range(1, 4):
        diary.add(summary(faces, happy=faces / 4, attention=GroupAttention(measured=faces, facing=0.123)))
    diary.clock.now_s += 2
    diary.add(summary(5))
    text = "".join(csv_lines(diary.history.labels(), diary.history.export(0, diary.clock.now_s + 1, 1)))
    lines = list(csv.DictReader(io.StringIO(text)))
    header = text.splitlines()[0].split(",")
    assert len(set(header)) == len(header), "neutral is a label and a valence"
    assert [line["time"][-9:] for line in lines] == ["08:00:00Z", "08:00:01Z", "08:00:02Z", "08:00:05Z"]
    for line, row in zip(lines, diary.rows(), strict=True):
        assert float(line["faces"]) == row["faces"] and float(line["happy"]) == row["counts"]["happy"]
        assert float(line["valence_positive"]) == row["valence"]["positive"]
        assert float(line["attention_facing"] or -1) == (row["attention"] or {}).get("facing", -1)
    assert lines[-1]["attention_measured"] == "" and "1.0" not in text


def test_history_survives_a_restart_and_a_kill(diary: Diary, tmp_path: Path) -> None:
    diary.add()
    diary.history.add_alert(alert_of(json.loads(alert().to_json())) or {})
    diary.restart()
    assert len(diary.rows()) == 1 and len(diary.history.alerts(0, 2e9)) == 1
    diary.add()
    diary.rows()  # writes it
    for suffix in ("", "-wal"):  # what a killed process leaves
        (tmp_path / f"copy.db{suffix}").write_bytes(diary.path.with_name(diary.path.name + suffix).read_bytes())
    copy = History(tmp_path / "copy.db", 24, diary.clock)
    assert len(copy.rows(START_S - 60, 2e9, 1)[1]) == 2
    copy.close()


@pytest.mark.parametrize("content", [b"not a database" * 1000, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_file_is_replaced_with_a_sentence(
    diary: Diary, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    diary.add()
    diary.history.close()
    diary.path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        diary.history = History(diary.path, 24, diary.clock)
    assert "the history was damaged" in caplog.text and diary.rows() == []
    diary.add()
    diary.clock.now_s += 1
    assert len(diary.rows()) == 1


def test_another_version_of_the_tables_is_replaced(diary: Diary) -> None:
    diary.history.close()
    with sqlite3.connect(diary.path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    diary.history = History(diary.path, 24, diary.clock)
    diary.add()
    diary.clock.now_s += 1
    assert len(diary.rows()) == 1


def test_tables_of_somebody_else_are_replaced(diary: Diary) -> None:
    diary.history.close()
    with sqlite3.connect(diary.path) as db:
        db.execute("DROP TABLE labels")
    db.close()
    diary.history = History(diary.path, 24, diary.clock)
    diary.add()
    diary.clock.now_s += 1
    assert len(diary.rows()) == 1 and diary.history.error is None


def test_a_disk_that_is_full_at_the_start(diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be deleted then either; the page is served all the same, and says so."""
    diary.add()
    diary.rows()
    diary.clock.now_s += 2 * DAY_S
    monkeypatch.setattr("device.dashboard.history_file.PRAGMAS", f"{PRAGMAS} PRAGMA query_only=ON;")
    diary.restart()
    assert (diary.history.error or "").startswith("The history cannot be written: ")


def test_two_dashboards_of_one_board(diary: Diary) -> None:
    diary.add()
    diary.rows()
    with pytest.raises(StateError, match=r"another dashboard writes this history; stop it, or .* --no-history"):
        History(diary.path, 24, diary.clock)


def test_only_this_user_may_read_it(diary: Diary) -> None:
    diary.add()
    diary.rows()
    assert {path.stat().st_mode & 0o777 for path in diary.path.parent.iterdir()} == {0o600}
    assert diary.path.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_older_than_a_day_is_deleted(diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    monotonic_s = [1000.0]
    monkeypatch.setattr("device.dashboard.history.time.monotonic", lambda: monotonic_s[0])
    diary.restart()
    diary.add()
    diary.history.add_alert(alert_of(json.loads(alert().to_json())) or {})
    diary.history.tick()
    for _ in range(25):
        monotonic_s[0] += 3600
        diary.clock.now_s += 3600
        diary.history.tick()
    diary.history.close()
    with sqlite3.connect(diary.path) as db:
        assert db.execute("SELECT count(*) FROM seconds").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM alerts").fetchone() == (0,)
    db.close()
    diary.history = History(diary.path, 24, diary.clock)


def test_a_file_in_use_does_not_look_forgotten(diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another dashboard deletes what nobody has written for a day; the board may be off."""
    monotonic_s = [1000.0]
    monkeypatch.setattr("device.dashboard.history.time.monotonic", lambda: monotonic_s[0])
    diary.restart()
    diary.history.tick()
    os.utime(diary.path, (START_S - 2 * DAY_S,) * 2)
    before_s = diary.path.stat().st_mtime
    monotonic_s[0] += PRUNE_S + 1
    diary.clock.now_s += PRUNE_S + 1
    diary.history.tick()
    assert diary.path.stat().st_mtime != before_s


def test_a_clock_that_jumps_deletes_nothing_at_once(diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the year 2037 and back: the rows of today stay, and those of 2037 are deleted later."""
    monotonic_s = [1000.0]
    monkeypatch.setattr("device.dashboard.history.time.monotonic", lambda: monotonic_s[0])
    diary.restart()

    def go(seconds: float) -> None:
        monotonic_s[0] += seconds
        diary.clock.now_s += seconds
        diary.history.tick()

    diary.add(after_s=0)
    go(PRUNE_S + 30)
    diary.clock.now_s += 10 * 365 * DAY_S
    go(1)
    diary.add(after_s=0)
    diary.history.add_alert(alert_of(json.loads(alert().to_json())) or {})
    go(PRUNE_S / 2)
    diary.clock.now_s -= 10 * 365 * DAY_S
    go(1)
    assert [row["t"] for row in diary.rows()] == [START_S]
    go(PRUNE_S + 1)
    assert [row["t"] for row in diary.rows()] == [START_S]
    diary.history.close()
    with sqlite3.connect(diary.path) as db:
        assert db.execute("SELECT count(*) FROM seconds").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM alerts").fetchone() == (0,)
    db.close()
    diary.history = History(diary.path, 24, diary.clock)


def test_labels_that_are_none_or_too_many_are_left_out(diary: Diary) -> None:
    values = json.loads(summary(1).to_json())
    values["counts"] = {"=cmd()": 1, "<b>": 1, "": 1} | {f"label {n}": n for n in range(MAX_LABELS + 5)}
    diary.history.add_summary(values)
    diary.clock.now_s += 1
    (row,) = diary.rows()
    assert row["counts"] == {f"label {n}": n for n in range(MAX_LABELS)}


def test_a_full_disk_is_shown_and_tried_again(diary: Diary) -> None:
    pages = diary.history._db.execute("PRAGMA page_count").fetchone()[0]
    diary.history._db.execute(f"PRAGMA max_page_count={pages}")
    for _ in range(200):
        diary.add()
    diary.rows()
    assert diary.history.error == "The history cannot be written: database or disk is full."
    diary.history._db.execute("PRAGMA max_page_count=100000")
    assert len(diary.rows()) == 200 and diary.history.error is None


def test_alerts_are_kept_once_and_newest_first(diary: Diary) -> None:
    first, second = (json.loads(alert(kind).to_json()) for kind in ("yawn", "drowsy"))
    for number, message in enumerate((first, second, first)):
        diary.history.add_alert(alert_of(message | {"ts": START_S - 100.0 + number}) or {})
    strange = json.loads(alert("looking_away").to_json()) | {"ts": 9e12}
    diary.history.add_alert(alert_of(strange) or {})
    found = diary.history.alerts(0, START_S + 1)
    assert [entry["kind"] for entry in found] == ["looking_away", "drowsy", "yawn"]
    assert found[0]["ts"] == START_S and found[0]["replayed"] is False


@pytest.mark.parametrize("seconds", [DAY_S // 20, pytest.param(DAY_S, marks=pytest.mark.long)])
def test_a_day_takes_less_than_20_mb(diary: Diary, seconds: int) -> None:
    attention = GroupAttention(measured=5, facing=0.51, eye_openness=0.62, looking_away=0.2, eyes_closed=0, yawning=0.2)
    values = json.loads(summary(7, happy=0.6123, attention=attention).to_json())
    for second in range(seconds):
        values["faces"] = second % 30
        values["valence"]["positive"] = second % 997 / 997
        diary.history.add_summary(values)
        diary.clock.now_s += 1
        if second % 500 == 0:
            diary.history.labels()  # writes what waits
    assert len(list(diary.history.export(0, diary.clock.now_s, 1))) == seconds
    used = sum(path.stat().st_size for path in diary.path.parent.iterdir())
    assert used < MAX_DAY_BYTES * seconds / DAY_S
    print(f"{used:,} bytes for {seconds} rows")
