"""Frames as they are shown."""

from __future__ import annotations

import builtins
import io
import re
from typing import Any

import pytest

from stomp.cli.framework.terminal import Terminal
from stomp.cli.shell.render import Renderer
from tests.cli.framework.test_terminal import Screen

HEADERS = {"subscription": "1", "message-id": "m-1", "destination": "/queue/a"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def renderer(stream: io.StringIO, *, verbose: bool = False, spaced: bool = True) -> Renderer:
    return Renderer(Terminal(stream, environ={}), verbose=verbose, spaced=spaced)


def test_message_is_rendered() -> None:
    shown = renderer(io.StringIO()).message(HEADERS, b"hello")
    assert shown == b"\nmessage-id: m-1\nsubscription: 1\n\nhello\n"


def test_verbose_message_has_all_headers() -> None:
    shown = renderer(io.StringIO(), verbose=True).message(HEADERS, "hello")
    assert shown == b"\nMESSAGE\nsubscription: 1\nmessage-id: m-1\ndestination: /queue/a\n\nhello\n"


def test_without_a_prompt_there_is_no_line_before_the_body() -> None:
    shown = renderer(io.StringIO(), spaced=False).message(HEADERS, b"hello")
    assert shown == b"\nmessage-id: m-1\nsubscription: 1\nhello\n"


def test_ack_id_of_a_message_is_shown() -> None:
    assert b"\nack: a-1\n" in renderer(io.StringIO()).message({**HEADERS, "ack": "a-1"}, b"")


def test_other_frames_are_shown_if_verbose() -> None:
    assert renderer(io.StringIO()).control_frame("RECEIPT", {"receipt-id": "1"}, b"") == b""
    shown = renderer(io.StringIO(), verbose=True).control_frame("RECEIPT", {"receipt-id": "1"}, b"")
    assert shown == b"RECEIPT\nreceipt-id: 1\n\n\n"


def test_passwords_are_masked() -> None:
    shown = renderer(io.StringIO()).sent_frame("CONNECT", {"login": "me", "passcode": "swordfish"}, "")
    assert "me" in shown
    assert "swordfish" not in shown


def test_pipe_gets_the_original_bytes() -> None:
    assert renderer(io.StringIO()).message({}, b"\xff\x1b").endswith(b"\n\xff\x1b\n")


def test_header_value_cannot_fake_a_header() -> None:
    shown = renderer(io.StringIO(), verbose=True).message({"a": "b\nc: d\x1b"}, b"")
    assert b"\na: b\\nc: d\\x1b\n" in shown


def test_terminal_output_is_escaped() -> None:
    shown = renderer(Screen()).message({"message-id": "\x1b]0;x\x07"}, b"\x1b[2J\xff").decode()
    assert COLOUR.sub("", shown) == "\nmessage-id: \\x1b]0;x\\x07\n\n\\x1b[2J\\xff\n"


def test_the_prompt_shows_the_destination() -> None:
    """On a terminal only: without one, the lines are those of stomp.py."""
    shown = COLOUR.sub("", renderer(Screen()).message(HEADERS, b"hello").decode())
    assert shown == "\ndestination: /queue/a\nmessage-id: m-1\nsubscription: 1\n\nhello\n"


def test_long_bodies_are_cut_on_a_terminal_only() -> None:
    body = "\u00e9".encode() * 10_000
    shown = renderer(Screen()).message({}, body).decode()
    assert shown.endswith("\u00e9\n... 10000 more bytes; stomp listen --raw writes whole bodies\n")
    assert body in renderer(io.StringIO()).message({}, body)


BODIES = ['{"a": [1, true, null, "x"],  "b":  {}}', "[1]", '{"a": "\x1b[2J"}', '{\n "a": "[bold]"\n}']


@pytest.mark.parametrize("body", BODIES)
def test_json_is_coloured_and_nothing_else_is_changed(body: str) -> None:
    shown = renderer(Screen()).message({}, body).decode()
    assert COLOUR.sub("", shown) == "\n\n" + body.replace("\x1b", "\\x1b") + "\n"
    assert COLOUR.search(shown) or "\x1b" in body


@pytest.mark.parametrize("body", ["{no json", "plain", "[" * 5000, "", "[" + "1," * 50_000 + "1]"])
def test_other_bodies_are_not_coloured(body: str) -> None:
    assert not COLOUR.search(renderer(Screen()).message({}, body).decode())


def test_without_rich_json_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("rich"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert renderer(Screen()).message({}, "[1]") == b"\n\n[1]\n"


def test_no_colours_without_a_terminal() -> None:
    plain = Renderer(Terminal(Screen(), environ={"NO_COLOR": "1"}), verbose=True, spaced=True)
    assert b"\33" not in plain.message({"a": "b"}, b"[1]")
