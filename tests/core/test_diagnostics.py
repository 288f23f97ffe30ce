"""stomp.core.diagnostics"""

import pytest

from stomp.core.diagnostics import (
    MASK,
    Counters,
    RecentFrames,
    describe,
    escaped,
    is_secret,
    one_line,
    redacted,
)
from stomp.core.frames.frame import Frame, Headers, headers_of
from stomp.core.session.events import Error


@pytest.mark.parametrize(
    "name",
    [
        "passcode",
        "Passcode",
        "x-password",
        "passwd",
        "client_secret",
        "token",
        "Authorization",
        "aws-credentials",
        "x-api-key",
        "APIKEY",
    ],
)
def test_secret_headers_are_recognised_by_name(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["login", "destination", "message-id", "receipt"])
def test_other_headers_are_not_secret(name: str) -> None:
    assert not is_secret(name)


def test_redacted_copies_the_headers() -> None:
    headers = Headers(login="admin", passcode="swordfish")
    assert redacted(headers) == {"login": "admin", "passcode": MASK}
    assert headers["passcode"] == "swordfish"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain \u20ac \U0001f40d", "plain \u20ac \U0001f40d"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\0\x1b[31m\x7f\x9f", "\\x00\\x1b[31m\\x7f\\x9f"),
        ("\xa0\xff", "\xa0\xff"),
        ("\u061c\u200e\u2028\u202e\u2066\u2069", "\\u061c\\u200e\\u2028\\u202e\\u2066\\u2069"),
        ("\u200d\u2027\u202f\u206a", "\u200d\u2027\u202f\u206a"),
        ("\udc80\udce9\udcff", "\\x80\\xe9\\xff"),
        ("\ud800\udc7f\udd00\udfff", "\\ud800\\udc7f\\udd00\\udfff"),
    ],
    ids=ascii,
)
def test_control_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert one_line(text) == shown
    assert escaped(f"x{text}y", lines=True) == f"x{shown}y".replace("\\n", "\n").replace("\\t", "\t")


def test_one_line_has_at_most_its_limit() -> None:
    assert one_line("x" * 10, 10) == "x" * 10
    assert one_line("x" * 11, 10) == "x" * 7 + "..."
    assert one_line("x" * 8 + "\n", 10) == "x" * 8 + "\\n"
    assert one_line("x" * 9 + "\n", 10) == "x" * 7 + "..."
    assert one_line("x" * 500) == "x" * 500
    assert one_line("x" * 501) == "x" * 497 + "..."
    assert one_line(5) == "5"


def test_description_is_short_whatever_the_frame() -> None:
    headers = Headers({str(number): "x" * 100 for number in range(100)})
    line = describe(Frame("X" * 100, headers, b"x" * 1000))
    assert line.startswith("X" * 57 + "... {'0': 'xxxx")
    assert line.endswith("x... 1000 bytes")
    assert len(line) == 60 + 1 + 2000 + len(" 1000 bytes")


def test_description_has_neither_credentials_nor_body() -> None:
    headers = Headers.of([("passcode", "swordfish"), ("host", "/"), ("passcode", "sword2")])
    line = describe(Frame("CONNECT", headers, b"swordfish"))
    assert "sword" not in line
    assert line == f"CONNECT {{'passcode': '{MASK}', 'host': '/'}} 9 bytes"


def test_counters_begin_at_zero() -> None:
    counters = Counters()
    assert {getattr(counters, name) for name in Counters.__slots__} == {0}


def test_counters_of_several_connections_are_added() -> None:
    one = Counters(1, 2, 3, 4, 5, 6)
    two = Counters(10, 20, 30, 40, 50, 60)
    assert Counters.total([one, two]) == Counters(11, 22, 33, 44, 55, 66)
    assert one == Counters(1, 2, 3, 4, 5, 6)
    assert Counters.total([]) == Counters()


def test_frame_log_keeps_the_last_frames_without_secrets() -> None:
    recorder = RecentFrames(2)
    for number in range(3):
        headers = Headers({"n": str(number), "passcode": "swordfish", "long": "x" * 1000})
        recorder.note(">", Frame("SEND", headers, b"swordfish"))
    first, second = recorder.lines()
    assert first.startswith("> SEND n:'1' ")
    assert second.endswith(" 9 bytes")
    assert "swordfish" not in first
    assert len(first) < 200


def test_frame_log_of_size_zero_keeps_nothing() -> None:
    recorder = RecentFrames(0)
    recorder.note_all("<", [Frame("MESSAGE", Headers())] * 3)
    assert recorder.lines() == ()


def test_frame_log_formats_only_the_last_of_many_frames() -> None:
    recorder = RecentFrames(2)
    recorder.note_all("<", [Frame("MESSAGE", Headers(n=str(number))) for number in range(5)] + ["no frame"])
    assert len(recorder.lines()) == 1


def test_frame_log_is_in_the_order_of_the_frames() -> None:
    recorder = RecentFrames(4)
    sent = Frame("SEND", Headers({"destination": "/queue/a"}), b"hello")
    recorder.note(">", sent)
    error = Frame("ERROR", Headers({"message": "a\nb", "count": "5"}), b"x")
    recorder.note_all("<", [Frame("MESSAGE", Headers()), "no frame", Error(error, None)])
    assert recorder.lines() == (
        "> SEND destination:'/queue/a' 5 bytes",
        "< MESSAGE  0 bytes",
        "< ERROR message:'a\\nb' count:'5' 1 bytes",
    )
    recorder.note_all("<", [sent] * 9)
    assert recorder.lines() == ("< SEND destination:'/queue/a' 5 bytes",) * 4


def test_frame_log_shows_the_first_part_of_long_frames() -> None:
    recorder = RecentFrames(1)
    names = [f"{number:02}" for number in range(20)]
    headers = Headers({"n" * 100: "v" * 100, **dict.fromkeys(names, "x")})
    recorder.note("<", Frame("C" * 100, headers))
    shown = " ".join(f"{name}:'x'" for name in names[:11])
    assert recorder.lines() == (f"< {'C' * 57}... {'n' * 57}...:'{'v' * 60}' {shown} 0 bytes",)


def test_frame_log_shows_values_that_are_no_text() -> None:
    recorder = RecentFrames(1)
    recorder.note(">", Frame("SEND", headers_of({"a": 1})))
    assert recorder.lines() == ("> SEND a:'1' 0 bytes",)
    recorder.note(">", Frame("SEND", Headers({"a": True})))  # type: ignore[dict-item]
    assert recorder.lines() == ("> SEND a:'true' 0 bytes",)


def test_frame_log_of_a_negative_size_keeps_nothing() -> None:
    recorder = RecentFrames(-1)
    recorder.note(">", Frame("SEND", Headers()))
    assert recorder.lines() == ()
