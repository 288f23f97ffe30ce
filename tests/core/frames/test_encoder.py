"""stomp.core.frames.encoder"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pytest

from stomp.core.errors import FrameError
from stomp.core.frames import native as native_codec
from stomp.core.frames.decoder import Decoder
from stomp.core.frames.encoder import LARGE_BODY, encode, encode_general, encode_parts, encode_plain
from stomp.core.frames.frame import Frame, Headers, headers_of
from stomp.core.frames.versions import STOMP10, STOMP11, STOMP12, VERSIONS, Version
from tests.disguises import Misleading

pytestmark = pytest.mark.usefixtures("each_codec")

ALL = list(VERSIONS.values())


@pytest.mark.parametrize("version", ALL, ids=repr)
def test_plain_frame_is_encoded(version: Version) -> None:
    frame = Frame("SEND", Headers(destination="/queue/a"), b"hello")
    assert encode(frame, version) == b"SEND\ndestination:/queue/a\n\nhello\0"


def test_frame_without_headers_and_body_is_encoded() -> None:
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


def test_1_0_has_no_escapes() -> None:
    frame = Frame("SEND", Headers({"a\\b": "C:\\new"}))
    assert encode(frame, STOMP10) == b"SEND\na\\b:C:\\new\n\n\0"


@pytest.mark.parametrize("version", ALL, ids=repr)
@pytest.mark.parametrize("command", ["CONNECT", "STOMP", "CONNECTED"])
def test_connect_frames_are_never_escaped(version: Version, command: str) -> None:
    frame = Frame(command, Headers(login="a:b\\c"))
    assert encode(frame, version) == command.encode() + b"\nlogin:a:b\\c\n\n\0"


@pytest.mark.parametrize("version", ALL, ids=repr)
@pytest.mark.parametrize(("command", "escaped"), [("CONNECT", False), ("SEND", False), ("SEND", True)])
def test_other_characters_are_written_as_they_are(version: Version, command: str, escaped: bool) -> None:
    text = "".join(char for char in map(chr, range(1, 256)) if char not in "\n\r:\\")
    frame = Frame(command, Headers({text: text, "b": ""}))
    head = f"{command}\n{text}:{text}\nb:\n\n"
    assert encode_parts(frame, version, escaped=escaped) == [head.encode() + b"\0"]
    assert encode_general(frame, version, escaped=escaped) == [head.encode() + b"\0"]


@pytest.mark.parametrize("version", [STOMP11, STOMP12], ids=repr)
def test_what_looks_like_an_escape_is_escaped(version: Version) -> None:
    frame = Frame("SEND", Headers({"a\\c": "b\\nc"}))
    assert encode(frame, version) == b"SEND\na\\\\c:b\\\\nc\n\n\0"


def test_unknown_commands_are_encoded() -> None:
    assert encode(Frame("BROWSE", Headers(a="b")), STOMP12) == b"BROWSE\na:b\n\n\0"


def test_repeated_headers_are_written_in_their_order() -> None:
    headers = Headers.of([("foo", "1"), ("bar", "2"), ("foo", "3")])
    assert encode(Frame("SEND", headers), STOMP12) == b"SEND\nfoo:1\nbar:2\nfoo:3\n\n\0"


def test_text_is_utf8() -> None:
    assert encode(Frame("SEND", Headers(a="café ☕")), STOMP12) == "SEND\na:café ☕\n\n\0".encode()


def test_body_with_length_may_contain_any_bytes() -> None:
    body = b"a\0b\n\n\0\n"
    frame = Frame("SEND", Headers({"content-length": "7"}), body)
    assert encode(frame, STOMP12) == b"SEND\ncontent-length:7\n\n" + body + b"\0"


@pytest.mark.parametrize("size", [0, 1, LARGE_BODY - 1, LARGE_BODY, LARGE_BODY + 1])
def test_large_bodies_are_not_copied(size: int) -> None:
    body = b"x" * size
    parts = encode_parts(Frame("SEND", Headers(a="1"), body), STOMP12)
    assert b"".join(parts) == b"SEND\na:1\n\n" + body + b"\0"
    assert encode(Frame("SEND", Headers(a="1"), body), STOMP12) == b"".join(parts)
    assert len(parts) == (3 if size >= LARGE_BODY else 1)
    assert size < LARGE_BODY or parts[1] is body


# The common case and the general one give the same bytes.


def plain(command: Any, headers: Any, body: Any, escaped: Version | None = None) -> list[bytes] | None:
    """The function of the codec that is in use."""
    if native_codec.native is None:
        return encode_plain(command, headers, body, escaped)
    codes = None if escaped is None else escaped.codes
    parts: list[bytes] | None = native_codec.native.encode_plain(command, headers, body, codes, Headers)
    return parts


@pytest.mark.parametrize("version", ALL, ids=repr)
@pytest.mark.parametrize(
    "body", [b"", b"x", b"a\0b", b"x" * LARGE_BODY, "text", "\xe4\u20ac", "x" * LARGE_BODY]
)
@pytest.mark.parametrize(
    "headers", [{"destination": "/queue/a"}, {"destination": "/queue/\xe9", "a": "", "b": "-1", "c": 5}, {}]
)
def test_the_common_case_gives_the_bytes_of_the_general_one(
    version: Version, body: str | bytes, headers: dict[str, Any]
) -> None:
    data = body if isinstance(body, bytes) else body.encode()
    for length in ({"content-length": str(len(data))}, {"content-length": len(data)}):
        parts = plain("SEND", {**headers, **length}, body)
        assert parts == encode_general(Frame("SEND", headers_of(headers, length), data), version)
        assert len(parts) == (3 if len(data) >= LARGE_BODY else 1)


def test_headers_of_a_frame_are_the_common_case() -> None:
    assert plain("SEND", Headers(a="b"), b"x") == [b"SEND\na:b\n\nx\0"]


@dataclass
class Loose:
    """A frame as the listener API has them: headers and body may be of other types."""

    command: str
    headers: dict[str, Any]
    body: Any


@pytest.mark.parametrize("value", ["b", "b:c"], ids=["common case", "general"])
def test_headers_and_bodies_of_other_types_are_converted(value: str) -> None:
    head = b"SEND\na:" + value.replace(":", "\\c").encode()
    frame = Loose("SEND", {"a": value, "n": 5, "yes": True, "none": None}, "\xe4")
    assert encode_parts(frame, STOMP12) == [head + b"\nn:5\nyes:true\n\n\xc3\xa4\0"]
    # A lone surrogate has no UTF-8, and a body is not refused for it.
    assert encode_parts(Loose("SEND", {"a": value}, "x\ud800"), STOMP12) == [head + b"\n\nx?\0"]


def test_the_general_encoder_escapes_by_default() -> None:
    assert encode_general(Frame("SEND", Headers(a="b:c")), STOMP12) == [b"SEND\na:b\\cc\n\n\0"]


@pytest.mark.parametrize("char", ["\n", "\r", "\0", ":", "\\", "\ud800"])
def test_special_characters_need_escaping(char: str) -> None:
    assert plain("SEND", {"a": "b" + char}, b"x") is None
    assert plain("SEND", {"a" + char: "b"}, b"") is None
    assert plain("SEND", {"a" + char: "b"}, b"", STOMP11) is None
    assert plain("SEND", {"a": "b" + char}, b"x", STOMP11) is None


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"": "a"}, b""),
        ({"content-length": "1"}, b"xy"),
        ({"content-length": 1}, "\xe4"),
        ({"content-length": "01"}, b"x"),
        ({"content-length": True}, b"x"),
        ({"a": None}, b""),
        ({"a": ("b", "c")}, b""),
        ({"a": b"b"}, b""),
        ({b"a": "b"}, b""),
        ({"a:b\nc": "d"}, b""),
        ({}, b"a\0b"),
        ({}, "a\0b"),
        ({}, bytearray(b"x")),
        ({}, None),
        (Headers.of([("a", "b"), ("a", "c")]), b""),
        (OrderedDict(a="b"), b""),
    ],
)
def test_unusual_frames_take_the_general_path(headers: Any, body: Any) -> None:
    assert plain("SEND", headers, body) is None


@pytest.mark.parametrize("command", ["send", "NONSENSE", "", b"SEND", None, Misleading("SEND")])
def test_unknown_commands_take_the_general_path(command: Any) -> None:
    assert plain(command, {"a": "b"}, b"") is None


def test_escaped_headers_may_have_the_escape_sequences_of_the_version() -> None:
    for text in ("a\\cb", "\\\\", "\\n\\c\\\\c", "\\\\\\\\n"):
        head = f"SEND\na:{text}\n\n\0".encode()
        assert plain("SEND", {"a": text}, b"") is None
        for version in (STOMP11, STOMP12):
            assert plain("SEND", {"a": text}, b"", version) == [head]
    assert plain("SEND", {"a": "\\r"}, b"", STOMP12) == [b"SEND\na:\\r\n\n\0"]
    assert plain("SEND", {"a": "\\r"}, b"", STOMP11) is None
    assert plain("SEND", {"a": "\\t"}, b"", STOMP10) == [b"SEND\na:\\t\n\n\0"]
    for text in ("\\", "\\t", "\\\\\\", "a\\", "\\:", "\\\\\\t"):
        for version in (STOMP11, STOMP12):
            assert plain("SEND", {"a": text}, b"", version) is None
            with pytest.raises(FrameError):
                encode_parts(Frame("SEND", Headers(a=text)), version, escaped=True)


def test_a_listener_may_change_the_body_without_the_length() -> None:
    frame = Frame("SEND", Headers({"content-length": "3"}), b"longer")
    assert encode_parts(frame, STOMP12, escaped=True) == [b"SEND\ncontent-length:6\n\nlonger\0"]


# What cannot be put on the wire safely is refused.

SMUGGLED = "x\n\n\0SEND\ndestination:/queue/evil\n\nbody\0"


@pytest.mark.parametrize("version", ALL, ids=repr)
@pytest.mark.parametrize(
    "command", ["SEND", "SUBSCRIBE", "CONNECT", "STOMP", "CONNECTED", "MESSAGE", "ERROR"]
)
@pytest.mark.parametrize("headers", [{"a": SMUGGLED}, {SMUGGLED: "a"}, {"ok": "1", "a": SMUGGLED}])
def test_header_values_cannot_inject_a_frame(version: Version, command: str, headers: dict[str, str]) -> None:
    for escaped in (False, True):
        with pytest.raises(FrameError):
            encode_parts(Frame(command, Headers(headers)), version, escaped=escaped)


@pytest.mark.parametrize("version", ALL, ids=repr)
@pytest.mark.parametrize("command", ["SEND", "CONNECT"])
@pytest.mark.parametrize("char", ["\n", "\r", "\0", ":", "\\"])
@pytest.mark.parametrize("part", ["name", "value"])
def test_characters_are_accepted_by_version(version: Version, command: str, char: str, part: str) -> None:
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


def test_refusal_has_the_name_but_not_the_value() -> None:
    with pytest.raises(FrameError) as caught:
        encode(Frame("CONNECT", Headers(passcode="sword\nfish")), STOMP12)
    assert "'passcode' of CONNECT holds a newline" in str(caught.value)
    assert "sword" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "escaped", "text", "hint"),
    [
        (
            {"n" * 99: "\r"},
            False,
            f"value of header '{'n' * 60}' of SEND holds a carriage return",
            "put it into the body",
        ),
        (
            {"\r" * 99: ""},
            False,
            f"name of header {chr(13) * 60!r} of SEND holds a carriage",
            "put it into the body",
        ),
        (
            {"\\" * 99: ""},
            True,
            f"the header {chr(92) * 60!r} of SEND holds a backslash",
            "write a backslash as two",
        ),
        (
            {"content-length": "1" * 99},
            False,
            f"says '{'1' * 20}' but the body has 1 bytes",
            "leave the content-length",
        ),
    ],
)
def test_refusal_says_where_and_what_to_do(
    headers: dict[str, str], escaped: bool, text: str, hint: str
) -> None:
    with pytest.raises(FrameError) as caught:
        encode_parts(Frame("SEND", Headers(headers), b"x"), STOMP11, escaped=escaped)
    assert text in str(caught.value)
    assert hint in str(caught.value.hint)


def test_refused_command_is_cut() -> None:
    with pytest.raises(FrameError, match=f"'{'1' * 40}' is not"):
        encode(Frame("1" * 99, Headers()), STOMP12)


@pytest.mark.parametrize("command", ["", "SEND\n", "SEND\n\n\0SEND", "SE ND", "SEND:", "SÉND", "1", "\0"])
def test_commands_have_letters_only(command: str) -> None:
    with pytest.raises(FrameError, match="is not a STOMP command"):
        encode(Frame(command, Headers()), STOMP12)


@pytest.mark.parametrize("headers", [{"a": "\ud800"}, {"\udfff": "a"}])
def test_lone_surrogates_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(FrameError, match="surrogate"):
        encode(Frame("SEND", Headers(headers)), STOMP12)


def test_empty_header_name_is_refused() -> None:
    for escaped in (False, True):
        with pytest.raises(FrameError, match="empty name"):
            encode_parts(Frame("SEND", Headers({"": "a"})), STOMP12, escaped=escaped)


def test_a_nul_in_the_body_needs_a_length() -> None:
    with pytest.raises(FrameError, match=r"the body holds a NUL byte.*add content-length"):
        encode(Frame("SEND", Headers(), b"a\0b"), STOMP12)


@pytest.mark.parametrize("length", ["4", "6", "05", "+5", " 5", "", "five", "-5"])
def test_wrong_content_length_is_refused(length: str) -> None:
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
