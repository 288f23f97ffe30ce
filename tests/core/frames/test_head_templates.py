import pytest

from stomp.core.engine.message import BaseMessage
from stomp.core.errors import RemoteProtocolError
from stomp.core.frames import native as native_codec
from stomp.core.frames.decoder import Decoder
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.head_parser import Head
from stomp.core.frames.head_templates import HeadTemplate, HeadTemplates, slot_defaults_of
from stomp.core.frames.limits import LENIENT, STRICT, Leniency, Limits
from stomp.core.frames.versions import STOMP12, VERSIONS, Version
from stomp.core.session.events import ListenerMessage, MessageFrame


def learn(templates: HeadTemplates, command: str, *lines: str, size: int = 100) -> None:
    headers = Headers.of([(name, value) for name, _, value in (line.partition(":") for line in lines)])
    templates.add(command, list(lines), headers, size)


def templates() -> HeadTemplates:
    return HeadTemplates({"MESSAGE": MessageFrame}, Frame)


def read(template: HeadTemplate | None, head: str) -> tuple[bytes, ...] | None:
    """The values that change, if the head has this template."""
    data = b"before" + head.encode() + b"\n\nbody"
    if template is None or not template.matches(data, 6, len(data)):
        return None
    found = template.match(data, 6, len(data))
    assert found is not None
    assert found.end() + len(template.fixed_suffix) == len(data) - 4
    return found.groups()


def other(known: HeadTemplates, head: str) -> HeadTemplate | None:
    data = head.encode() + b"\n\n"
    return known.find(data, 0, len(data))


def test_empty_template_table_matches_nothing() -> None:
    for head in ("", "MESSAGE", "\n", "MESSAGE\na:b"):
        assert read(templates().latest, head) is None
        assert other(templates(), head) is None


def test_template_is_created_on_second_sight() -> None:
    known = templates()
    learn(known, "MESSAGE", "a:1", "b:2")
    assert read(known.latest, "MESSAGE\na:1\nb:2") is None
    learn(known, "MESSAGE", "a:3", "b:4")
    assert read(known.latest, "MESSAGE\na:5:6\nb:") == (b"5:6", b"")
    assert tuple(known.latest.headers) == known.latest.variable_names == ("a", "b")
    assert known.latest.make is MessageFrame


def test_constant_values_are_part_of_the_template() -> None:
    known = templates()
    for number in range(2):
        learn(known, "MESSAGE", "a:1", f"b:{number}", "c:3")
    template = known.latest
    assert template.variable_names == ("b",)
    assert template.headers == {"a": "1", "b": "0", "c": "3"}
    assert read(template, "MESSAGE\na:1\nb:9\nc:3") == (b"9",)
    assert read(template, "MESSAGE\na:2\nb:9\nc:3") is None
    learn(known, "MESSAGE", "a:2", "b:9", "c:3")
    assert known.latest is template
    assert read(template, "MESSAGE\na:5\nb:9\nc:3") == (b"5", b"9")


def test_template_of_changing_values_has_no_constants() -> None:
    known = templates()
    lines = [f"{name}:0" for name in "abcdefgh"]
    learn(known, "MESSAGE", *lines)
    for at in range(4):
        lines[at] += "1"
        learn(known, "MESSAGE", *lines)
    assert known.latest.variable_names == tuple("abcdefgh")


def test_long_suffix_is_compared_instead_of_compiled() -> None:
    known = templates()
    more = [f"x-{number}:value" for number in range(1000)]
    for number in range(2):
        learn(known, "MESSAGE", f"a:{number}", *more, size=20_000)
    assert len(known.latest.fixed_suffix) > 10_000
    assert read(known.latest, "\n".join(["MESSAGE", "a:5", *more])) == (b"5",)
    assert read(known.latest, "\n".join(["MESSAGE", "a:5", *more, "y:1"])) is None
    assert read(known.latest, "\n".join(["MESSAGE", "a:5", *more[:-1]])) is None


def test_too_long_head_matches_no_template() -> None:
    known = templates()
    more = [f"x-{number}:value" for number in range(1000)]
    for number in range(3):
        learn(known, "MESSAGE", *more, f"a:{number}", size=20_000)
    assert read(known.latest, "\n".join(["MESSAGE", *more, "a:1"])) is None


