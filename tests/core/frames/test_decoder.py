"""stomp.core.frames.decoder"""

import re
from collections.abc import Iterable

import pytest

from stomp.core.engine.message import BaseMessage
from stomp.core.errors import LimitExceeded, RemoteProtocolError
from stomp.core.frames import decoder as decoder_module
from stomp.core.frames.decoder import HEARTBEAT, Decoder, HeartbeatMarker
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.limits import LENIENT, STRICT, Leniency, Limits
from stomp.core.frames.versions import STOMP10, STOMP11, STOMP12, VERSIONS, Version
from stomp.core.session.events import ListenerMessage, MessageFrame

pytestmark = pytest.mark.usefixtures("each_codec")

ALL = list(VERSIONS.values())


def decode(
    *reads: bytes,
    version: Version | None = STOMP12,
    limits: Limits | None = None,
    lenient: Leniency = STRICT,
) -> list[Frame | HeartbeatMarker]:
    """What a decoder makes of some reads."""
    decoder = Decoder(limits, version=version, lenient=lenient)
    found = []
    for data in reads:
        decoder.feed(data)
        while frames := decoder.frames():
            found += frames
    return found


def one(data: bytes, *, version: Version | None = STOMP12, lenient: Leniency = STRICT) -> Frame:
    """The only frame in the data, the same however it is cut."""
    (frame,) = decode(data, version=version, lenient=lenient)
    assert isinstance(frame, Frame)
    (bitwise,) = decode(*bites(data), version=version, lenient=lenient)
    # A head seen before goes through the fast path.
    assert decode(data * 2, data, data * 2, version=version, lenient=lenient) == [frame] * 5
    assert bitwise == frame
    return frame


