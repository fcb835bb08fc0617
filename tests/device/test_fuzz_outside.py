"""Whatever comes from outside: no exception but ours, soon and cheaply, and it can be published."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
import sqlite3
import zipfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st

from device.cli.model.card_view import describe
from device.config import usage_policy
from device.config.schema import OutboxConfig, load_config
from device.config.yaml_writer import render
from device.errors import ConfigError, EmotionEdgeError, ModelError, StateError
from device.inference.model_card import ENTRY, ModelCard, attach, read_card
from device.messages import ModelInfo, ModelName, to_json
from device.model_registry.record import read_record
from device.model_registry.registry import ModelStore
from device.mqtt.connection import MessageReceived
from device.mqtt.topics import Topics
from device.outbox.outbox import Outbox
from device.publishing.command_inbox import Request
from device.publishing.command_router import CommandRouter
from device.publishing.face_states import open_face_states
from tests.device.outbox.helpers import event, open_outbox
from tests.support.fuzz import fuzz
from tests.support.tiny_models import LABELS, tiny_card, tiny_model

NETWORK = tiny_model()
CONFIG = (Path(__file__).parents[2] / "config.yaml").read_text(encoding="utf-8")

any_text = st.text(st.characters(exclude_categories=()), max_size=60)  # also halves of surrogate pairs
scalars = st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.just("x" * 100_000)
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4))
# Where bytes are changed: a place as a share of the length, what is cut out, what is put in.
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 64), st.binary(max_size=16)), min_size=1, max_size=8)


def edited(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for share, cut, new in changes:
        place = int(share * len(data))
        data = data[:place] + new + data[place + cut :]
    return data


def is_one_sentence(error: EmotionEdgeError) -> bool:
    return "\n" not in str(error).strip() and str(error).rstrip().endswith((".", "?", ")"))


# --- config text

WORDS = """ !!int !!bool !!timestamp !!float !!binary !!set !!omap !!null !!python/name:os.system & &a *a << ? - :
| > >- %YAML %TAG [ ] { } ' " # , 0b 0x 0o 1_ .nan .inf 1e999 ~ null yes 2001-01-01 12:30:45 "\\ud800" "\\0" "\\e[2J"
\t \u2028 \ufeff --- ... 0b111111111111 99999999999999999999 device: mqtt: [*a,*a] &a[*a] !<x>"""
word_edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 8), st.sampled_from(re.split("[ \n]", WORDS)) | any_text), max_size=6
)


@fuzz(word_edits)
def test_a_config_with_words_changed(file: Path, changes: list[tuple[float, int, str]]) -> None:
    text = CONFIG
    for share, cut, new in changes:
        place = int(share * len(text))
        text = text[:place] + new + text[place + cut :]
    check_config(file, text.encode("utf-8", "surrogatepass"))


@fuzz(edits)
def test_a_config_with_bytes_changed(file: Path, changes: list[tuple[float, int, bytes]]) -> None:
    check_config(file, edited(CONFIG.encode(), changes))


def check_config(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    try:
        config = load_config(file)
        usage_policy.check(config)
        Topics(config)
    except ConfigError as error:
        assert is_one_sentence(error) and len(str(error)) < 2000
        return
    file.write_text(render({"device": config}), encoding="utf-8")
    assert load_config(file) == config


# --- cards, and the archives they come in

CARD: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(tiny_card())))
KEYS = sorted(CARD)


@fuzz(st.dictionaries(st.sampled_from(KEYS), trees, min_size=1, max_size=3))
def test_what_a_card_says_can_be_published(file: Path, changes: dict[str, Any]) -> None:
    check_model(file, packed({ENTRY: json.dumps(CARD | changes).encode()}))


@fuzz(any_text, any_text, st.lists(any_text, min_size=2, max_size=9, unique=True), any_text, st.floats())
def test_texts_of_a_card(file: Path, name: str, version: str, labels: list[str], notes: str, accuracy: float) -> None:
    changes = {"name": name, "version": version, "labels": labels, "notes": notes, "metrics": [{"accuracy": accuracy}]}
    check_model(file, packed({ENTRY: json.dumps(CARD | changes).encode()}))


@fuzz(
    st.dictionaries(st.sampled_from([ENTRY, "labels.txt", "../x", "a" * 200]), st.binary(max_size=300), max_size=4),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
    st.integers(0, 3_000_000),
)
def test_entries_of_an_archive(file: Path, entries: dict[str, bytes], method: int, padding: int) -> None:
    padded = {name: content + b" " * padding for name, content in entries.items()}
    check_model(file, packed(padded, method))


@fuzz(edits)
def test_an_archive_with_bytes_changed(file: Path, changes: list[tuple[float, int, bytes]]) -> None:
    card = attach(NETWORK, tiny_card())[len(NETWORK) :]
    check_model(file, NETWORK + edited(card, changes))


@fuzz(edits)
def test_a_model_with_bytes_changed(file: Path, changes: list[tuple[float, int, bytes]]) -> None:
    check_model(file, edited(attach(NETWORK, tiny_card()), changes))


def packed(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO(NETWORK)
    with zipfile.ZipFile(buffer, "a", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def check_model(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    try:
        card = read_card(file)
    except ModelError as error:
        assert is_one_sentence(error) and len(str(error)) < 1000 and str(error).isprintable()
        return
    check_card(card, file)


def check_card(card: ModelCard, file: Path) -> None:
    info = ModelInfo(name=card.name, version=card.version, digest="0" * 64, labels=card.labels)
    assert to_json(info).encode() and to_json(info).isprintable()
    assert describe(card, file, "0" * 64).replace("\n", "").replace("\t", "").isprintable()
    assert 0.05 <= card.temperature <= 20
    assert all(0 <= metrics.get("accuracy", 0) <= 1 for metrics in card.metrics)


# --- what the broker sends


@fuzz(any_text, st.binary(max_size=300) | trees.map(lambda tree: json.dumps(tree).encode()), st.booleans())
def test_a_command(_: Path, verb: str, payload: bytes, retained: bool) -> None:
    topics = Topics(load_config(overrides=["device.id=porch"]))
    router = CommandRouter(topics, ("pause", "selftest"), lambda: {"status": {}})
    for word in (verb, "status", "pause"):
        message = MessageReceived(cast(Any, object()), f"{topics.root}/cmd/request/{word}", payload, retained)
        answer = router.receive(word, message)
        assert answer is None or (answer.payload.encode() and answer.topic.encode())
    while not router.requests.empty():
        request: Request = router.requests.get()
        assert router.respond(request, {}).payload.encode()


@fuzz(any_text, st.binary(max_size=100))
def test_a_retained_state(_: Path, topic: str, payload: bytes) -> None:
    config = load_config(overrides=["device.id=porch"])
    states = open_face_states(config, Topics(config), LABELS)
    for where in (topic, f"emotion/porch/tracks/{topic}/state", "emotion/porch/tracks/5/state"):
        correction = states.correction(where, payload)
        assert correction is None or correction.payload == ""


# --- what is on the disk

RECORD = json.dumps(
    {
        "current": "0" * 64,
        "previous": None,
        "on_trial": True,
        "begun": 1,
        "update": {
            "state": "trial",
            "new": {"name": "a", "version": "1", "digest": "0" * 64},
            "old": {"name": None, "version": None, "digest": "1" * 64},
            "reason": "no.",
            "since": 1.0,
        },
    }
).encode()


@fuzz(edits)
def test_a_record_with_bytes_changed(file: Path, changes: list[tuple[float, int, bytes]]) -> None:
    check_record(file, edited(RECORD, changes))


@fuzz(st.dictionaries(st.sampled_from(sorted(json.loads(RECORD))), trees, min_size=1, max_size=3))
def test_a_record_with_anything_in_any_place(file: Path, changes: dict[str, Any]) -> None:
    check_record(file, json.dumps(json.loads(RECORD) | changes).encode())


@fuzz(st.sampled_from(["new", "old", "reason", "state", "since"]), trees, any_text)
def test_an_update_with_anything_in_any_place(file: Path, key: str, value: Any, name: str) -> None:
    record = json.loads(RECORD)
    record["update"] |= {"new": {"name": name, "version": name, "digest": "0" * 64}, key: value}
    check_record(file, json.dumps(record).encode())


def check_record(file: Path, data: bytes) -> None:
    (file.parent / "models").mkdir(exist_ok=True)
    path = file.parent / "models" / "record.json"
    path.write_bytes(data)
    record, damage = read_record(path)
    assert damage is None or damage.endswith(".")
    if record.update is not None:
        assert to_json(record.update).isprintable() and len(to_json(record.update)) < 5000
    store = ModelStore(file.parent)
    assert store.path(record.current).parent in (path.parent, store.path(None).parent)
    assert isinstance(store.name(record.current), ModelName)


def fresh_outbox(folder: Path) -> bytes:
    """The bytes of an outbox with ten events, of which three wait."""
    with closing(open_outbox(folder)) as outbox:
        outbox.append(*(event(track) for track in range(1, 11)))
        outbox.acknowledge(range(1, 8))
    return (folder / "outbox.db").read_bytes()


@fuzz(edits, st.binary(max_size=40) | st.just(b"1010\n"))
def test_an_outbox_with_bytes_changed(file: Path, changes: list[tuple[float, int, bytes]], ceiling: bytes) -> None:
    folder = file.parent / "state"
    shutil.rmtree(folder, ignore_errors=True)
    data = fresh_outbox(folder)
    for log in folder.glob("outbox.db-*"):
        log.unlink()
    (folder / "outbox.db").write_bytes(edited(data, changes))
    (folder / "outbox.seq").write_bytes(ceiling)
    check_outbox(folder)


@fuzz(
    st.sampled_from(["events", "counters", "timeline", "sqlite_sequence"]),
    st.sampled_from(["seq", "recorded", "body", "name", "value", "boot", "offset_s"]),
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
)
def test_an_outbox_with_another_value(file: Path, table: str, column: str, value: Any) -> None:
    folder = file.parent / "state"
    shutil.rmtree(folder, ignore_errors=True)
    fresh_outbox(folder)
    with suppress(sqlite3.Error), closing(sqlite3.connect(folder / "outbox.db")) as db, db:
        db.execute(f"UPDATE {table} SET {column} = ?", (value,))
    check_outbox(folder)
    with closing(Outbox(folder, OutboxConfig())) as outbox:
        assert outbox.last_seq > 10, "no number was given twice"


@fuzz(trees)
def test_an_outbox_with_another_event(file: Path, value: Any) -> None:
    folder = file.parent / "state"
    shutil.rmtree(folder, ignore_errors=True)
    fresh_outbox(folder)
    body = json.dumps(json.loads(event().to_json()) | value if isinstance(value, dict) else value)
    with closing(sqlite3.connect(folder / "outbox.db")) as db, db:
        db.execute("UPDATE events SET body = ? WHERE seq = 9", (body,))
    check_outbox(folder)


def check_outbox(folder: Path) -> None:
    try:
        outbox = Outbox(folder, OutboxConfig())
    except StateError as error:
        assert is_one_sentence(error)
        return
    with closing(outbox):
        seq = outbox.append(event())
        assert seq is not None and seq == outbox.last_seq
        waiting = outbox.pending(100)
        assert waiting and waiting[-1].event.seq == seq
        for one in waiting:
            assert one.event.to_json().encode() and round(outbox.now_s() - one.recorded_s) < 1e12
        assert (outbox.oldest_age_s or 0) < 1e12 and outbox.depth == len(waiting)
