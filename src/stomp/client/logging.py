"""Logging of connections: every frame at DEBUG, and rate-limited lines that a peer can cause.

Rules of this file:

- A record is one line, with secrets masked and long texts truncated.
- Nothing is logged while a lock is held, because handlers of `logging` are user code.
- If DEBUG is off, the cost per frame is checking one attribute.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from stomp.core.diagnostics import MASK, is_secret
from stomp.core.frames.frame import Frame, text_of
from stomp.core.repeats import Repeats
from stomp.core.session.events import Closed, HeartbeatReceived, HeartbeatSent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stomp.core.repeats import Summary

#: How many bytes or characters of a body are logged.
BODY = 1000
#: How many characters of a header's name or value are logged.
VALUE = 500
#: How many headers of a frame are logged.
HEADERS = 100

#: Idents of the threads that are logging a frame.
_WRITING: set[int] = set()

#: The logger of connections and their frames; the name is that of stomp.py.
connections: logging.Logger = logging.getLogger("stomp.py")
#: The logger of `stomp.Client` and `stomp.AsyncClient`.
clients: logging.Logger = logging.getLogger("stomp.client")


class RepeatLog:
    """A rate-limited logger for lines that the peer causes: repeated lines are counted and summarised.

    Lines are of one kind if they have the same format, see `stomp.core.repeats`. There is no lock: when several threads
    log at the same time, a count may miss a line.

    Args:
        logger: receives the lines.
        clock: a monotonic clock; for tests.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._repeats = Repeats()

    @property
    def has_info(self) -> bool:
        """See `stomp.core.engine.effects.Log`."""
        # Not `isEnabledFor`, which acquires the lock of `logging`.
        return self._logger.getEffectiveLevel() <= logging.INFO

    @property
    def has_counts(self) -> bool:
        """See `stomp.core.engine.effects.Log`."""
        return self._repeats.has_counts

    def debug(self, text: str, *args: object) -> None:
        """Log at DEBUG."""
        self._log(logging.DEBUG, text, args)

    def info(self, text: str, *args: object) -> None:
        """Log at INFO."""
        self._log(logging.INFO, text, args)

    def warning(self, text: str, *args: object) -> None:
        """Log at WARNING."""
        self._log(logging.WARNING, text, args)

    def exception(self, text: str, *args: object) -> None:
        """Log at ERROR with the traceback of the current exception. Call it in an ``except`` block."""
        self._log(logging.ERROR, text, args, exc_info=True)

    def flush(self) -> None:
        """Log the summaries of the counted lines. Call it at the end of a connection."""
        self._write(self._repeats.rest(self._clock()))

    def _log(self, level: int, text: str, args: tuple[object, ...], *, exc_info: bool = False) -> None:
        if not self._logger.isEnabledFor(level):
            return
        now = self._clock()
        self._write(self._repeats.due(now))
        if self._repeats.admit(text, now, (level, args)):
            self._logger.log(level, text, *args, exc_info=exc_info, stacklevel=3)

    def _write(self, summaries: Iterable[Summary]) -> None:
        for summary in summaries:
            level, args = summary.last
            self._logger.log(level, f"{summary.kind} %s", *args, summary, stacklevel=4)


