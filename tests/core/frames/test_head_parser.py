"""stomp.core.frames.head_parser, by way of the decoder: what is tolerated, and what is not."""

import pytest

from stomp.core.errors import LimitExceeded, RemoteProtocolError
from stomp.core.frames.decoder import Decoder, HeartbeatMarker
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.limits import LENIENT, STRICT, TRIM, Leniency, Limits
from stomp.core.frames.versions import STOMP12, VERSIONS, Version
from tests.odd_frames import IN_DOUBT, NEXT, ODD, Odd

pytestmark = pytest.mark.usefixtures("each_codec")

LESSON = b"MESSAGE\nmessage-id:9\nsubscription:1\ndestination:/queue/a\na:%d\n\nhello\0\n"
CUTS = (1, 7, 100_000)


def decode(
    data: bytes, *, version: Version | None = STOMP12, lenient: Leniency = LENIENT, cut: int = 100_000
) -> tuple[list[Frame], str, list[str]]:
    """The frames, the error that ends them, and what was tolerated."""
    decoder = Decoder(version=version, lenient=lenient)
    found: list[Frame] = []
    for at in range(0, len(data), cut):
        decoder.feed(data[at : at + cut])
        try:
            while frames := decoder.frames():
                found += [frame for frame in frames if not isinstance(frame, HeartbeatMarker)]
        except RemoteProtocolError as err:
            return found, str(err), decoder.notes
    return found, "", decoder.notes


def decode_strictly(data: bytes) -> None:
    """Decode, and raise the error that ends it."""
    decoder = Decoder(version=STOMP12)
    decoder.feed(data)
    while decoder.frames():
        pass


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("lesson", [0, 3])
def test_lenient_decoders_read_every_frame_whose_end_is_certain(odd: Odd, cut: int, lesson: int) -> None:
    plain = b"".join(LESSON % number for number in range(lesson))
    version = VERSIONS[odd.version]
    found, error, notes = decode(plain + odd.data * 2 + NEXT, version=version, cut=cut)
    assert error == ""
    bodies = [frame.body for frame in found if frame.command == "MESSAGE"]
    assert bodies == [b"hello"] * lesson + [odd.body] * 2 + [b"next"]
    assert odd.headers.items() <= found[-2].headers.items()
    assert len(notes) <= 1
    assert all("with message-id '1': " in note for note in notes)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
@pytest.mark.parametrize("cut", CUTS)
def test_strict_decoders_refuse_what_is_not_legal(odd: Odd, cut: int) -> None:
    found, error, notes = decode(odd.data + NEXT, version=VERSIONS[odd.version], lenient=STRICT, cut=cut)
    bodies = [frame.body for frame in found if frame.command == "MESSAGE"]
    # A command in lower case is one that STOMP does not define, and no error.
    assert (error == "" and bodies == [odd.body, b"next"]) is odd.legal
    assert not notes


@pytest.mark.parametrize("data", IN_DOUBT.values(), ids=IN_DOUBT)
@pytest.mark.parametrize("lenient", Leniency)
@pytest.mark.parametrize("cut", CUTS)
def test_frames_with_an_uncertain_end_are_refused(data: bytes, lenient: Leniency, cut: int) -> None:
    found, error, _ = decode(data + NEXT, lenient=lenient, cut=cut)
    assert error
    # Without a length the first NUL is the end.
    assert [frame.body for frame in found] == ([b"he"] if b"he\0llo" in data else [])


@pytest.mark.parametrize("cut", CUTS)
def test_white_space_is_trimmed_with_lenient_trim(cut: int) -> None:
    odd = b"MESSAGE\n content-length : 3 \n\ta:b\n\na\0b\0\n"
    plain = b"MESSAGE\ncontent-length:3\na:b\n\na\0b\0\n"
    for data in (odd * 3, plain * 3 + odd * 3):
        found, error, _ = decode(data, lenient=TRIM, cut=cut)
        assert error == ""
        assert found == [Frame("MESSAGE", Headers({"content-length": "3", "a": "b"}), b"a\0b")] * (
            data.count(b"MESSAGE")
        )


def test_a_value_that_is_trimmed_is_trimmed_after_a_plain_one_of_the_same_kind() -> None:
    plain = b"".join(b"MESSAGE\na:%d\n\n\0\n" % number for number in range(4))
    found, _, _ = decode(plain + b"MESSAGE\na: x \n\n\0\n", lenient=TRIM)
    assert found[-1].headers == {"a": "x"}