def bites(data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def refused(data: bytes, *, version: Version | None = STOMP12, lenient: Leniency = STRICT) -> str:
    """Why the data is refused, however it is cut and however ordinary what came before it was."""
    ordinary = b"MESSAGE\na:1\n\n\0\nMESSAGE\na:1\nb:2\n\n\0\nMESSAGE\na:1\nb:2\nc:3\n\n\0\n"
    texts = set()
    for reads in ([data], bites(data), [ordinary * 3 + data + b"\n"] if version is not None else [data]):
        with pytest.raises(RemoteProtocolError) as caught:
            decode(*reads, version=version, lenient=lenient)
        texts.add(str(caught.value))
    (text,) = texts
    return text


@pytest.mark.parametrize("version", [*ALL, None], ids=repr)
def test_plain_frame_is_read(version: Version | None) -> None:
    frame = one(b"MESSAGE\nfoo:bar\n\nhello\0", version=version)
    assert frame == Frame("MESSAGE", Headers(foo="bar"), b"hello")


def test_frame_without_headers_and_body_is_read() -> None:
    assert one(b"ERROR\n\n\0") == Frame("ERROR", Headers())


@pytest.mark.parametrize(
    ("version", "value"),
    [(None, "\\n\\c\\\\"), (STOMP10, "\\n\\c\\\\"), (STOMP11, "\n:\\"), (STOMP12, "\n:\\")],
    ids=repr,
)
def test_escapes_are_decoded_by_version(version: Version | None, value: str) -> None:
    assert one(b"MESSAGE\na:\\n\\c\\\\\n\n\0", version=version).headers == {"a": value}
    assert one(b"MESSAGE\n\\n\\c\\\\:a\n\n\0", version=version).headers == {value: "a"}


def test_carriage_return_escape_is_decoded_in_1_2() -> None:
    assert one(b"MESSAGE\na:\\r\n\n\0").headers == {"a": "\r"}
    assert "undefined escape" in refused(b"MESSAGE\na:\\r\n\n\0", version=STOMP11)


@pytest.mark.parametrize("command", [b"CONNECTED", b"CONNECT", b"STOMP"])
def test_connect_frames_are_never_unescaped(command: bytes) -> None:
    assert one(command + b"\na:\\n\\t\\\n\n\0").headers == {"a": "\\n\\t\\"}


def test_undefined_escapes_are_refused() -> None:
    assert "undefined escape sequence \\t" in refused(b"MESSAGE\na:x\\ty\n\n\0")
    assert "undefined escape" in refused(b"MESSAGE\na:x\\\n\n\0")
    assert "undefined escape" in refused(b"MESSAGE\n\\q:x\n\n\0")


def test_undefined_escape_has_the_same_error_with_a_template() -> None:
    ordinary = b"MESSAGE\na:1\nb:2\n\n\0\n" * 3
    with pytest.raises(RemoteProtocolError) as caught:
        decode(ordinary + b"MESSAGE\na:x\\\nb:y\n\n\0\n")
    assert "undefined escape sequence \\ in a header" in str(caught.value)


@pytest.mark.parametrize("version", [None, STOMP12], ids=repr)
def test_crlf_ends_a_line_in_1_2_and_before_a_version_is_known(version: Version | None) -> None:
    frame = one(b"CONNECT\r\nhost:x\r\n\r\nbody\r\n\0", version=version)
    assert frame == Frame("CONNECT", Headers(host="x"), b"body\r\n")


@pytest.mark.parametrize("version", [STOMP10, STOMP11], ids=repr)
def test_crlf_is_part_of_the_value_before_1_2(version: Version) -> None:
    assert "is not a STOMP command" in refused(b"MESSAGE\r\na:b\r\n\r\n\0", version=version)
    assert one(b"MESSAGE\na:b\r\n\n\0", version=version).headers == {"a": "b\r"}


def test_lines_may_end_differently_in_one_frame() -> None:
    assert one(b"MESSAGE\r\na:b\nc:d\r\n\nx\0") == Frame("MESSAGE", Headers(a="b", c="d"), b"x")
    assert one(b"MESSAGE\na:b\nc:d\n\r\nx\0") == Frame("MESSAGE", Headers(a="b", c="d"), b"x")


@pytest.mark.parametrize("version", ALL, ids=repr)
def test_value_may_contain_colons_and_spaces(version: Version) -> None:
    frame = one(b"MESSAGE\na: b:c :d\ne:\n f:x\n\n\0", version=version)
    assert frame.headers == {"a": " b:c :d", "e": "", " f": "x"}


def test_first_value_of_a_repeated_header_counts() -> None:
    frame = one(b"MESSAGE\nfoo:World\nbar:x\nfoo:Hello\n\n\0")
    assert frame.headers == {"foo": "World", "bar": "x"}
    assert frame.headers.all("foo") == ["World", "Hello"]


def test_body_may_contain_all_bytes() -> None:
    body = b"a\0b\n\n\0\nMESSAGE\n\n\0\r\n"
    data = b"MESSAGE\ncontent-length:%d\n\n%b\0" % (len(body), body)
    assert one(data).body == body
    assert [frame.body for frame in decode(data * 3) if isinstance(frame, Frame)] == [body] * 3


def test_body_without_length_ends_at_the_first_nul() -> None:
    assert one(b"MESSAGE\n\na\n\nb\r\n\0").body == b"a\n\nb\r\n"


@pytest.mark.parametrize("size", [0, 1, 100, 70_000])
@pytest.mark.parametrize("declared", [True, False])
def test_bodies_of_all_sizes_are_read(size: int, declared: bool) -> None:
    head = b"MESSAGE\ncontent-length:%d\n\n" % size if declared else b"MESSAGE\na:b\n\n"
    data = head + b"x" * size + b"\0\n"
    whole = decode(data * 3)
    assert [len(frame.body) for frame in whole if isinstance(frame, Frame)] == [size] * 3
    for step in (1, 7, 4096):
        if size / step < 20_000:
            assert decode(*(data[at : at + step] for at in range(0, len(data) - 1, step))) == whole[:1]


@pytest.mark.parametrize("head", [b"MESSAGE\n\n", b"MESSAGE\ncontent-length:6\n\n"])
@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n"])
def test_frames_may_follow_the_end_of_a_body_in_one_read(head: bytes, between: bytes) -> None:
    data = head + b"abcdef\0" + between
    rest = b"RECEIPT\na:b\n\n\0\nERROR\n\n\0"
    first = one(head + b"abcdef\0")
    for cut in range(1, len(data)):
        found = decode(data[:cut], data[cut:] + rest)
        assert [frame for frame in found if frame is not HEARTBEAT] == [
            Frame("MESSAGE", first.headers, b"abcdef"),
            Frame("RECEIPT", Headers(a="b")),
            Frame("ERROR", Headers()),
        ]


def test_frame_class_depends_on_the_command() -> None:
    decoder = Decoder(version=STOMP12, classes={"MESSAGE": MessageFrame})
    decoder.feed(b"MESSAGE\na:b\n\n\0RECEIPT\na:b\n\n\0MESSAGE\na:b\n\n\0")
    assert [type(frame) for frame in decoder.frames()] == [MessageFrame, Frame, MessageFrame]


def test_the_first_frame_decides_how_the_second_is_read() -> None:
    decoder = Decoder()
    decoder.feed(b"CONNECTED\nversion:1.1\n\n\0\nMESSAGE\na:\\c\n\n\0")
    (first,) = decoder.frames()
    assert isinstance(first, Frame)
    assert first.command == "CONNECTED"
    assert not decoder.idle
    decoder.version = STOMP11
    (second,) = decoder.frames()
    assert isinstance(second, Frame)
    assert second.headers == {"a": ":"}
    assert decoder.frames() == []
    assert decoder.idle


@pytest.mark.parametrize("cut", [10, 40])
def test_first_frame_decides_how_a_split_second_frame_is_read(cut: int) -> None:
    decoder = Decoder()
    data = b"CONNECTED\nversion:1.1\ncontent-length:9\n\nsome body\0\nMESSAGE\na:\\c\n\n\0"
    decoder.feed(data[:cut])
    assert decoder.frames() == []
    decoder.feed(data[cut:])
    assert len(decoder.frames()) == 1
    decoder.version = STOMP11
    (second,) = decoder.frames()
    assert isinstance(second, Frame)
    assert second.headers == {"a": ":"}


def test_more_may_be_fed_before_the_first_frame_was_handled() -> None:
    decoder = Decoder()
    decoder.feed(b"CONNECTED\n\n\0\nMESS")
    decoder.feed(b"AGE\n\nx\0")
    assert [len(decoder.frames()) for _ in range(3)] == [1, 1, 0]


def test_idle_is_between_frames() -> None:
    decoder = Decoder(version=STOMP12)
    assert decoder.idle
    for data, idle in [(b"MESS", False), (b"AGE\n\nbo", False), (b"dy", False), (b"\0", True), (b"\n", True)]:
        decoder.feed(data)
        while decoder.frames():
            pass
        assert decoder.idle is idle


# ------------------------------------------------------------------------------------- heart-beats

CONNECTED = b"CONNECTED\nversion:1.1\n\n\0"


@pytest.mark.parametrize("version", [None, STOMP11, STOMP12], ids=repr)
@pytest.mark.parametrize(
    ("reads", "beats"),
    [
        ([CONNECTED + b"\n\n\n"], 0),
        ([CONNECTED, b"\n"], 1),
        ([CONNECTED + b"\n", b"\n", CONNECTED + b"\n"], 1),
        ([CONNECTED + b"\n", b"\n", b"\n", CONNECTED], 2),
        ([b"\n\n"], 2),
        ([b"\n\n", b"\n"], 3),
        ([b"\n\n" + CONNECTED], 2),
        ([CONNECTED + b"\n\n" + CONNECTED], 0),
        ([b"\r\n"], 1),
        ([b"\r", b"\n"], 1),
        ([b"\r", b"\n\r", b"\n"], 2),
        ([b"\r\n\n\r\n"], 3),
        ([b"\r\n" + CONNECTED + b"\r\n"], 1),
        ([CONNECTED[:9], CONNECTED[9:] + b"\n\n"], 0),
        ([CONNECTED[:-1], CONNECTED[-1:] + b"\n"], 0),
    ],
)
def test_heartbeats_are_counted(version: Version | None, reads: list[bytes], beats: int) -> None:
    found = decode(*reads, version=version)
    assert found.count(HEARTBEAT) == beats
    assert len(found) - beats == b"".join(reads).count(b"\0")


def test_line_ends_after_the_first_frame_are_no_heartbeats() -> None:
    """A lenient decoder skips NULs, too, once the version is known."""
    decoder = Decoder(lenient=LENIENT)
    decoder.feed(b"\n" + CONNECTED + b"\n\0\n" + CONNECTED)
    assert len(decoder.frames()) == 2
    decoder.version = STOMP12
    (frame,) = decoder.frames()
    assert isinstance(frame, Frame)


@pytest.mark.parametrize("eols", [b"\n", b"\n\n", b"\n\n\n", b"\r\n", b"\r\n\r\n", b"\n\r\n\n"])
def test_heartbeats_between_frames_lose_no_frame(eols: bytes) -> None:
    frames = [b"MESSAGE\na:%d\n\nx\0" % number for number in range(6)]
    bare = [b"ERROR\n\n\0"] * 3
    found = decode(eols.join(frames) + eols + eols.join(bare) + b"\n" + b"".join(bare))
    assert [frame.command for frame in found if isinstance(frame, Frame)] == ["MESSAGE"] * 6 + ["ERROR"] * 6


def test_heartbeat_marker_is_a_singleton() -> None:
    assert repr(HEARTBEAT) == "HEARTBEAT"
    assert decode(b"\n")[0] is HEARTBEAT


# ------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"MESS AGE\na:b\n\n\0", "'MESS ' is not a STOMP command"),
        (b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "is not a STOMP command"),
        (b":\na:b\n\n\0", "':' is not a STOMP command"),
        (b"\xc3\x89\n\n\0", "is not a STOMP command"),
        (b"MESSAGE\na\n\n\0", "no colon"),
        (b"MESSAGE\na:b:c\nd\n\n\0", "no colon"),
        (b"MESSAGE\n:b\n\n\0", "empty name"),
        (b"MESSAGE\na:\xff\n\n\0", "not UTF-8"),
        (b"MESSAGE\na:\xed\xa0\x80\n\n\0", "not UTF-8"),
        (b"MESSAGE\na:x\0y\n\n\0", "NUL byte in the head"),
        (b"MESSAGE\na:1\0\nb:2\n\n\0", "NUL byte in the head"),
        (b"ERROR\nmessage:not today\0", "NUL byte in the head"),
        (b"ERROR\nmessage:not today\n\0", "NUL byte in the head"),
        (b"MESSAGE\0MESSAGE\na:b\n\n\0", "is not a STOMP command"),
        (b"MESSAGE\ncontent-length:-1\n\n\0", "'-1' is not a number"),
        (b"MESSAGE\ncontent-length:\n\n\0", "'' is not a number"),
        (b"MESSAGE\ncontent-length:five\n\n\0", "is not a number"),
        (b"MESSAGE\ncontent-length: 1\n\nx\0", "is not a number"),
        (b"MESSAGE\ncontent-length:+1\n\nx\0", "is not a number"),
        (b"MESSAGE\ncontent-length:1.0\n\nx\0", "is not a number"),
        (b"MESSAGE\ncontent-length:0x1\n\nx\0", "is not a number"),
        ("MESSAGE\ncontent-length:\u00b2\n\nx\0".encode(), "is not a number"),
        ("MESSAGE\ncontent-length:\u0661\n\nx\0".encode(), "is not a number"),
        (b"MESSAGE\ncontent-length:1\ncontent-length:1\n\nx\0", "more than once"),
        (b"MESSAGE\ncontent-length:1\ncontent-length:2\n\nx\0", "more than once"),
        (b"MESSAGE\ncontent-length:2\n\nabc\0", "does not end where its content-length says"),
        (b"MESSAGE\ncontent-length:0\n\nabc\0", "does not end where its content-length says"),
        (b"MESSAGE\ncontent-length:4\n\nabc\0M", "does not end where its content-length says"),
        (b"MESSAGE\ncontent-length:1000000000000\n\n", "a body is larger than"),
        (b"MESSAGE\ncontent-length:%b\n\n" % (b"9" * 5000), "more than 18 digits"),
    ],
)
def test_malformed_frames_are_refused(data: bytes, why: str) -> None:
    assert why in refused(data)


