from stomp.core.decoder import Decoder
from stomp.core.dialect import STOMP12
from stomp.core.events import Message
from stomp.core.frame import Frame, Headers
from stomp.core.layout import Layouts


def learn(layouts: Layouts, command: str, *lines: str, size: int = 100) -> None:
    headers = Headers.of([(name, value) for name, _, value in (line.partition(":") for line in lines)])
    layouts.learn(command, list(lines), headers, size)


def layouts() -> Layouts:
    return Layouts({"MESSAGE": Message}, Frame)


def test_at_first_nothing_matches() -> None:
    for text in ("", "MESSAGE", "\n", "MESSAGE\na:b"):
        assert layouts().latest.match(text) is None
        assert layouts().other(text) is None


def test_a_layout_is_learned_when_it_was_seen_twice() -> None:
    known = layouts()
    learn(known, "MESSAGE", "a:1", "b:2")
    assert known.latest.match("MESSAGE\na:1\nb:2") is None
    learn(known, "MESSAGE", "a:3", "b:4")
    found = known.latest.match("MESSAGE\na:5:6\nb:")
    assert found is not None
    assert found.groups() == ("5:6", "")
    assert known.latest.names == ("a", "b")
    assert known.latest.make is Message


def test_only_the_same_head_matches() -> None:
    known = layouts()
    for _ in range(2):
        learn(known, "MESSAGE", "a:1", "b.:2")
    match = known.latest.match
    assert match("MESSAGE\na:1\nb.:2")
    for text in (
        "RECEIPT\na:1\nb.:2",
        "MESSAGE\na:1\nbx:2",
        "MESSAGE\nb.:1\na:2",
        "MESSAGE\na:1:b.:2",
        "MESSAGE\na:1\nb.:2\n",
        "MESSAGE\na:1\nb.:2\nc:3",
        "MESSAGE\n a:1\nb.:2",
        "MESSAGE\na:1",
    ):
        assert match(text) is None, text


def test_the_layout_for_another_number_of_headers_is_found() -> None:
    known = layouts()
    for _ in range(2):
        learn(known, "MESSAGE", "a:1")
    first = known.latest
    for _ in range(2):
        learn(known, "RECEIPT", "a:1", "b:2")
    assert known.latest is not first
    assert known.other("MESSAGE\nx:y") is first


def test_a_layout_that_was_learned_comes_back_at_once() -> None:
    known = layouts()
    for name in "aab":
        learn(known, "MESSAGE", f"{name}:1")
    first = known.latest
    learn(known, "MESSAGE", "b:1")
    assert known.latest is not first
    learn(known, "MESSAGE", "a:1")
    assert known.latest is first


def test_heads_that_are_not_what_they_look_like_are_not_learned() -> None:
    known = layouts()
    empty = known.latest
    for _ in range(3):
        learn(known, "MESSAGE", "a:1", "a:2")  # a repeated name
        known.learn("MESSAGE", ["a\\cb:1"], Headers({"a:b": "1"}), 10)  # an escaped one
        learn(known, "CONNECTED", "a:1")  # never escaped
        learn(known, "NEWS", "a:1")
        learn(known, "MESSAGE", "long:1", size=5000)
    assert known.latest is empty


def test_what_a_peer_can_make_us_remember_is_bounded() -> None:
    known = layouts()
    for number in range(1000):
        for _ in range(2):
            learn(known, "MESSAGE", *[f"{number}-{i}:x" for i in range(number % 300)])
    assert len(known._known) <= 64
    assert len(known._seen) <= 64
    assert len(known._by_lines) <= 64


def test_the_decoder_learns_while_it_reads() -> None:
    decoder = Decoder(dialect=STOMP12, classes={"MESSAGE": Message})
    data = b"MESSAGE\nmessage-id:%d\nx:a\\cb\n\nhello\0\n"
    for number in range(5):
        decoder.feed(data % number)
        (frame,) = decoder.frames()
        assert isinstance(frame, Message)
        assert frame.headers == {"message-id": str(number), "x": "a:b"}
    assert decoder._layouts.latest.names == ("message-id", "x")