@pytest.mark.parametrize("data", [b"MESSAGE\na:%b\xe9\nb:1\n\nx\0\n", b"MESSAGE\r\na:%b\xe9\r\n\r\nx\0\n"])
def test_the_bytes_of_a_head_that_was_replaced_are_kept(data: bytes) -> None:
    plain = b"MESSAGE\na:1\nb:1\n\nx\0\n"
    found, _, _ = decode(plain + data % b"one" + plain + data % b"two" + plain)
    heads = [frame.raw_head for frame in found]
    raw = (data % b"one").partition(b"\r\n\r\n" if b"\r" in data else b"\n\n")[0]
    assert heads[0::2] == [None] * 3
    assert heads[1::2] in (
        [raw, raw.replace(b"one", b"two")],
        [raw + b"\r", raw.replace(b"one", b"two") + b"\r"],
    )
    assert found[1].headers["a"] == "one\ufffd"


def test_each_kind_is_noted_once() -> None:
    many = b"".join(
        b"message\nmessage-id:%d\nwhat\n:x\na:\\q\xe9\ncontent-length:+1\ncontent-length:2\n\nx\0\n" % number
        for number in range(5)
    )
    found, error, notes = decode(many)
    assert len(found) == 5
    assert error == ""
    assert len(notes) == len(set(notes)) == 7
    assert all(note.startswith("MESSAGE with message-id '0': ") for note in notes)


@pytest.mark.parametrize(
    ("version", "data", "frame", "rule"),
    [
        (
            "1.2",
            b"MESSAGE\na:\xe9\n\n\0",
            "MESSAGE",
            "a header is not UTF-8: U+FFFD stands for what cannot be decoded; raw_head has the original bytes",
        ),
        (
            "1.1",
            b"MESSAGE\r\na:b\r\n\r\n\0",
            "MESSAGE",
            "lines end with CR LF, which STOMP 1.1 does not allow",
        ),
        ("1.2", b"message \n\n\0", "MESSAGE", "the command 'message ' was read as MESSAGE"),
        (
            "1.2",
            b"MESSAGE\nmessage-id:7\nwhat\n\n\0",
            "MESSAGE with message-id '7'",
            "a header line of 4 characters has no colon and was ignored",
        ),
        (
            "1.2",
            b"RECEIPT\nreceipt-id:7\n:x\n\n\0",
            "RECEIPT with receipt-id '7'",
            "a header has an empty name and was ignored",
        ),
        (
            "1.2",
            b"ERROR\na:\\t\n\n\0",
            "ERROR",
            "undefined escape sequence \\t in a header of STOMP 1.2: it was kept as it is",
        ),
        (
            "1.2",
            b"MESSAGE\ncontent-length:1\ncontent-length:2\n\nx\0",
            "MESSAGE",
            "content-length is given more than once: the first one counts",
        ),
        (
            "1.2",
            b"MESSAGE\ncontent-length:+1\n\nx\0",
            "MESSAGE",
            "content-length '+1' is not written as a plain number",
        ),
        (
            "1.2",
            b"MESSAGE\ncontent-length:%b+1\n\nx\0" % (b" " * 50),
            "MESSAGE",
            f"content-length '{' ' * 40}' is not written as a plain number",
        ),
        ("1.2", b"%b\n:\n\n\0" % (b"Y" * 30), "Y" * 20, "a header has an empty name and was ignored"),
        (
            "1.2",
            b"%b\nreceipt-id:%b\n:x\n\n\0" % (b"Y" * 30, b"z" * 80),
            f"{'Y' * 20} with receipt-id '{'z' * 60}'",
            "a header has an empty name and was ignored",
        ),
    ],
)
def test_a_note_names_the_frame_and_the_rule(version: str, data: bytes, frame: str, rule: str) -> None:
    _, error, notes = decode(data * 3, version=VERSIONS[version])
    assert (error, notes) == ("", [f"{frame}: {rule}"])


