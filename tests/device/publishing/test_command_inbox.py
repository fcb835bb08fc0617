"""Requests and answers: what is in order, what is refused, what comes twice.

And that nothing sent does harm.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config.schema import load_config
from device.messages import Answer
from device.mqtt.topics import RESPONSE, Topics
from device.publishing.command_inbox import MAX_BYTES, MAX_WAITING, REMEMBERED, CommandInbox, Request, response_verb

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "events.schema.json").read_text(encoding="utf-8"))
ANSWER = jsonschema.Draft202012Validator({"$ref": "#/$defs/Answer", "$defs": SCHEMA["$defs"]})
TOPICS = Topics(load_config(overrides=["device.id=porch"]))


def asked(transaction: object) -> bytes:
    return json.dumps({"transaction": transaction}).encode()


VERBS = ("pause", "resume", "selftest", "status")


def refusal(verb: str, payload: bytes) -> Answer:
    answer = CommandInbox(VERBS).receive(verb, payload)
    assert isinstance(answer, Answer) and answer.status == "error" and answer.data is None
    assert answer.error is not None and answer.error.endswith(".") and "\n" not in answer.error
    return answer


@pytest.mark.parametrize("verb", VERBS)
def test_a_request_is_taken_and_its_answer_carries_its_transaction(verb: str) -> None:
    inbox = CommandInbox(VERBS)
    request = inbox.receive(verb, asked("7f"))
    assert request == Request(verb, "7f")
    assert inbox.done(Request(verb, "7f"), {"n": 1}) == Answer(status="ok", data={"n": 1}, error=None, transaction="7f")


@pytest.mark.parametrize("payload", [b"{}", b"{ }", b'{"transaction": null}'])
def test_a_transaction_may_be_left_out(payload: bytes) -> None:
    assert CommandInbox(VERBS).receive("pause", payload) == Request("pause", None)


@pytest.mark.parametrize(
    ("verb", "payload", "sentence"),
    [
        ("fly", b"", "there is no command 'fly'; known are pause, resume, selftest, status."),
        ("Pause", b"{}", "there is no command 'Pause'"),
        ("x" * 500, b"", "there is no command 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'"),
        ("pause", b" " * (MAX_BYTES + 1), f"the request has {MAX_BYTES + 1} bytes; at most {MAX_BYTES} are read."),
        ("pause", b"", 'the request is empty; send {"transaction": "any text"}, or {}.'),
        ("pause", b"now", "the request is not JSON; send "),
        ("pause", b"\xff\xfe", "the request is not JSON; send "),
        ("pause", b"[" * 4000, "the request is not JSON; send "),
        ("pause", b"[1]", "the request is no JSON object; send "),
        ("pause", b'"7f"', "the request is no JSON object; send "),
        ("pause", b'{"for_s": 3}', "the request holds 'for_s'; it may hold a transaction and no more."),
        ("pause", b'{"transaction": 7}', "the transaction must be text of 1 to 128 printable characters."),
        ("pause", asked(""), "the transaction must be text"),
        ("pause", asked("x" * 129), "the transaction must be text"),
        ("pause", b'{"transaction": "\\ud800"}', "the transaction must be text"),
        ("pause", asked("a\nb"), "the transaction must be text"),
    ],
)
def test_what_is_not_in_order_is_one_sentence(verb: str, payload: bytes, sentence: str) -> None:
    assert (refusal(verb, payload).error or "").startswith(sentence)


def test_a_refusal_carries_the_transaction_where_it_can_be_read() -> None:
    assert refusal("fly", asked("7f")).transaction == "7f"
    assert refusal("pause", b'{"transaction": "7f", "for_s": 3}').transaction == "7f"


def test_a_request_that_comes_twice_is_worked_on_once_and_answered_the_same() -> None:
    inbox = CommandInbox(VERBS)
    request = Request("pause", "7f")
    assert inbox.receive("pause", asked("7f")) == request
    assert inbox.receive("pause", asked("7f")) is None, "it is being worked on"
    answer = inbox.done(request, {"camera": "paused"})
    assert inbox.receive("pause", asked("7f")) is answer
    assert inbox.receive("resume", asked("7f")) == Request("resume", "7f"), "another verb is another request"
    assert inbox.done(Request("resume", "7f"), None, "it failed.").status == "error"
    assert inbox.receive("pause", asked("7f")) is answer


def test_without_a_transaction_the_same_may_be_asked_again() -> None:
    inbox = CommandInbox(VERBS)
    assert inbox.receive("pause", b"{}") == Request("pause", None)
    assert inbox.receive("pause", b"{}") is None
    inbox.done(Request("pause", None), None)
    assert inbox.receive("pause", b"{}") == Request("pause", None)


def test_too_many_at_once_are_sent_away_and_welcome_later() -> None:
    inbox = CommandInbox(VERBS)
    for n in range(MAX_WAITING):
        assert isinstance(inbox.receive("pause", asked(str(n))), Request)
    busy = inbox.receive("pause", asked("more"))
    assert (
        isinstance(busy, Answer)
        and busy.error == "8 requests are waiting already; send it again when they are answered."
    )
    inbox.done(Request("pause", "0"), None)
    assert inbox.receive("pause", asked("more")) == Request("pause", "more")


def test_old_answers_are_forgotten() -> None:
    inbox = CommandInbox(VERBS)
    for n in range(REMEMBERED + 1):
        inbox.receive("pause", asked(str(n)))
        inbox.done(Request("pause", str(n)), None)
    assert isinstance(inbox.receive("pause", asked("1")), Answer)
    assert isinstance(inbox.receive("pause", asked("0")), Request)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("transaction"), inner, max_size=3),
    max_leaves=8,
)
payloads = (
    st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | json_values.map(lambda v: json.dumps(v).encode())
)
some_payloads = st.sampled_from([b"", asked("1"), asked("2"), b" " * 5000]) | payloads
verbs = st.sampled_from([*VERBS, "fly", "unknown"]) | st.text(max_size=80)


@given(st.lists(st.tuples(verbs, some_payloads, st.booleans()), max_size=30))
def test_whatever_is_sent_each_request_is_worked_on_once_and_every_answer_can_be_said(
    sent: list[tuple[str, bytes, bool]],
) -> None:
    inbox = CommandInbox(VERBS)
    worked: list[Request] = []
    for verb, payload, finish in sent:
        item = inbox.receive(verb, payload)
        if isinstance(item, Request):
            worked.append(item)
            item = inbox.done(item, {}) if finish else None
        if item is not None:
            message = TOPICS.message(RESPONSE, item.to_json(), verb=response_verb(verb))
            assert not set(message.topic) & {"+", "#", "\0"} and message.topic.count("/") == 4
            ANSWER.validate(json.loads(message.payload.encode()))
            assert len(message.payload) < 2000
    named = [request for request in worked if request.transaction is not None]
    assert len(named) == len(set(named))
