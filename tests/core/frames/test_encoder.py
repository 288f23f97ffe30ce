"""stomp.core.frames.encoder"""

from typing import Any

import pytest

from stomp.core.errors import FrameError
from stomp.core.frames.decoder import Decoder
from stomp.core.frames.encoder import LARGE_BODY, LENGTHS, HeadCache, encode, encode_parts, plain_parts
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.versions import STOMP10, STOMP11, STOMP12, VERSIONS, Version

ALL = list(VERSIONS.values())


@pytest.mark.parametrize("version", ALL, ids=repr)
def test_a_plain_frame(version: Version) -> None:
    frame = Frame("SEND", Headers(destination="/queue/a"), b"hello")
    assert encode(frame, version) == b"SEND\ndestination:/queue/a\n\nhello\0"


def test_no_headers_no_body() -> None:
    assert encode(Frame("DISCONNECT", Headers()), STOMP12) == b"DISCONNECT\n\n\0"


@pytest.mark.parametrize(
    ("version", "name", "value"),
    [
        (STOMP11, b"a\\\\b\\cc", b"d\\\\e\\nf\\cg"),
        (STOMP12, b"a\\\\b\\cc", b"d\\\\e\\nf\\cg"),
    ],
    ids=repr,
)
def test_names_and_values_are_escaped(version: Version, name: bytes, value: bytes) -> None:
    frame = Frame("SEND", Headers({"a\\b:c": "d\\e\nf:g"}))
    assert encode(frame, version) == b"SEND\n" + name + b":" + value + b"\n\n\0"


def test_a_carriage_return_is_escaped_in_1_2() -> None:
    assert encode(Frame("SEND", Headers(a="x\r")), STOMP12) == b"SEND\na:x\\r\n\n\0"


def test_1_0_knows_no_escapes() -> None:
    frame = Frame("SEND", Headers({"a\\b": "C:\\new"}))
    assert encode(frame, STOMP10) == b"SEND\na\\b:C:\\new\n\n\0"


@pytest.mark.parametrize("version", ALL, ids=repr)
@pytest.mark.parametrize("command", ["CONNECT", "STOMP", "CONNECTED"])
def test_connect_frames_are_never_escaped(version: Version, command: str) -> None:
    frame = Frame(command, Headers(login="a:b\\c"))
    assert encode(frame, version) == command.encode() + b"\nlogin:a:b\\c\n\n\0"


def test_repeated_headers_are_written_in_their_order() -> None:
    headers = Headers.of([("foo", "1"), ("bar", "2"), ("foo", "3")])
    assert encode(Frame("SEND", headers), STOMP12) == b"SEND\nfoo:1\nbar:2\nfoo:3\n\n\0"


def test_text_is_utf8() -> None:
    assert encode(Frame("SEND", Headers(a="café ☕")), STOMP12) == "SEND\na:café ☕\n\n\0".encode()


def test_a_body_may_hold_anything_if_its_length_is_told() -> None:
    body = b"a\0b\n\n\0\n"
    frame = Frame("SEND", Headers({"content-length": "7"}), body)
    assert encode(frame, STOMP12) == b"SEND\ncontent-length:7\n\n" + body + b"\0"


@pytest.mark.parametrize("size", [0, 1, LARGE_BODY - 1, LARGE_BODY, LARGE_BODY + 1])
def test_large_bodies_are_not_copied(size: int) -> None:
    body = b"x" * size
    parts = encode_parts(Frame("SEND", Headers(a="1"), body), STOMP12)
    assert b"".join(parts) == b"SEND\na:1\n\n" + body + b"\0"
    assert len(parts) == (3 if size >= LARGE_BODY else 1)
    assert size < LARGE_BODY or parts[1] is body


# The short ways write what the long way writes, or leave it to that.


@pytest.mark.parametrize("version", ALL, ids=repr)
@pytest.mark.parametrize("body", [b"", b"x", b"a\0b", b"x" * LARGE_BODY])
@pytest.mark.parametrize(
    "headers", [{"destination": "/queue/a"}, {"destination": "/queue/é", "a": "", "b": "-1"}, {}]
)
def test_plain_frames_are_written_alike(version: Version, body: bytes, headers: dict[str, str]) -> None:
    parts = plain_parts("SEND", headers, body)
    length = {"content-length": str(len(body))} if body else {}
    assert parts == encode_parts(Frame("SEND", Headers({**headers, **length}), body), version)


@pytest.mark.parametrize("char", ["\n", "\r", "\0", ":", "\\", "\ud800"])
def test_what_is_special_is_not_plain(char: str) -> None:
    assert plain_parts("SEND", {"a": "b" + char}, b"x") is None
    assert plain_parts("SEND", {"a" + char: "b"}, b"") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"": "a"},
        {"content-length": "1"},
        {"a": 5},
        {"a": None},
        {"a": ("b", "c")},
        {b"a": "b"},
        {"a:b\nc": "d"},
    ],
)
def test_what_is_odd_is_not_plain(headers: dict[Any, Any]) -> None:
    assert plain_parts("SEND", headers, b"x") is None


@pytest.mark.parametrize("version", ALL, ids=repr)
@pytest.mark.parametrize(("destination", "content_type"), [("/queue/a", None), ("/queue/a", "text/plain")])
def test_the_head_of_a_message(version: Version, destination: str, content_type: str | None) -> None:
    named = {"destination": destination, "content-type": content_type}
    headers = Headers({name: value for name, value in named.items() if value is not None})
    frame = Frame("SEND", headers, b"abc")
    heads = HeadCache(version)
    for _ in range(2):
        head, empty = heads[destination if content_type is None else (destination, content_type)]
        assert head + b"\nabc\0" == encode(frame, version)
        assert empty == encode(Frame("SEND", headers), version)
        explicit = Frame("SEND", Headers({**headers, "content-length": "3"}), b"abc")
        assert head + LENGTHS[3] + b"abc\0" == encode(explicit, version)