@pytest.mark.parametrize(
    ("data", "version"),
    [
        (b"MESSAGE\na:b\r\n\n\0", "1.1"),
        (b"MESSAGE\r\na:b\r\n\r\n\0", "1.2"),
        (b"MESSAGE\r\na:b\r\n\r\n\0", None),
        (b"MESSAGE\ncontent-length:1\n\nx\0", "1.2"),
    ],
)
def test_legal_frames_are_not_noted(data: bytes, version: str | None) -> None:
    (frame,), error, notes = decode(data, version=VERSIONS[version] if version else None)
    assert (error, notes) == ("", [])
    assert frame.headers.get("a", "b").rstrip() == "b"


def test_a_carriage_return_is_part_of_a_value_if_the_command_line_has_none() -> None:
    (frame,), _, notes = decode(b"message\na:b\r\n\n\0", version=VERSIONS["1.1"])
    assert frame == Frame("MESSAGE", Headers(a="b\r"))
    assert notes == ["MESSAGE: the command 'message' was read as MESSAGE"]


def test_notes_hold_no_text_of_the_lines() -> None:
    _, _, notes = decode(b"MESSAGE\npasscode swordfish\n:swordfish\ncontent-type:\xe9swordfish\n\n\0")
    assert len(notes) == 3
    assert "swordfish" not in "".join(notes)


def test_a_command_is_refused_by_its_first_wrong_byte_however_it_is_cut() -> None:
    for data in (b"MESS AGE\n\n\0", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"A" * 60, b"\r\r\n", b"\x16\x03"):
        for lenient in Leniency:
            for version in (None, *VERSIONS.values()):
                errors = {decode(data, version=version, lenient=lenient, cut=cut)[1] for cut in CUTS}
                assert len(errors) == 1
                assert "is not a STOMP command" in errors.pop()


@pytest.mark.parametrize("before", [b"", b"MESSAGE\na:b\n\n\0\n" * 9])
def test_the_bytes_that_are_not_stomp_are_kept_in_the_error(before: bytes) -> None:
    data = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\n"
    decoder = Decoder(Limits(head=60), version=STOMP12)
    decoder.feed(before + data)
    if before:
        assert len(decoder.frames()) == 9
    with pytest.raises(RemoteProtocolError, match="'HTTP/' is not a STOMP command") as caught:
        decoder.frames()
    assert caught.value.received == data[:64]


@pytest.mark.parametrize("known", [0, 3])
def test_a_content_length_has_at_most_18_digits(known: int) -> None:
    plain = b"MESSAGE\ncontent-length:3\n\nabc\0\n" * known
    for data in (
        b"MESSAGE\ncontent-length:%018d\n\nabc\0" % 3,
        b"MESSAGE\ncontent-length:%018d\n\nabc\0" % 3 * 2,
    ):
        found, error, _ = decode(plain + data)
        assert error == ""
        assert found[-1].body == b"abc"
    for digits in (b"%019d" % 3, b"9" * 19):
        decoder = Decoder(version=STOMP12)
        decoder.feed(plain + b"MESSAGE\ncontent-length:%b\n\nabc\0" % digits)
        assert len(decoder.frames() if known else []) == known
        with pytest.raises(LimitExceeded, match="content-length has more than 18 digits") as caught:
            decoder.frames()
        assert caught.value.limit == "body"
    with pytest.raises(LimitExceeded, match="a body is larger than"):
        decode_strictly(plain + b"MESSAGE\ncontent-length:%b\n\nabc\0" % (b"9" * 18))


def test_a_content_length_that_is_no_number_is_shown_in_part() -> None:
    _, error, _ = decode(b"MESSAGE\ncontent-length:%b\n\n\0" % (b"x" * 100))
    assert error == f"content-length '{'x' * 40}' is not a number"


def test_nuls_before_the_first_frame_are_not_skipped() -> None:
    """They may be the length of a frame of another protocol, which is recognised by its first bytes."""
    for lenient in Leniency:
        _, error, _ = decode(b"\0\0\1\xff\1ActiveMQ", version=None, lenient=lenient)
        assert "is not a STOMP command" in error
        _, error, _ = decode(b"\0CONNECTED\nversion:1.2\n\n\0", version=None, lenient=lenient)
        assert error == r"'\x00' is not a STOMP command"


def test_control_characters_of_an_undefined_escape_are_shown_as_escapes() -> None:
    _, error, _ = decode(b"MESSAGE\na:\\\x1b[31m\n\n\0", lenient=STRICT)
    assert error == "undefined escape sequence \\\\x1b in a header of STOMP 1.2"
