"""The tokens of --format."""

from __future__ import annotations

import base64
import io
import json
import re

import pytest

from stomp.cli.framework.exit_status import CommandError
from stomp.cli.framework.terminal import Terminal
from stomp.cli.messages import formats
from stomp.core.engine.message import BaseMessage
from stomp.core.frames.frame import Headers
from tests.cli.framework.test_terminal import Screen

HEADERS = Headers.of(
    [("destination", "/queue/a"), ("message-id", "7"), ("x", "é"), ("x", "later"), ("y", "two\nlines")]
)
MESSAGE = BaseMessage("MESSAGE", HEADERS, b"\xffbody")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("%b", b"\xffbody"),
        ("%d %i %l %c", b"/queue/a 7 5 3"),
        ("%h{x}|%h{none}|%h{y}", "é||two\nlines".encode()),
        ("%H", "destination:/queue/a\nmessage-id:7\nx:é\ny:two\\nlines\nx:later\n".encode()),
        (r"%%\n\t\r\0\\\x41\xff", b"%\n\t\r\0\\A\xff"),
        ("é %b é", "é ".encode() + b"\xffbody" + " é".encode()),
    ],
)
def test_tokens_are_replaced(text: str, expected: bytes) -> None:
    assert formats.compiled(text)(MESSAGE, 3) == expected


def test_object_has_a_list_for_a_repeated_header() -> None:
    found = json.loads(formats.as_object(MESSAGE, 1))
    assert found["headers"] == {
        "destination": "/queue/a",
        "message-id": "7",
        "x": ["é", "later"],
        "y": "two\nlines",
    }
    assert base64.b64decode(found["body64"]) == MESSAGE.body


def test_times_are_formatted() -> None:
    found = formats.compiled("%t|%T")(MESSAGE, 1).decode()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}\|\d+\.\d{6}", found)


def test_json_in_a_format_has_no_end_of_line() -> None:
    assert re.fullmatch(rb'\{"time": .*"body64": "/2JvZHk="\}', formats.compiled("%j")(MESSAGE, 1))


@pytest.mark.parametrize("text", ["%", "%z", "%h", "%h{", "\\", r"\q", r"\x4"])
def test_unknown_token_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--format has no"):
        formats.compiled(text)


def test_help_explains_every_token() -> None:
    documented = set(re.findall(r"%(\w)", formats.TOKENS))
    assert documented == set(formats._LETTERS) | {"h"}


def test_body_nested_too_deep_for_json_stays_text() -> None:
    message = BaseMessage("MESSAGE", HEADERS, b"[" * 100_000)
    assert len(json.loads(formats.as_object(message, 1, parse=True))["body"]) == 100_000


def shown(stream: io.StringIO, body: bytes, limit: int | None = None, **environ: str) -> bytes:
    write = formats.readable(Terminal(stream, environ=environ), body=True, limit=limit)
    return write(BaseMessage("MESSAGE", Headers.of([("destination", "/queue/a")]), body), 1)


def test_json_has_colours_on_a_terminal_only() -> None:
    body = b'{"a": [1, true]}'
    assert b"\x1b[" in shown(Screen(), body).partition(b"\n\n")[2]
    assert b"\x1b" not in shown(Screen(), body, NO_COLOR="1")
    assert shown(io.StringIO(), body) == b"destination: /queue/a\n\n" + body + b"\n\n"


@pytest.mark.parametrize(
    ("stream", "limit", "whole"),
    [(Screen(), None, False), (Screen(), 0, True), (io.StringIO(), None, True), (io.StringIO(), 10, False)],
)
def test_long_bodies_are_cut_on_a_terminal_or_by_option(
    stream: io.StringIO, limit: int | None, whole: bool
) -> None:
    text = shown(stream, b"x" * 10_001, limit)
    assert (b"x" * 10_001 in text) is whole
    assert (b"more bytes; --shorten 0 writes whole bodies" in text) is not whole