def test_only_the_same_head_matches() -> None:
    known = templates()
    for number in range(2):
        learn(known, "MESSAGE", f"a:{number}", f"b.:{number}")
    assert read(known.latest, "MESSAGE\na:1\nb.:2")
    for head in (
        "RECEIPT\na:1\nb.:2",
        "MESSAGE\na:1\nbx:2",
        "MESSAGE\nb.:1\na:2",
        "MESSAGE\na:1:b.:2",
        "MESSAGE\na:1\nb.:2\nc:3",
        "MESSAGE\n a:1\nb.:2",
        "MESSAGE\na:1",
    ):
        assert read(known.latest, head) is None, head


def test_matching_template_is_found_among_others() -> None:
    known = templates()
    for _ in range(2):
        learn(known, "MESSAGE", "a:1")
    first = known.latest
    for _ in range(2):
        learn(known, "MESSAGE", "b:2")
    assert known.latest is not first
    assert other(known, "MESSAGE\na:1") is first
    assert known.latest is first
    assert other(known, "MESSAGE\nc:1") is None


def test_known_template_is_reused_at_once() -> None:
    known = templates()
    for name in "aab":
        learn(known, "MESSAGE", f"{name}:1")
    first = known.latest
    learn(known, "MESSAGE", "b:1")
    assert known.latest is not first
    learn(known, "MESSAGE", "a:1")
    assert known.latest is first


def test_ambiguous_heads_are_not_learned() -> None:
    known = templates()
    empty = known.latest
    for _ in range(3):
        learn(known, "MESSAGE", "a:1", "a:2")  # a repeated name
        known.add("MESSAGE", ["a\\cb:1"], Headers({"a:b": "1"}), 10)  # an escaped one
        learn(known, "CONNECTED", "a:1")  # never escaped
        learn(known, "NEWS", "a:1")
        learn(known, "MESSAGE", "long:1", size=500_000)
    assert known.latest is empty


def test_templates_of_a_peer_are_limited() -> None:
    known = templates()
    for number in range(200):
        for _ in range(2):
            learn(known, "MESSAGE", *[f"{number}-{i}:x" for i in range(number % 9)])
    assert len(known._known) == 32


@pytest.mark.parametrize(("size", "number"), [(64 * 1024, 2), (64 * 1024 + 1, 1), (32 * 1024, 4)])
def test_all_templates_together_have_128_kib(size: int, number: int) -> None:
    known = templates()
    for each in range(10):
        learn(known, "MESSAGE", f"{each}:x", size=size)
    assert len(known._known) == number


def test_long_heads_reduce_the_number_of_templates() -> None:
    known = templates()
    for number in range(10):
        learn(known, "MESSAGE", f"{number}:x", size=60_000)
    assert len(known._known) == 2


class Scanner:
    """Records what a decoder passes to the scanner of the native codec."""

    def __init__(self) -> None:
        self.learned: list[tuple[object, ...]] = []

    def learn(self, *layout: object) -> None:
        self.learned.append(layout)


def test_the_scanner_learns_the_first_head_of_each_layout() -> None:
    scanner = Scanner()
    known = HeadTemplates({"MESSAGE": BaseMessage, "ERROR": Called}, Frame, scanner)
    for number in range(3):
        learn(known, "MESSAGE", f"a:{number}", "b:\u20ac")
        learn(known, "RECEIPT", f"receipt-id:{number}")
        learn(known, "ERROR", "c:3")
    assert scanner.learned == [
        (
            "MESSAGE\na:0\nb:\u20ac\n\n".encode(),
            {"a": "0", "b": "\u20ac"},
            BaseMessage,
            BaseMessage.slot_defaults,
            False,
        ),
        (b"RECEIPT\nreceipt-id:0\n\n", {"receipt-id": "0"}, Frame, {}, False),
        (b"ERROR\nc:3\n\n", {"c": "3"}, Called, None, False),
    ]


# ------------------------------------------------------------------------------------- in the decoder


