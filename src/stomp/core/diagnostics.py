"""Diagnostics of a connection: counters, the last frames, and text without secrets and control characters."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stomp.core.frames.frame import Frame, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The maximum number of headers of a recorded frame that are shown, and of characters of each name and value.
_SHOWN_HEADERS = 12
_SHOWN = 60

MASK = "********"
#: Substrings of lower-case header names. The values of these headers are never in a log, a repr or an error text.
_SECRET = (
    "passcode",
    "password",
    "passwd",
    "secret",
    "token",
    "authorization",
    "credential",
    "api-key",
    "apikey",
)


#: Characters that end a line, move the cursor, or change the colour or direction of text: C0, DEL, C1, the line and
#: paragraph separators, the bidirectional controls (Unicode, UAX #9); and surrogates, which no stream can encode.
_UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_IN_LINES = re.compile(_UNSAFE.pattern.replace("\0-\x1f", "\0-\x08\x0b-\x1f"))
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: The default maximum length of a text from the network, in characters.
LONGEST = 500


def escaped(text: str, *, lines: bool = False) -> str:
    r"""Return the text with control characters shown as escapes. All text from the network goes through here.

    Args:
        text: text from the network.
        lines: keep newlines and tabs.

    >>> escaped("Bad login\n\x1b[31mFATAL: disk full")
    'Bad login\\n\\x1b[31mFATAL: disk full'
    """
    if text.isprintable():  # the usual case, and 20 times as fast
        return text
    return (_UNSAFE_IN_LINES if lines else _UNSAFE).sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that could not be decoded (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return _NAMED.get(char) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def one_line(text: object, limit: int = LONGEST) -> str:
    """Return one line for logs, errors and reprs: `escaped`, and truncated to `limit` characters.

    >>> one_line("Access\\tdenied"), one_line("x" * 1000, 10)
    ('Access\\\\tdenied', 'xxxxxxx...')
    """
    raw = str(text)
    line = escaped(raw[: limit + 1])  # only this part is escaped, so the cost does not depend on the size
    return line if len(line) <= limit else line[: limit - 3] + "..."


def is_secret(name: str) -> bool:
    """True for a header that holds a credential."""
    name = name.lower()
    return any(part in name for part in _SECRET)


def redacted(headers: Mapping[str, object]) -> dict[str, object]:
    """Return a copy of the headers with the credentials masked.

    >>> redacted({"login": "admin", "passcode": "swordfish"})
    {'login': 'admin', 'passcode': '********'}
    """
    return {name: MASK if is_secret(name) else value for name, value in headers.items()}


def describe(frame: Frame) -> str:
    """Return one line about a frame for a log: command, redacted headers and the size of the body, without the body."""
    headers = one_line(redacted(frame.headers), 4 * LONGEST)
    return f"{one_line(frame.command, _SHOWN)} {headers} {len(frame.body)} bytes"


@dataclass(slots=True)
class Counters:
    """Numbers of frames, bytes and heart-beats of one connection."""

    frames_sent: int = 0
    bytes_sent: int = 0
    frames_received: int = 0
    bytes_received: int = 0
    heartbeats_sent: int = 0
    heartbeats_received: int = 0

    @classmethod
    def total(cls, several: Iterable[Counters]) -> Counters:
        """Return the sums over several connections."""
        total = cls()
        for counters in several:
            for name in cls.__slots__:
                setattr(total, name, getattr(total, name) + getattr(counters, name))
        return total


class RecentFrames:
    """The last frames of a client, for error reports. Only command, headers and the size of the body are stored.

    Args:
        size: the maximum number of frames; 0 to store none.
    """

    def __init__(self, size: int) -> None:
        self._lines: deque[tuple[str, str, dict[str, str], int]] = deque(maxlen=max(0, size))

    def note(self, way: str, frame: Frame) -> None:
        """Record a frame that was sent (`way` is ">") or received ("<")."""
        self._lines.append((way, frame.command, frame.headers, len(frame.body)))

    def note_all(self, way: str, events: Sequence[object]) -> None:
        """Record the events that are a frame or have one. Only as many of the last events as are stored are checked."""
        size = self._lines.maxlen
        for event in events[-size:] if size else ():
            frame = event if isinstance(event, Frame) else getattr(event, "frame", None)
            if isinstance(frame, Frame):
                self._lines.append((way, frame.command, frame.headers, len(frame.body)))

    def lines(self) -> tuple[str, ...]:
        """Return a line for each frame, oldest first: direction, command, redacted headers and the size of the body."""
        return tuple(
            f"{way} {one_line(command, _SHOWN)} {_shown(headers)} {size} bytes"
            for way, command, headers, size in tuple(self._lines)
        )


def _shown(headers: Mapping[str, object]) -> str:
    """Format headers as one line of bounded length, credentials masked."""
    pairs = list(redacted(headers).items())[:_SHOWN_HEADERS]
    return " ".join(f"{one_line(text_of(name), _SHOWN)}:{text_of(value)[:_SHOWN]!r}" for name, value in pairs)
