"""The record of installed models, whatever its file holds: it can be published and printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from device.messages import ModelName, ModelUpdate, to_json
from device.model_registry.record import ALL_DAMAGED, PART_DAMAGED, Record, read_record, record_json
from device.model_registry.registry import ModelStore

DIGEST = "0123456789abcdef" * 4
NAME = {"name": "student", "version": "1", "digest": DIGEST}
UPDATE: dict[str, Any] = {"state": "refused", "new": NAME, "old": NAME, "reason": "no.", "since": 1.5}
VALUES: dict[str, Any] = {"current": DIGEST, "previous": None, "on_trial": False, "begun": 0, "update": UPDATE}


def read(folder: Path, values: object) -> tuple[Record, str | None]:
    path = folder / "record.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return read_record(path)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    name = ModelName(name="größer", version=None, digest=DIGEST)
    update = ModelUpdate(state="trial", new=name, old=name, reason=None, since=12.345)
    for record in (Record(), Record(DIGEST, None, True, 2, update)):
        (tmp_path / "record.json").write_bytes(record_json(record))
        assert read_record(tmp_path / "record.json") == (record, None)


@pytest.mark.parametrize("text", ["a\ud800", "\x1b[2J\x1b]0;title\x07", "x" * 90_000, "\u202e", "a\nb"])
@pytest.mark.parametrize("place", ["name", "version", "reason"])
def test_the_text_of_an_older_version_can_be_published(tmp_path: Path, text: str, place: str) -> None:
    update = UPDATE | ({"reason": text} if place == "reason" else {"new": NAME | {place: text}})
    record, damage = read(tmp_path, VALUES | {"update": update})
    assert (record.current, damage) == (DIGEST, None), "the installed model stays"
    said = to_json(record.update)
    assert said.isprintable() and said.encode() and len(said) < 2000


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "fine"},
        {"new": None},
        {"new": NAME | {"name": 5}},
        {"new": NAME | {"digest": "../../etc/passwd"}},
        {"old": {}},
        {"reason": ["no"]},
        {"since": "soon"},
        {"since": float("nan")},
        {"since": 10**400},
    ],
)
def test_a_damaged_result_is_left_out_and_the_model_stays(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert read(tmp_path, VALUES | {"update": UPDATE | changes}) == (Record(DIGEST), PART_DAMAGED)


@pytest.mark.parametrize(
    "changes",
    [
        {"current": 5},
        {"current": "../../../etc/passwd"},
        {"previous": DIGEST.upper()},
        {"on_trial": "yes"},
        {"begun": -1},
        {"begun": True},
        {"begun": 1e400},
        {"more": 1},
    ],
)
def test_a_record_of_wrong_types_means_the_bundled_model(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert read(tmp_path, VALUES | changes) == (Record(), ALL_DAMAGED)


@pytest.mark.parametrize("data", [b"[" * 50_000, b"\xff\xfe", b'{"current": ' + b"9" * 5000, b"null"])
def test_what_is_no_record_at_all(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "record.json").write_bytes(data)
    assert read_record(tmp_path / "record.json") == (Record(), ALL_DAMAGED)


def test_damage_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "record.json").write_text("{")
    store = ModelStore(tmp_path)
    assert [store.record() for _ in range(3)] == [Record()] * 3
    assert caplog.messages == [f"{tmp_path / 'models' / 'record.json'}: {ALL_DAMAGED}"]