def test_the_head_of_a_message_is_escaped_and_checked() -> None:
    assert HeadCache(STOMP12)["a:b\n"][0] == b"SEND\ndestination:a\\cb\\n\n"
    for bad in ("a\0", "\ud800"):
        with pytest.raises(FrameError):
            HeadCache(STOMP12)[bad]
    with pytest.raises(FrameError):
        HeadCache(STOMP10)["a\n\n\0"]


def test_lengths_that_were_written_do_not_pile_up() -> None:
    for size in range(5000):
        for _ in range(2):
            assert LENGTHS[size] == f"content-length:{size}\n\n".encode()
    assert 2 in LENGTHS
    assert len(LENGTHS) <= 2048


# What cannot be put on the wire safely is refused.

SMUGGLED = "x\n\n\0SEND\ndestination:/queue/evil\n\nbody\0"


@pytest.mark.parametrize("version", ALL, ids=repr)
@pytest.mark.parametrize(
    "command", ["SEND", "SUBSCRIBE", "CONNECT", "STOMP", "CONNECTED", "MESSAGE", "ERROR"]
)
@pytest.mark.parametrize("headers", [{"a": SMUGGLED}, {SMUGGLED: "a"}, {"ok": "1", "a": SMUGGLED}])
def test_no_frame_can_be_smuggled_in(version: Version, command: str, headers: dict[str, str]) -> None:
    for escaped in (False, True):
        with pytest.raises(FrameError):
            encode_parts(Frame(command, Headers(headers)), version, escaped=escaped)


@pytest.mark.parametrize("version", ALL, ids=repr)
@pytest.mark.parametrize("command", ["SEND", "CONNECT"])
@pytest.mark.parametrize("char", ["\n", "\r", "\0", ":", "\\"])
@pytest.mark.parametrize("part", ["name", "value"])
def test_what_each_version_can_carry(version: Version, command: str, char: str, part: str) -> None:
    text = f"a{char}b"
    headers = Headers({text: "x"} if part == "name" else {"x": text})
    frame = Frame(command, headers)
    escapable = command != "CONNECT" and char in version.escapes
    # Where there are no escapes a colon ends the name, and may be anywhere behind it.
    harmless = char == "\\" or (char == ":" and part == "value")
    if escapable or harmless:
        decoder = Decoder(version=version)
        decoder.feed(encode(frame, version))
        assert decoder.frames() == [frame]
    else:
        with pytest.raises(FrameError, match=f"{part} of header"):
            encode(frame, version)


def test_the_refusal_tells_the_name_and_not_the_value() -> None:
    with pytest.raises(FrameError) as caught:
        encode(Frame("CONNECT", Headers(passcode="sword\nfish")), STOMP12)
    assert "'passcode' of CONNECT holds a newline" in str(caught.value)
    assert "sword" not in str(caught.value)


@pytest.mark.parametrize("command", ["", "SEND\n", "SEND\n\n\0SEND", "SE ND", "SEND:", "SÉND", "1", "\0"])
def test_commands_are_letters(command: str) -> None:
    with pytest.raises(FrameError, match="is not a STOMP command"):
        encode(Frame(command, Headers()), STOMP12)


@pytest.mark.parametrize("headers", [{"a": "\ud800"}, {"\udfff": "a"}])
def test_lone_surrogates(headers: dict[str, str]) -> None:
    with pytest.raises(FrameError, match="surrogate"):
        encode(Frame("SEND", Headers(headers)), STOMP12)


def test_an_empty_name() -> None:
    for escaped in (False, True):
        with pytest.raises(FrameError, match="empty name"):
            encode_parts(Frame("SEND", Headers({"": "a"})), STOMP12, escaped=escaped)


def test_a_nul_in_the_body_needs_a_length() -> None:
    with pytest.raises(FrameError, match="add content-length"):
        encode(Frame("SEND", Headers(), b"a\0b"), STOMP12)


@pytest.mark.parametrize("length", ["4", "6", "05", "+5", " 5", "", "five", "-5"])
def test_a_length_that_is_not_the_bodys(length: str) -> None:
    with pytest.raises(FrameError, match="content-length says"):
        encode(Frame("SEND", Headers({"content-length": length}), b"hello"), STOMP12)


@pytest.mark.parametrize("second", ["5", "2"])
def test_a_second_length_is_refused(second: str) -> None:
    # stompserver takes the last one, the specification the first: one of them would see another frame.
    headers = Headers.of([("content-length", "5"), ("content-length", second)])
    with pytest.raises(FrameError, match="more than one content-length"):
        encode(Frame("SEND", headers, b"hello"), STOMP12)


def test_escaped_headers_are_written_as_they_are() -> None:
    frame = Frame("SEND", Headers({"a\\cb": "c\\nd\\\\e:f"}))
    assert encode_parts(frame, STOMP12, escaped=True) == [b"SEND\na\\cb:c\\nd\\\\e:f\n\n\0"]


@pytest.mark.parametrize("headers", [{"a": "C:\\temp"}, {"a": "x\\"}, {"a\\q": "x"}])
def test_escaped_headers_are_checked(headers: dict[str, str]) -> None:
    with pytest.raises(FrameError, match="is no escape of STOMP"):
        encode_parts(Frame("SEND", Headers(headers)), STOMP12, escaped=True)
    assert encode_parts(Frame("SEND", Headers(headers)), STOMP10, escaped=True)
