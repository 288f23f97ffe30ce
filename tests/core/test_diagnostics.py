"""stomp.core.diagnostics"""

import pytest

from stomp.core.diagnostics import MASK, Counters, RecentFrames, describe, is_secret, redacted
from stomp.core.frames.frame import Frame, Headers


@pytest.mark.parametrize(
    "name", ["passcode", "Passcode", "x-password", "client_secret", "token", "Authorization"]
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


def test_description_has_neither_credentials_nor_body() -> None:
    headers = Headers.of([("passcode", "swordfish"), ("host", "/"), ("passcode", "sword2")])
    line = describe(Frame("CONNECT", headers, b"swordfish"))
    assert "sword" not in line
    assert line == f"CONNECT {{'passcode': '{MASK}', 'host': '/'}} 9 bytes"


def test_counters_begin_at_zero() -> None:
    counters = Counters()
    assert {getattr(counters, name) for name in Counters.__slots__} == {0}


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
