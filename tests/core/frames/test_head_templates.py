import pytest

from stomp.core.frames import native as native_codec
from stomp.core.frames.decoder import Decoder
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.head_templates import HeadTemplate, HeadTemplates
from stomp.core.frames.versions import STOMP12
from stomp.core.session.events import MessageFrame


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
    for number in range(1000):
        for _ in range(2):
            learn(known, "MESSAGE", *[f"{number}-{i}:x" for i in range(number % 300)])
    assert len(known._known) <= 32


def test_long_heads_reduce_the_number_of_templates() -> None:
    known = templates()
    for number in range(10):
        learn(known, "MESSAGE", f"{number}:x", size=60_000)
    assert len(known._known) == 2


def test_the_decoder_learns_while_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_codec, "native", None)  # which would leave it nothing to learn
    decoder = Decoder(version=STOMP12, classes={"MESSAGE": MessageFrame})
    data = b"MESSAGE\nmessage-id:%d\nx:a\\cb\n\nhello\0\n"
    for number in range(5):
        decoder.feed(data % number)
        (frame,) = decoder.frames()
        assert isinstance(frame, MessageFrame)
        assert frame.headers == {"message-id": str(number), "x": "a:b"}
    assert decoder._templates.latest.variable_names == ("message-id",)