@pytest.mark.parametrize("length", [b"0", b"00", b"3", b"03"])
def test_leading_zeros_are_a_number(length: bytes) -> None:
    size = int(length)
    assert len(one(b"MESSAGE\ncontent-length:%b\n\n%b\0" % (length, b"x" * size)).body) == size


def test_colon_in_a_value_adds_no_header() -> None:
    ordinary = b"MESSAGE\nfoo:1\ndestination:/queue/mine\n\n\0\n"
    forged = b"MESSAGE\nfoo:1:destination:/queue/evil\n\n\0\n"
    found = decode(ordinary * 3 + forged + ordinary, version=STOMP10)
    assert found[3] == Frame("MESSAGE", Headers(foo="1:destination:/queue/evil"))


def test_frames_before_the_version_are_not_learned() -> None:
    decoder = Decoder()
    frame = b"ERROR\nmessage:\\n\nx:%d\n\n\0\n"
    values = []
    for number in range(5):
        decoder.feed(frame % number)
        values += [found.headers["message"] for found in decoder.frames() if isinstance(found, Frame)]
        if number == 1:
            decoder.version = STOMP12
    assert values == ["\\n", "\\n", "\n", "\n", "\n"]


def test_frames_before_the_offending_one_come_first() -> None:
    decoder = Decoder(version=STOMP12)
    decoder.feed(b"MESSAGE\na:1\n\n\0\nMESSAGE\na:2\n\n\0\nMESSAGE\nbad\n\n\0\nMESSAGE\na:3\n\n\0\n")
    assert [frame.headers for frame in decoder.frames() if isinstance(frame, Frame)] == [
        {"a": "1"},
        {"a": "2"},
    ]
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="no colon"):
            decoder.frames()


