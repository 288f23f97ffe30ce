"""stomp.client.logging"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stomp.client.logging import BODY, HEADERS, FrameLog, RepeatLog, received_line, sent_line
from stomp.core.frames.frame import Frame, Headers
from stomp.core.repeats import BURST
from stomp.core.session.events import Closed, HeartbeatReceived, HeartbeatSent, Reason
from stomp.testing.clock import FakeClock


@pytest.fixture
def logger(caplog: pytest.LogCaptureFixture) -> Iterator[logging.Logger]:
    found = logging.getLogger("stomp.tried")
    caplog.set_level(logging.DEBUG, found.name)
    yield found
    found.setLevel(logging.NOTSET)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


# ------------------------------------------------------------------------------------- lines


def test_sent_frame_has_the_format_of_stomp_py() -> None:
    line = sent_line("SEND", {"destination": "/queue/a", "content-length": 5}, b"hello")
    assert (
        line
        == r"[b'SEND', b'\n', b'content-length:5\n', b'destination:/queue/a\n', b'\n', b'hello', b'\x00']"
    )


def test_received_frame_has_the_format_of_stomp_py() -> None:
    headers = Headers({"subscription": "1", "destination": "/queue/a"})
    line = received_line(Frame("MESSAGE", headers, b"hello"))
    assert line == "'MESSAGE', headers={'subscription': '1', 'destination': '/queue/a'}, body='hello'"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", "''"),
        (b"caf\xc3\xa9\n", r"'café\n'"),
        (b"\xff\0", r"b'\xff\x00'"),
        (b"x" * BODY, repr("x" * BODY)),
        (b"x" * 4211, f"{'x' * BODY!r}... (4,211 in all)"),
        ("é".encode() * BODY, f"{'é' * (BODY // 2)!r}... (2,000 in all)"),
        (b"x" + "é".encode() * BODY, f"{'x' + 'é' * (BODY // 2 - 1)!r}... (2,001 in all)"),
    ],
)
def test_body_is_shown_as_text_and_truncated(body: bytes, shown: str) -> None:
    assert received_line(Frame("MESSAGE", Headers(), body)) == f"'MESSAGE', headers={{}}, body={shown}"


@pytest.mark.parametrize("name", ["passcode", "Authorization", "x-token"])
def test_secrets_are_masked(name: str) -> None:
    headers = Headers({name: "swordfish", "login": "me"})
    for line in (sent_line("SEND", headers), received_line(Frame("MESSAGE", headers))):
        assert "swordfish" not in line
        assert "********" in line
        assert "me" in line


def test_log_line_is_one_line_of_limited_length() -> None:
    headers = Headers(
        {f"{number}\n\x1b\u202e" + "n" * 10_000: "\x9b\r" + "v" * 10_000 for number in range(1000)}
    )
    for line in (
        sent_line("SEND", headers, b"\n" * 10_000),
        received_line(Frame("ERROR", headers, b"\n" * 10_000)),
    ):
        assert line.isprintable()
        assert len(line) < HEADERS * 1200 + 3 * BODY


def test_headers_added_by_a_listener_are_shown() -> None:
    headers: dict[Any, Any] = {"a": 5, "b": True, "c": None, "d": ("x", "y"), 7: b"bytes"}
    parts = r"b'7:bytes\n', b'a:5\n', b'b:true\n', b'd:x\n', b'd:y\n', "
    assert sent_line("SEND", headers) == rf"[b'SEND', b'\n', {parts}b'\n', b'\x00']"


# ------------------------------------------------------------------------------------- frames


def test_nothing_is_written_or_formatted_while_debug_is_off(logger, caplog) -> None:
    logger.setLevel(logging.INFO)
    frames = FrameLog(logger)
    assert not frames.on
    frames.sent("SEND", None, None)  # type: ignore[arg-type]
    frames.received(None)  # type: ignore[arg-type]
    assert lines(caplog) == []


def test_debug_can_be_turned_on_and_off_at_any_time(logger, caplog) -> None:
    frames = FrameLog(logger)
    for level, expected in ((logging.INFO, False), (logging.DEBUG, True), (logging.INFO, False)):
        logger.setLevel(level)
        assert frames.update() is expected
        assert frames.on is expected


def test_frames_of_handlers_of_the_log_are_not_logged(logger, caplog) -> None:
    frames = FrameLog(logger)

    class Sending(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            frames.sent("SEND", {"destination": "/topic/log"}, record.getMessage().encode())

    handler = Sending()
    logger.addHandler(handler)
    try:
        frames.sent("SEND", {"destination": "/queue/a"})
        frames.sent("SEND", {"destination": "/queue/b"})
    finally:
        logger.removeHandler(handler)
    assert ["/queue/a" in line or "/queue/b" in line for line in lines(caplog)] == [True, True]


def test_many_heartbeats_are_summarised(logger, caplog) -> None:
    clock = FakeClock()
    frames = FrameLog(logger, clock)
    for _ in range(1000):
        frames.received([HeartbeatReceived()] * 4)
        clock.advance(0.005)
    clock.advance(1.0)
    frames.received([HeartbeatSent()])
    frames.received([Closed(Reason.CLEAN, None, ())])
    beat = "received frame: 'heartbeat', headers={}, body=None"
    assert lines(caplog) == [
        *[beat] * BURST,
        f"{beat} ... repeated {4000 - BURST:,} times in 5 s",
        r"sending frame: [b'\n']",
    ]


# ------------------------------------------------------------------------------------- floods


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_many_lines_are_summarised(logger, caplog, level: str) -> None:
    clock = FakeClock()
    log = RepeatLog(logger, clock)
    say: Callable[..., None] = getattr(log, level)
    for number in range(BURST + 4211):
        say("the broker sent %s", f"ERROR {number}")
    clock.advance(6.0)
    say("another")
    assert lines(caplog) == [
        *[f"the broker sent ERROR {number}" for number in range(BURST)],
        f"the broker sent ERROR {BURST + 4210} ... repeated 4,211 times in 0 s",
        "another",
    ]
    assert {record.levelname for record in caplog.records} == {level.upper()}
    assert {record.filename for record in caplog.records} == {"test_logging.py"}


def test_an_exception_has_its_traceback(logger, caplog) -> None:
    log = RepeatLog(logger, FakeClock())
    for _ in range(BURST + 1):
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            log.exception("it failed")
    log.flush()
    assert [record.exc_info is not None for record in caplog.records] == [True] * BURST + [False]
    assert lines(caplog)[-1] == "it failed ... repeated 1 time in 0 s"
    assert {record.levelname for record in caplog.records} == {"ERROR"}


def test_lines_without_a_handler_are_not_counted(logger, caplog) -> None:
    logger.setLevel(logging.ERROR)
    log = RepeatLog(logger, FakeClock())
    for _ in range(100):
        log.warning("the broker sent an ERROR")
    logger.setLevel(logging.DEBUG)
    log.flush()
    assert lines(caplog) == []
