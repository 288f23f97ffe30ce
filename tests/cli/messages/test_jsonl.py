"""Messages as lines of JSON: what is written and read again is the same."""

from __future__ import annotations

import doctest
import json

from hypothesis import given
from hypothesis import strategies as st

from stomp.cli.messages import jsonl
from stomp.cli.messages.copies import copyable
from stomp.cli.messages.jsonl import Record
from stomp.core.engine.message import BaseMessage
from stomp.core.frames.frame import Headers, headers_of

texts = st.text(st.characters(exclude_categories=["Cs"]))
pairs = st.lists(st.tuples(texts.filter(bool), texts)).map(tuple)
bodies = st.binary() | texts.map(str.encode)


@given(st.builds(Record, texts, pairs, bodies, st.none() | st.integers(0, 2**32).map(float)))
def test_written_record_is_read_back(record: Record) -> None:
    line = jsonl.line(record)
    assert line.count("\n") == 1
    assert jsonl.read(line, "it") == record
    assert jsonl.read(line.encode(), "it") == record


@given(texts, pairs, bodies)
def test_replayed_message_has_the_same_headers(
    destination: str, headers: tuple[tuple[str, str], ...], body: bytes
) -> None:
    message = BaseMessage("MESSAGE", Headers.of([("destination", destination), *headers]), body)
    made = jsonl.of_message(message).options()
    kept = copyable(message.headers.pairs(), 0.0)
    again = headers_of(made["headers"])
    assert {name: again.all(name) for name in again} == {name: message.headers.all(name) for name, _ in kept}
    assert list(again) == list(dict.fromkeys(name for name, _ in kept))


def test_delivery_headers_are_not_replayed() -> None:
    headers = (
        ("message-id", "1"),
        ("subscription", "2"),
        ("ack", "3"),
        ("redelivered", "true"),
        ("receipt", "4"),
        ("x", "5"),
    )
    assert Record("/queue/a", headers, b"").options()["headers"] == {"x": "5"}


def test_text_message_stays_text() -> None:
    assert Record("/queue/a", (), b"").options()["text"]
    assert not Record("/queue/a", (("content-length", "0"),), b"").options()["text"]


def test_bare_records_of_two_deliveries_are_equal() -> None:
    first = Record("/queue/a", (("message-id", "1"), ("b", "x"), ("a", "y"), ("b", "z")), b"\xff", 1.0)
    second = Record("/queue/a", (("a", "y"), ("b", "x"), ("b", "z"), ("message-id", "2")), b"\xff", 2.0)
    line = jsonl.line(first, bare=True)
    assert line == jsonl.line(second, bare=True)
    assert json.loads(line)["headers"] == [["a", "y"], ["b", "x"], ["b", "z"]]


def test_docstring_examples_are_correct() -> None:
    assert doctest.testmod(jsonl).failed == 0


def test_object_with_a_list_is_a_repeated_header() -> None:
    record = jsonl.read('{"headers": {"a": ["1", "2"], "b": "3"}, "body": ""}', "line 1")
    assert record.headers == (("a", "1"), ("a", "2"), ("b", "3"))