@pytest.mark.parametrize("between", [b"\t", b"\x0b", b"\x0c", b"\r\r\n", b" ", b"\x0e", b"\n\x0b", b"\0"])
@pytest.mark.parametrize("known", [0, 3])
def test_only_line_ends_may_stand_between_frames(between: bytes, known: int) -> None:
    frame = b"MESSAGE\na:1\n\n\0"
    with pytest.raises(RemoteProtocolError, match="is not a STOMP command"):
        decode(frame * known + frame + between + frame)


def test_a_refused_stream_stays_refused() -> None:
    decoder = Decoder(version=STOMP12)
    decoder.feed(b"bad frame\n\n\0")
    with pytest.raises(RemoteProtocolError) as first:
        decoder.frames()
    decoder.feed(b"MESSAGE\n\n\0")
    with pytest.raises(RemoteProtocolError) as second:
        decoder.frames()
    assert second.value is first.value


def test_no_carriage_return_follows_a_command_before_1_2() -> None:
    """It is refused as soon as it arrives: the peer may wait for an answer."""
    decoder = Decoder(version=STOMP11)
    for data in (b"MESS", b"AGE"):
        decoder.feed(data)
        assert decoder.frames() == []
    decoder.feed(b"\r")
    with pytest.raises(RemoteProtocolError, match=r"'MESSAGE\\r' is not a STOMP command"):
        decoder.frames()


# ------------------------------------------------------------------------------------- a broken ERROR


def broken_error(*reads: bytes) -> tuple[Frame, str]:
    """What a lenient decoder makes of an ERROR with a fault, and what it says of the fault."""
    decoder = Decoder(version=STOMP12, lenient=LENIENT)
    found = []
    for data in reads:
        decoder.feed(data)
        found += decoder.frames()
    with pytest.raises(RemoteProtocolError) as caught:
        decoder.frames()
    assert not decoder.notes
    (frame,) = found
    assert isinstance(frame, Frame)
    return frame, str(caught.value)


@pytest.mark.parametrize("end", [b"\0", b"\n\0", b"\r\n\0"])
@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", ["X", " "])
def test_lenient_decoder_delivers_an_error_without_an_empty_line(eol: bytes, end: bytes, last: str) -> None:
    data = b"ERROR" + eol + b"message:not\\ntoday" + last.encode() + end
    expected = Frame("ERROR", Headers(message=f"not\ntoday{last}"), b"")
    for reads in ([data], [data + b"\n"], bites(data), [data[:9], data[9:]]):
        frame, fault = broken_error(*reads)
        assert frame == expected
        assert type(frame.body) is bytes
        assert fault == "NUL byte in the head of a frame, which ends with an empty line"
    assert "NUL byte in the head" in refused(data, lenient=STRICT)


@pytest.mark.parametrize("command", [b"MESSAGE", b"RECEIPT"])
def test_lenient_decoder_delivers_no_other_frame_without_an_empty_line(command: bytes) -> None:
    data = command + b"\nmessage:not today\0"
    for reads in ([data], bites(data)):
        decoder = Decoder(version=STOMP12, lenient=LENIENT)
        with pytest.raises(RemoteProtocolError, match="NUL byte in the head"):
            for each in reads:
                decoder.feed(each)
                assert decoder.frames() == []


