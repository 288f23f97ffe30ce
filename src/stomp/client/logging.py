"""What connections write to the logs: every frame at DEBUG, and the lines that a peer could cause a flood of.

Rules of this file: each record is one line, with secrets masked and long texts cut; nothing is written while a lock is
held, since handlers of `logging` are code of the user; where DEBUG is off, a frame costs the look at one attribute.
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

#: Of a body, so many bytes or characters are shown,
BODY = 1000
#: of a header value so many,
VALUE = 500
#: and so many headers of a frame.
HEADERS = 100

#: Idents of the threads that write a line about a frame.
_WRITING: set[int] = set()

#: The logger of connections and their frames, under the name that stomp.py gave it.
connections: logging.Logger = logging.getLogger("stomp.py")
#: The logger of `stomp.Client` and `stomp.AsyncClient`.
clients: logging.Logger = logging.getLogger("stomp.client")


class RepeatLog:
    """A logger for lines that the other side causes: a flood of them is counted and summed up.

    Lines are of one kind if they have the same format, see `stomp.core.repeats`. There is no lock: where threads write
    at the same moment, a count may miss one of their lines.

    Args:
        logger: gets the lines.
        clock: for tests.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._repeats = Repeats()

    @property
    def has_info(self) -> bool:
        """See `stomp.core.engine.effects.Log`."""
        # Not by isEnabledFor, which takes the lock of `logging`.
        return self._logger.getEffectiveLevel() <= logging.INFO

    @property
    def has_counts(self) -> bool:
        """See `stomp.core.engine.effects.Log`."""
        return self._repeats.has_counts

    def debug(self, text: str, *args: object) -> None:
        """Write a line for those who look for a defect."""
        self._log(logging.DEBUG, text, args)

    def info(self, text: str, *args: object) -> None:
        """Write that something went as it should."""
        self._log(logging.INFO, text, args)

    def warning(self, text: str, *args: object) -> None:
        """Write that something went wrong."""
        self._log(logging.WARNING, text, args)

    def exception(self, text: str, *args: object) -> None:
        """Write that an exception was caught, with its traceback. Call it where it was caught."""
        self._log(logging.ERROR, text, args, exc_info=True)

    def flush(self) -> None:
        """Write the sums of what was counted: at the end of a connection."""
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
    """The frames of one connection, at DEBUG, in the form of stomp.py.

    Frames that a handler of `logging` sends while it gets such a line are not logged: that would never end.

    Args:
        logger: gets the lines.
        clock: for tests.
        later: calls a function on another thread; None writes the lines at once. A handler of `logging` that sends, and
            waits for the answer, holds its lock meanwhile: who reads or connects must not wait for that.

    Attributes:
        on: DEBUG was on when it was last looked at. Check it before `sent`, and it costs next to nothing.
    """

    __slots__ = ("_beats", "_clock", "_later", "_logger", "on")

    def __init__(
        self,
        logger: logging.Logger = connections,
        clock: Callable[[], float] = time.monotonic,
        later: Callable[[Callable[[], object]], object] | None = None,
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._beats: RepeatLog | None = None  # made when it is needed: there may be many connections
        self._later = later
        self.on: bool = logger.isEnabledFor(logging.DEBUG)

    def look(self) -> bool:
        """Look whether DEBUG is on now."""
        self.on = on = self._logger.isEnabledFor(logging.DEBUG)
        return on

    def sent(self, command: str, headers: Mapping[str, object], body: bytes | memoryview = b"") -> None:
        """A frame is about to be sent, if DEBUG is on."""
        # Frames that a handler sends while it gets such a line are left out: see the class.
        if self.look() and threading.get_ident() not in _WRITING:
            line = sent_line(command, headers, body)
            if self._later is None:
                self._write("sending frame: %s", line)
            else:
                self._later(partial(self._write, "sending frame: %s", line))

    def received(self, events: Iterable[object]) -> None:
        """These things have happened on the connection, if DEBUG is on."""
        if not self.look():
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
            self._beats = RepeatLog(self._logger, self._clock)
        self._beats.debug(text)

    def _write(self, text: str, line: str) -> None:
        me = threading.get_ident()
        if me in _WRITING:
            return
        _WRITING.add(me)
        try:
            self._logger.debug(text, line)
        finally:
            _WRITING.discard(me)


def sent_line(command: str, headers: Mapping[str, object], body: bytes | memoryview = b"") -> str:
    """A frame that goes out, as the list of its parts.

    >>> sent_line("CONNECT", {"login": "me", "passcode": "swordfish"})
    "[b'CONNECT', b'\\\\n', b'login:me\\\\n', b'passcode:********\\\\n', b'\\\\n', b'\\\\x00']"
    """
    parts = [command.encode(), b"\n"]
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
    """A frame that came: command, headers, body.

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
    # A listener may have put anything into them.
    return [(text_of(name), value) for name, value in headers.items()]


def _name(pair: tuple[str, object]) -> str:
    return pair[0]


def _cut(value: object, limit: int) -> str:
    text = value if type(value) is str else text_of(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _body(body: bytes | str) -> str:
    return f"{_text(body[:BODY])!r}{_rest(len(body))}"


def _text(data: bytes | str) -> bytes | str:
    """Text as text, and everything else as bytes."""
    if isinstance(data, str):
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as err:
        # A character at the end was cut.
        return data[: err.start].decode() if err.start > BODY - 4 else data


def _rest(size: int) -> str:
    return f"... ({size:,} in all)" if size > BODY else ""