@pytest.fixture
def pure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the native codec, which would leave the templates nothing to read."""
    monkeypatch.setattr(native_codec, "native", None)


def test_the_decoder_learns_while_it_reads(pure: None) -> None:
    decoder = Decoder(version=STOMP12, classes={"MESSAGE": MessageFrame})
    data = b"MESSAGE\nmessage-id:%d\nx:a\\cb\n\nhello\0\n"
    for number in range(5):
        decoder.feed(data % number)
        (frame,) = decoder.frames()
        assert isinstance(frame, MessageFrame)
        assert frame.headers == {"message-id": str(number), "x": "a:b"}
    assert decoder._templates.latest.variable_names == ("message-id",)


def parsed(decoder: Decoder, data: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many heads of the data are not read by a template."""
    heads = []
    read = decoder._heads.read

    def counted(raw: bytes, version: Version | None) -> Head:
        heads.append(raw)
        return read(raw, version)

    with monkeypatch.context() as patch:
        patch.setattr(decoder._heads, "read", counted)
        decoder.feed(data)
        frames = [frame for frame in decoder.frames() if isinstance(frame, Frame)]
    assert len(frames) == data.count(b"\0\n")
    return len(heads)


def message(number: int, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = "".join(f"\n{name}:{value}" for name, value in headers.items())
    return f"MESSAGE\nmessage-id:{number}{lines}\n\n".encode() + body + b"\0\n"


@pytest.mark.parametrize("lenient", [STRICT, LENIENT])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"a": "b"},
        {"a": "1:2:3"},
        {"a": "x\\\\c", "b": "\\n\\r"},
        {"a": "\u20ac"},
        {"content-length": "0"},
        {"content-length": f"{0:018d}"},
        {"a": "x" * 300},
        {"a": "x" * 5000},
    ],
    ids=repr,
)
def test_each_layout_is_parsed_twice(
    pure: None, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], lenient: Leniency
) -> None:
    decoder = Decoder(version=STOMP12, lenient=lenient)
    assert parsed(decoder, b"".join(message(number, headers) for number in range(20)), monkeypatch) == 2
    assert parsed(decoder, message(1000, headers) * 3, monkeypatch) == 0