@pytest.mark.parametrize(
    ("length", "body"),
    [(0, b"not today"), (3, b"not today"), (3, b"a\0b today"), (8, b"not today"), (12, b"not\0today, no")],
)
def test_lenient_decoder_delivers_an_error_with_a_length_that_is_too_small(length: int, body: bytes) -> None:
    """It ends at the first NUL after this length."""
    data = b"ERROR\ncontent-length:%d\n\n%b\0" % (length, body)
    expected = Frame("ERROR", Headers({"content-length": str(length)}), body)
    for cut in range(len(data)):
        for reads in ([data[:cut], data[cut:]], [data[:cut], *bites(data[cut:])]):
            frame, fault = broken_error(*reads)
            assert frame == expected
            assert fault == "the frame does not end where its content-length says"


# ------------------------------------------------------------------------------------- an ERROR that is cut off


@pytest.mark.parametrize("length", ["", "content-length:500\n", "content-length:9999999\n"])
@pytest.mark.parametrize("body", [b"", b"not", b"not today\n", b"not\0more"])
def test_lenient_decoder_gives_what_has_arrived_of_an_error(length: str, body: bytes) -> None:
    decoder = Decoder(version=STOMP12, lenient=LENIENT)
    head = f"ERROR\nmessage:no\n{length}\n".encode()
    if not length and b"\0" in body:
        body = body[:3]  # without a length the frame ends there
    for data in (head, body[:2], body[2:]):
        decoder.feed(data)
        assert decoder.frames() == []
    assert not decoder.idle
    frame = decoder.unfinished_error()
    assert frame is not None
    assert (frame.command, frame.headers["message"], frame.body) == ("ERROR", "no", body.partition(b"\0")[0])
    assert decoder.unfinished_error() is None
    assert decoder.idle


@pytest.mark.parametrize(
    ("data", "lenient"),
    [
        (b"ERROR\n\nnot", STRICT),
        (b"MESSAGE\n\nnot", LENIENT),
        (b"ERROR\nmess", LENIENT),
        (b"ERROR\n\nall\0", LENIENT),
        (b"", LENIENT),
    ],
)
def test_no_other_frame_is_given_unfinished(data: bytes, lenient: Leniency) -> None:
    decoder = Decoder(version=STOMP12, lenient=lenient)
    decoder.feed(data)
    decoder.frames()
    assert decoder.unfinished_error() is None


def test_after_a_violation_no_unfinished_error_is_given() -> None:
    decoder = Decoder(Limits(body=10), version=STOMP12, lenient=LENIENT)
    decoder.feed(b"ERROR\n\n0123")
    assert decoder.frames() == []
    decoder.feed(b"45678901")
    with pytest.raises(LimitExceeded):
        decoder.frames()
    assert decoder.unfinished_error() is None


# ------------------------------------------------------------------------------------- limits

SMALL = Limits(frame=120, body=80, head=60, header_line=20, headers=4)


def exceeded(*reads: bytes, version: Version | None = STOMP12, limits: Limits = SMALL) -> str:
    with pytest.raises(LimitExceeded) as caught:
        decode(*reads, version=version, limits=limits)
    return caught.value.limit


LINES = b"a:%b\nb:%b\nc:%b" % (b"x" * 15, b"x" * 15, b"x" * 8)  # with "ACK\n" before it: 50 bytes


@pytest.mark.parametrize("version", [None, STOMP10, STOMP12], ids=repr)
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (b"ACK\na:%b\n\n\0" % (b"x" * 18), ""),
        (b"ACK\na:%b\n\n\0" % (b"x" * 19), "header_line"),
        (b"ACK\na:1\nb:2\nc:3\nd:4\n\n\0", ""),
        (b"ACK\na:1\nb:2\nc:3\nd:4\ne:5\n\n\0", "headers"),
        (b"ACK\n" + LINES + b"\nd:%b\n\n\0" % (b"x" * 7), ""),
        (b"ACK\n" + LINES + b"\nd:%b\n\n\0" % (b"x" * 8), "head"),
        (b"ACK\n\n" + b"x" * 80 + b"\0", ""),
        (b"ACK\n\n" + b"x" * 81 + b"\0", "body"),
        (b"ACK\ncontent-length:80\n\n" + b"x" * 80 + b"\0", ""),
        (b"ACK\ncontent-length:81\n\n", "body"),
        (b"ACK\n" + LINES + b"\n\n" + b"x" * 70 + b"\0", ""),
        (b"ACK\n" + LINES + b"\n\n" + b"x" * 71 + b"\0", "frame"),
        (b"X" * 20 + b"\n\n\0", ""),
        (b"X" * 21 + b"\n\n\0", "header_line"),
        (b"ACK\n" + b"x" * 57 + b"\n\n\0", "head"),
    ],
)
def test_limits_are_exact_for_any_split(
    version: Version | None, fresh: bool, data: bytes, limit: str
) -> None:
    assert len(b"ACK\n" + LINES) == 50
    ordinary = b"".join(
        b"ACK\n%b\n\n\0\n" % b"\n".join([b"a:1", b"b:2", b"c:3", b"d:4"][:n]) for n in range(1, 5)
    )
    data = data if fresh else ordinary * 3 + data
    for reads in ([data], list(bites(data)), [data[:-1], data[-1:]], [data[:-2], data[-2:]]):
        if limit:
            assert exceeded(*reads, version=version) == limit
        else:
            decode(*reads, version=version, limits=SMALL)