class FrameLog:
    """Logs the frames of one connection at DEBUG, in the format of stomp.py.

    Frames that a handler of `logging` sends while it handles such a line are not logged, as that would never end.

    Args:
        logger: receives the lines.
        clock: a monotonic clock; for tests.
        later: calls a function on another thread; None logs at once. A handler of `logging` that sends and waits for
            the answer holds its lock in the meantime, so threads that read or connect must not log themselves.

    Attributes:
        logger: see above.
        on: whether DEBUG was on at the last check. Check this before calling `sent`, to save the call.
    """

    __slots__ = ("_beats", "_clock", "_later", "logger", "on")

    def __init__(
        self,
        logger: logging.Logger = connections,
        clock: Callable[[], float] = time.monotonic,
        later: Callable[[Callable[[], object]], object] | None = None,
    ) -> None:
        self.logger = logger
        self._clock = clock
        self._beats: RepeatLog | None = None  # created on first use, to save memory with many connections
        self._later = later
        self.on: bool = logger.isEnabledFor(logging.DEBUG)

    def update(self) -> bool:
        """Check whether DEBUG is on now."""
        self.on = on = self.logger.isEnabledFor(logging.DEBUG)
        return on

    def sent(self, command: str, headers: Mapping[str, object], body: str | bytes | memoryview = b"") -> None:
        """Log a frame that is sent, if DEBUG is on."""
        # Frames that a log handler sends while it handles such a line are skipped: see the class.
        if self.update() and threading.get_ident() not in _WRITING:
            line = sent_line(command, headers, body)
            if self._later is None:
                self._write("sending frame: %s", line)
            else:
                self._later(partial(self._write, "sending frame: %s", line))

    def received(self, events: Iterable[object]) -> None:
        """Log the frames and heart-beats of these events, if DEBUG is on."""
        if not self.update():
            return
        if self._later is None:
            self._received(events)
        else:
            self._later(partial(self._received, events))

    def _received(self, events: Iterable[object]) -> None:
        for event in events:
            if isinstance(event, HeartbeatReceived):
                self._beat("received frame: 'heartbeat', headers={}, body=None")
            elif isinstance(event, HeartbeatSent):
                self._beat("sending frame: [b'\\n']")
            elif isinstance(event, Closed):
                if self._beats is not None:
                    self._beats.flush()
            else:
                frame = event if isinstance(event, Frame) else getattr(event, "frame", None)
                if isinstance(frame, Frame):
                    self._write("received frame: %s", received_line(frame))

    def _beat(self, text: str) -> None:
        if self._beats is None:
            self._beats = RepeatLog(self.logger, self._clock)
        self._beats.debug(text)

    def _write(self, text: str, line: str) -> None:
        me = threading.get_ident()
        if me in _WRITING:
            return
        _WRITING.add(me)
        try:
            self.logger.debug(text, line)
        finally:
            _WRITING.discard(me)


def sent_line(command: str, headers: Mapping[str, object], body: str | bytes | memoryview = b"") -> str:
    """The log text of a frame that is sent: the list of its parts.

    >>> sent_line("CONNECT", {"login": "me", "passcode": "swordfish"})
    "[b'CONNECT', b'\\\\n', b'login:me\\\\n', b'passcode:********\\\\n', b'\\\\n', b'\\\\x00']"
    """
    if isinstance(body, str):
        body = str.encode(body, "utf-8", "replace")
    parts = [text_of(command).encode(), b"\n"]
    for name, values in sorted(_pairs(headers), key=_name)[:HEADERS]:
        for value in values if isinstance(values, tuple) else (values,):
            if value is not None:
                shown = MASK if is_secret(name) else _cut(text_of(value), VALUE)
                parts.append(f"{_cut(name, VALUE)}:{shown}\n".encode("utf-8", "backslashreplace"))
    parts.append(b"\n")
    size = len(body)
    if size:
        parts.append(bytes(body[:BODY]))
    parts.append(b"\0")
    return f"{parts!r}{_rest(size)}"


def received_line(frame: Frame) -> str:
    """The log text of a received frame: command, headers, body.

    >>> from stomp.core.frames.frame import Headers
    >>> received_line(Frame("MESSAGE", Headers({"destination": "/queue/a"}), b"hello"))
    "'MESSAGE', headers={'destination': '/queue/a'}, body='hello'"
    """
    headers = {
        _cut(name, VALUE): MASK if is_secret(name) else _cut(value, VALUE)
        for name, value in _pairs(frame.headers)[:HEADERS]
    }
    return f"{frame.command!r}, headers={headers!r}, body={_body(frame.body)}"


def _pairs(headers: Mapping[str, object]) -> list[tuple[str, object]]:
    # A listener may have set headers of any type.
    return [(text_of(name), value) for name, value in headers.items()]


def _name(pair: tuple[str, object]) -> str:
    return pair[0]


def _cut(value: object, limit: int) -> str:
    text = value if type(value) is str else text_of(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _body(body: bytes | str) -> str:
    return f"{_text(body[:BODY])!r}{_rest(len(body))}"


def _text(data: bytes | str) -> bytes | str:
    """Decode UTF-8; other data stays bytes."""
    if isinstance(data, str):
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as err:
        # The last character was truncated.
        return data[: err.start].decode() if err.start > BODY - 4 else data


def _rest(size: int) -> str:
    return f"... ({size:,} in all)" if size > BODY else ""