def test_layouts_that_alternate_are_parsed_twice_each(pure: None, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(version=STOMP12)
    data = b"".join(
        message(number, {}) + message(number, {"a": "b"}) + b"RECEIPT\nreceipt-id:%d\n\n\0\n" % number
        for number in range(20)
    )
    assert parsed(decoder, data, monkeypatch) == 6


def test_several_values_may_change(pure: None, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(version=STOMP12)
    data = b"".join(
        message(number, {"a": f"\\c{number}", "b": "same", "c": f"{number}:"}) for number in range(20)
    )
    assert parsed(decoder, data, monkeypatch) == 2


def test_lengths_that_change_are_read_by_the_template(pure: None, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(version=STOMP12)
    lengths = [1, 2, 0, 12, 12, 3, 99]
    data = b"".join(message(1, {"content-length": str(size)}, b"\0" * size) for size in lengths)
    assert parsed(decoder, data, monkeypatch) == 2


@pytest.mark.parametrize("declared", [True, False])
def test_heads_and_bodies_at_their_limits_are_read_by_the_template(
    pure: None, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    """So that a template reads all that the limits allow. `test_decoder.py` has what they do not allow."""
    length = "content-length:%s\n" if declared else "content-number:%s\n"
    head = f"MESSAGE\n{length}a:%b".encode()
    limits = Limits(head=60, header_line=60, body=40, frame=100)

    def frame(size: int) -> bytes:
        # A head of 60 bytes.
        lines = (head % (str(size).encode(), b"")).ljust(60, b"x")
        return lines + b"\n\n" + b"y" * size + b"\0\n"

    head = head.replace(b"%s", b"%b")
    decoder = Decoder(limits, version=STOMP12)
    assert parsed(decoder, b"".join(frame(size) for size in (10, 40, 40, 40, 20, 39, 40)), monkeypatch) <= 3
    assert parsed(decoder, frame(40) * 5, monkeypatch) == 0
    other = b"RECEIPT\nreceipt-id:1\n\n\0\n"
    parsed(decoder, other * 2, monkeypatch)
    assert parsed(decoder, frame(40) + other + frame(40), monkeypatch) == 0
    # In two reads.
    decoder.feed(frame(40)[:80])
    assert decoder.frames() == []
    assert parsed(decoder, frame(40)[80:] + frame(40), monkeypatch) == 0


#: Values of a header that the template cannot read alone, or that end the stream.
VALUES = [
    b"",
    b" x ",
    b"1:2",
    b"\\c",
    b"\\\\c\\n",
    b"x\r",
    b"\r",
    b"x\ry",
    b"\\r",
    b"\\t",
    b"x\\",
    b"\xff",
    b"\xe2\x82",
    b"\xe2\x82\xac",
    b"x\0y",
    b"\0",
]


def ends(data: bytes, version: Version, lenient: Leniency) -> tuple[list[Frame], str]:
    """The frames of the data, and the error that ends it or nothing."""
    decoder = Decoder(version=version, lenient=lenient)
    decoder.feed(data)
    found: list[Frame] = []
    try:
        while frames := decoder.frames():
            found += [frame for frame in frames if isinstance(frame, Frame)]
    except RemoteProtocolError as err:
        return found, str(err)
    return found, ""


@pytest.mark.parametrize("version", VERSIONS.values(), ids=repr)
@pytest.mark.parametrize("lenient", Leniency)
@pytest.mark.parametrize(
    "layout", [b"MESSAGE\na:%b\n\n\0\n", b"MESSAGE\na:%b\nb:%b\n\n\0\n", b"MESSAGE\na:%b\nb:2\nc:%b\n\n\0\n"]
)
def test_a_head_like_a_known_one_is_read_like_the_first_one(
    version: Version, lenient: Leniency, layout: bytes
) -> None:
    count = layout.count(b"%b")
    known = b"".join(layout % ((b"%d" % number,) * count) for number in range(3))
    for value in VALUES:
        for at in range(count):
            values = [b"7"] * count
            values[at] = value
            data = layout % tuple(values)
            alone, error = ends(data, version, lenient)
            found, error_then = ends(known + data, version, lenient)
            assert (found[3:], error_then) == (alone, error), data


@pytest.mark.parametrize(
    "length",
    [
        b"3",
        b"03",
        b"4",
        b"2",
        b"",
        b"-3",
        b"+3",
        b" 3",
        b"3 ",
        b"three",
        b"0x3",
        b"3.0",
        b"%019d" % 3,
        b"9" * 18,
        b"9" * 19,
        "\u00b3".encode(),
        "\u0663".encode(),
    ],
)
@pytest.mark.parametrize("lenient", [STRICT, LENIENT])
@pytest.mark.parametrize("command", [b"MESSAGE", b"ERROR"])
def test_a_length_after_a_known_head_is_read_like_the_first_one(
    length: bytes, lenient: Leniency, command: bytes
) -> None:
    head = command + b"\ncontent-length:%b\n\n"
    data = head % length + b"a\0c\0"
    alone = ends(data, STOMP12, lenient)
    found, error = ends(
        b"".join(head % b"%d" % size + b"\0" * size + b"\0\n" for size in range(4)) + data, STOMP12, lenient
    )
    assert (found[4:], error) == alone


class Called(Frame):
    """A class of frames that has to be called: it has an attribute for which there is no `slot_defaults`."""

    __slots__ = ("made",)

    def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
        super().__init__(command, headers, body)
        self.made: str = f"{command} {headers} {body!r}"


class CalledAsWell(Called):
    """A class that does not define what its base class has to be called for."""

    __slots__ = ()


def test_frames_of_a_template_are_made_as_by_a_call(pure: None) -> None:
    assert slot_defaults_of(Frame) == {}
    assert slot_defaults_of(MessageFrame) == {"subscription": None}
    assert slot_defaults_of(Called) is None
    assert slot_defaults_of(CalledAsWell) is None
    assert slot_defaults_of(BaseMessage) == BaseMessage.slot_defaults
    for make in (Frame, MessageFrame, ListenerMessage, BaseMessage, Called, CalledAsWell):
        decoder = Decoder(version=STOMP12, classes={"MESSAGE": make})
        decoder.feed(b"".join(message(number, {"a": "b"}, b"x") for number in range(4)))
        for number, frame in enumerate(decoder.frames()):
            headers = Headers({"message-id": str(number), "a": "b"})
            made = make("MESSAGE", headers, b"x")
            assert type(frame) is make
            assert frame == made
            names = {name for cls in make.__mro__ for name in vars(cls).get("__slots__", ())}
            for name in names:
                assert getattr(frame, name, "unset") == getattr(made, name, "unset"), name
            if isinstance(frame, ListenerMessage):
                assert frame.original is not frame.headers