@pytest.mark.parametrize(
    ("limits", "value", "body", "limit"),
    [
        (Limits(header_line=20), 18, 0, "header_line"),
        (Limits(head=20), 14, 0, "head"),
        (Limits(body=10), 4, 10, "body"),
        (Limits(frame=30, head=20), 4, 20, "frame"),
        (Limits(frame=30, body=29, head=20, header_line=20), 4, 20, "frame"),
    ],
)
def test_limits_are_exact_for_heads_like_earlier_ones(
    limits: Limits, value: int, body: int, limit: str
) -> None:
    known = b"".join(b"ACK\na:%d\n\n\0\n" % number for number in range(5))

    def frame(value: int, body: int) -> bytes:
        return b"ACK\na:%b\n\n%b\0" % (b"x" * value, b"y" * body)

    assert len(decode(known + frame(value, body), limits=limits)) == 6
    more = frame(value, body + 1) if body else frame(value + 1, 0)
    assert exceeded(known + more, limits=limits) == limit
    assert exceeded(known, *bites(more), limits=limits) == limit


@pytest.mark.parametrize("lenient", [STRICT, LENIENT])
def test_limits_hold_for_lenient_decoders_too(lenient: Leniency) -> None:
    with pytest.raises(LimitExceeded):
        decode(b"X\na:%b\n\n\0" % (b"\xff" * 19), limits=SMALL, lenient=lenient)
    if lenient is LENIENT:
        # U+FFFD takes more bytes than what it replaces; what counts is what came.
        decode(b"X\na:%b\n\n\0" % (b"\xff" * 18), limits=SMALL, lenient=lenient)


def fed_until_refused(decoder: Decoder, limit: str) -> int:
    """How many bytes of a stream without end a decoder takes."""
    for fed in range(0, 1000, 7):
        decoder.feed(b"xxxxxxx")
        try:
            decoder.frames()
        except LimitExceeded as err:
            if err.limit == limit:
                return fed
            raise
    raise AssertionError("it takes everything")


def ends(reads: Iterable[bytes], limits: Limits, lenient: Leniency = STRICT) -> tuple[int, str]:
    """How many frames a decoder reads, and the error that ends it or nothing."""
    decoder = Decoder(limits, version=STOMP12, lenient=lenient)
    count = 0
    for data in reads:
        decoder.feed(data)
        try:
            while frames := decoder.frames():
                count += len(frames)
        except RemoteProtocolError as err:
            return count, str(err)
    return count, ""


@pytest.mark.parametrize(
    "end", [b"\0", b"\n\n\0", b"\n\r\n\0", b"\r\n\r\n\0", b"\n\0", b"xxxx\0\n\n\0", b"xxxx"]
)
@pytest.mark.parametrize("lenient", [STRICT, LENIENT])
def test_a_head_at_its_limit_is_read_or_refused_however_it_is_cut(end: bytes, lenient: Leniency) -> None:
    limits = Limits(head=20)
    for size in range(14, 26):
        data = b"ERROR\na:" + b"x" * (size - 8) + end
        cuts = [[data[:at], data[at:]] for at in range(size - 2, len(data))]
        outcomes = {ends(reads, limits, lenient) for reads in ([data], bites(data), *cuts)}
        assert len(outcomes) == 1, data
        legal = end.strip(b"\r\n") == b"\0" and end.count(b"\n") == 2
        if legal:
            limit = 20 - end.startswith(b"\r")
            assert outcomes == {
                (1, "") if size <= limit else (0, "the head of a frame is longer than 20 bytes")
            }


def test_a_head_is_refused_at_the_first_byte_that_is_too_much() -> None:
    for first in (1, 60, 62):
        decoder = Decoder(SMALL, version=STOMP12)
        data = b"MESSAGE\n" + b"a:b\n" * 20
        for at in range(first, 63):
            decoder.feed(data[:first] if at == first else data[at - 1 : at])
            assert decoder.frames() == []
        # 60 bytes, and the two of an empty line before which its LF is missing
        decoder.feed(b"x")
        with pytest.raises(LimitExceeded, match="the head of a frame is longer than 60 bytes"):
            decoder.frames()


@pytest.mark.parametrize(
    ("reads", "text"),
    [
        ([b"ACK\n" + b"x" * 60 + b"\n\n"], "the head of a frame is longer than 60 bytes"),
        ([b"ACK\n" + b"x" * 90], "the head of a frame is longer than 60 bytes"),
        ([b"ACK\na:b c d e f g h i j k\n\n\0"], "a header line is longer than 20 bytes"),
        ([b"ACK\n" + b"a:\n" * 5 + b"\n\0"], "a frame has more than 4 headers"),
        ([b"ACK\n\n" + b"x" * 81], "a body is larger than 80 bytes"),
        ([b"ACK\ncontent-length:81\n\n"], "a body is larger than 80 bytes"),
        ([b"ACK\n" + LINES + b"\n\n" + b"x" * 71], "a frame is larger than 120 bytes"),
        ([b"ACK\n" + LINES + b"\n\n" + b"x" * 81], "a frame is larger than 120 bytes"),
        ([b"ACK\n" + LINES + b"\n\n" + b"x" * 81 + b"\0"], "a frame is larger than 120 bytes"),
        ([b"ACK\n\n", b"x" * 40, b"x" * 41], "a body is larger than 80 bytes"),
        ([b"ACK\n\n", b"x" * 80, b"x\0"], "a body is larger than 80 bytes"),
        ([b"ACK\ncontent-length:%b\n\n" % (b"9" * 19)], "a header line is longer than 20 bytes"),
    ],
)
def test_the_error_names_the_limit_that_is_exceeded_first(reads: list[bytes], text: str) -> None:
    for fed in (reads, bites(b"".join(reads))):
        assert ends(fed, SMALL) == (0, text)


def test_a_body_that_exceeds_two_limits_at_once_exceeds_that_of_bodies() -> None:
    head = b"ACK\n" + LINES
    limits = Limits(frame=120, body=120 - len(head))
    for reads in ([head + b"\n\n" + b"x" * 200], bites(head + b"\n\n" + b"x" * 200)):
        assert ends(reads, limits) == (0, "a body is larger than 70 bytes")


def test_endless_head_is_refused() -> None:
    decoder = Decoder(SMALL, version=STOMP12)
    decoder.feed(b"MESSAGE\n")
    assert decoder.frames() == []
    assert fed_until_refused(decoder, "head") <= SMALL.head + 2


@pytest.mark.parametrize("version", [None, STOMP10, STOMP12], ids=repr)
@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"A" * 41,
        b"SEND ",
        b"\xc3\x89CRIT\n",
    ],
)
def test_other_protocols_are_refused_by_their_first_bytes(data: bytes, version: Version | None) -> None:
    """A peer of another protocol may wait for our answer, as we would for the end of its head."""
    decoder = Decoder(version=version)
    decoder.feed(data)
    with pytest.raises(RemoteProtocolError, match="is not a STOMP command"):
        decoder.frames()
    decoder = Decoder(version=version)
    with pytest.raises(RemoteProtocolError, match="is not a STOMP command"):
        for at in range(len(data)):
            decoder.feed(data[at : at + 1])
            assert decoder.frames() == []


def test_endless_body_is_refused() -> None:
    decoder = Decoder(SMALL, version=STOMP12)
    decoder.feed(b"MESSAGE\n\n")
    assert decoder.frames() == []
    assert fed_until_refused(decoder, "body") <= SMALL.body


def test_huge_length_is_refused_before_the_body() -> None:
    decoder = Decoder(version=STOMP12)
    decoder.feed(b"MESSAGE\ncontent-length:1000000000000\n\n")
    with pytest.raises(LimitExceeded) as caught:
        decoder.frames()
    assert caught.value.limit == "body"


# ------------------------------------------------------------------------------------- linear work


class Reads(bytes):
    """Bytes that count how much of them is cut out or joined to others."""

    copied = 0

    def __getitem__(self, key):
        part = super().__getitem__(key)
        if isinstance(part, bytes):
            Reads.copied += len(part)
            return Reads(part)
        return part

    def __add__(self, other):
        Reads.copied += len(self) + len(other)
        return Reads(super().__add__(other))


@pytest.mark.parametrize("version", [None, STOMP12], ids=repr)
@pytest.mark.parametrize(
    "unit",
    [b"X\n\n\0", b"X\na:b\n\nx\0\n", b"X\ncontent-length:2\n\n\0\0\0", b"X\n\nx\0\n\n", b"X\r\n\r\n\0"],
)
def test_many_frames_in_one_read_are_copied_once_each(version: Version | None, unit: bytes) -> None:
    count = 2000
    data = Reads(unit * count)
    Reads.copied = 0
    assert len(decode(data, version=version)) == count
    assert Reads.copied <= 3 * len(data)


class Pattern:
    """A pattern that counts the bytes that it searches."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern
        self.searched = 0

    def search(self, data: bytes, pos: int, end: int = 1000) -> re.Match[bytes] | None:
        self.searched += min(len(data), end) - pos
        return self.pattern.search(data, pos, end)


def test_an_unfinished_head_is_not_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = Pattern(decoder_module._HEAD_END)
    monkeypatch.setattr(decoder_module, "_HEAD_END", pattern)
    data = b"MESSAGE\n" + b"a:" + b"x" * 500
    assert decode(*bites(data)) == []
    # Of what was searched the last two bytes may begin the end of the head.
    assert pattern.searched <= 3 * len(data)


@pytest.mark.parametrize(
    "size",
    [0, 1, 500, pytest.param(40_000, marks=pytest.mark.slow(reason="decodes 240,000 pieces of one byte"))],
)
@pytest.mark.parametrize("rest", [b"", b"\n", b"\r\n", b"\n\n"])
def test_split_frames_are_read_like_whole_ones(size: int, rest: bytes) -> None:
    frames = [b"MESSAGE\nn:%d\ncontent-length:%d\n\n%b\0%b" % (n, size, b"\0" * size, rest) for n in range(6)]
    data = b"".join(frames)
    whole = bodies(Decoder(version=STOMP12), [data])
    assert len(whole) == 6
    for cut in range(1, len(frames[0]) + 1, max(1, size // 7)):
        pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
        decoder = Decoder(version=STOMP12)
        assert bodies(decoder, pieces) == whole
        assert decoder.idle


def bodies(decoder: Decoder, pieces: list[bytes]) -> list[tuple[str, bytes]]:
    found = []
    for piece in pieces:
        decoder.feed(piece)
        found += [(frame.headers["n"], frame.body) for frame in decoder.frames() if isinstance(frame, Frame)]
    return found


def test_split_short_frame_without_end_is_refused() -> None:
    decoder = Decoder(version=STOMP12)
    good = b"MESSAGE\nn:1\ncontent-length:3\n\nabc\0"
    assert len(bodies(decoder, [good, good, good[:-2]])) == 2
    decoder.feed(b"cx" + good)
    with pytest.raises(RemoteProtocolError, match="does not end where"):
        decoder.frames()
    assert not decoder.idle


# ------------------------------------------------------------------------------------- large bodies


def large(size: int) -> bytes:
    return b"MESSAGE\na:b\ncontent-length:%d\n\n" % size


def test_large_body_can_be_read_into_its_buffer() -> None:
    decoder = Decoder(version=STOMP12)
    decoder.feed(large(1_000_000) + b"x" * 10)
    assert decoder.frames() == []
    body = b"x" * 10 + bytes(range(250)) * 4000
    sizes = []
    while decoder.missing_bytes:

        def read(buffer: memoryview) -> int:
            sizes.append(len(buffer))
            count = min(len(buffer), 300_000)
            buffer[:count] = body[1_000_000 - len(buffer) :][:count]
            return count

        assert decoder.read_into(read) > 0
        assert not decoder.idle
    assert sizes == [999_990, 699_990, 399_990]  # the rest is fed, with what follows it
    decoder.feed(body[900_010:1_000_000] + b"\0\n" + large(3) + b"abc\0")
    first, second = (frame for frame in decoder.frames() if isinstance(frame, Frame))
    assert (first.body, second.body) == (body[:1_000_000], b"abc")
    assert decoder.idle


def test_direct_read_may_fail_and_be_repeated() -> None:
    decoder = Decoder(version=STOMP12)
    decoder.feed(large(500_000))
    assert decoder.frames() == []

    def nothing(buffer: memoryview) -> int:
        raise BlockingIOError

    with pytest.raises(BlockingIOError):
        decoder.read_into(nothing)
    assert decoder.missing_bytes == 500_000
    decoder.feed(bytes(500_000) + b"\0")
    assert [frame.body for frame in decoder.frames() if isinstance(frame, Frame)] == [bytes(500_000)]


@pytest.mark.parametrize("data", [b"", b"MESSAGE\n", large(1000), b"MESSAGE\n\n" + b"x" * 200_000])
def test_only_large_bodies_are_read_directly(data: bytes) -> None:
    decoder = Decoder(version=STOMP12)
    decoder.feed(data)
    decoder.frames()
    assert decoder.missing_bytes == 0


def test_a_body_in_two_pieces_is_copied_once() -> None:
    body = b"x" * 100_000
    data = Reads(large(len(body)) + body + b"\0")
    decoder = Decoder(version=STOMP12)
    pieces = (data[:50_000], data[50_000:])
    Reads.copied = 0
    for piece in pieces:
        decoder.feed(piece)
        frames = decoder.frames()
    assert [frame.body for frame in frames if isinstance(frame, Frame)] == [body]
    assert Reads.copied < 200  # the head only


class Text(ListenerMessage):
    """A MESSAGE whose body is wanted as text."""

    __slots__ = ()
    body_as_text = True


def receive(decoder: Decoder, body: bytes, length: bool = True) -> str | bytes:
    """One message, as a driver reads it: 64 KiB at a time, and straight into place where that is possible."""
    data = (large(len(body)) if length else b"MESSAGE\na:b\n\n") + body + b"\0\n"
    at = 0

    def read(buffer: memoryview) -> int:
        piece = data[at : at + min(len(buffer), 300_000)]
        buffer[: len(piece)] = piece
        return len(piece)

    while True:
        if decoder.missing_bytes:
            at += decoder.read_into(read)
            continue
        assert at < len(data)
        decoder.feed(data[at : at + 65536])
        at += 65536
        for frame in decoder.frames():
            if isinstance(frame, Frame):
                return frame.body


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("size", [70_000, 300_000, 1_000_000, 5_000_000])
def test_large_texts_are_decoded(size: int, length: bool) -> None:
    decoder = Decoder(version=STOMP12, classes={"MESSAGE": Text})
    for letter in ("a", "é", "€", "🐍"):
        text = letter * (size // len(letter.encode()))
        assert receive(decoder, text.encode(), length) == text
        assert receive(decoder, b"\xff" + text.encode() + b"\xc3", length) == f"\ufffd{text}\ufffd"
    # Of a longer one that was there before nothing is left.
    assert receive(decoder, b"x" * 66_000, length) == "x" * 66_000


@pytest.mark.parametrize("make", [Frame, MessageFrame, ListenerMessage, BaseMessage])
def test_other_large_bodies_are_bytes(make: type[Frame]) -> None:
    decoder = Decoder(version=STOMP12, classes={"MESSAGE": make})
    body = receive(decoder, b"x" * 1_000_000)
    assert body == b"x" * 1_000_000
    assert receive(decoder, b"y" * 1_000_000) != body == b"x" * 1_000_000
