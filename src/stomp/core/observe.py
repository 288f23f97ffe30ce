"""What may be told about traffic: counters, and texts that hold no secret."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from stomp.core.frame import Frame, text_of
from stomp.core.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Of a recorded frame so many headers, and so many characters of each name and value, are shown.
_SHOWN_HEADERS = 12
_SHOWN = 60

MASK = "********"
#: Headers whose values never reach a log, a repr or an error text, by parts of their lower-case names.
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


def is_secret(name: str) -> bool:
    """True for a header that holds a credential."""
    name = name.lower()
    return any(part in name for part in _SECRET)


def redacted(headers: Mapping[str, object]) -> dict[str, object]:
    """A copy of the headers with the credentials masked.

    >>> redacted({"login": "admin", "passcode": "swordfish"})
    {'login': 'admin', 'passcode': '********'}
    """
    return {name: MASK if is_secret(name) else value for name, value in headers.items()}


def describe(frame: Frame) -> str:
    """One line about a frame, for a log: command, redacted headers, size of the body, never the body."""
    return f"{frame.command} {redacted(frame.headers)} {len(frame.body)} bytes"


@dataclass(slots=True)
class Counters:
    """What went over one connection."""

    frames_sent: int = 0
    bytes_sent: int = 0
    frames_received: int = 0
    bytes_received: int = 0
    heartbeats_sent: int = 0
    heartbeats_received: int = 0


class Recorder:
    """The last frames of a client, for error reports: what is kept is small, and holds no body.

    Args:
        size: how many frames; 0 for none.
    """

    def __init__(self, size: int) -> None:
        self._lines: deque[tuple[str, str, dict[str, str], int]] = deque(maxlen=max(0, size))

    def note(self, way: str, frame: Frame) -> None:
        """A frame was sent (">") or received ("<")."""
        self._lines.append((way, frame.command, frame.headers, len(frame.body)))

    def note_send(self, destination: str, size: int, receipt: str | None = None) -> None:
        """A SEND with no other headers was sent."""
        headers = {"destination": destination}
        if receipt is not None:
            headers["receipt"] = receipt
        self._lines.append((">", "SEND", headers, size))

    def note_ack(self, name: str) -> None:
        """An ACK with no other headers was sent, in STOMP 1.2."""
        self._lines.append((">", "ACK", {"id": name}, 0))

    def note_all(self, way: str, events: Sequence[object]) -> None:
        """Those of several events that are frames, or are about one; of many only the last count."""
        for event in events[-(self._lines.maxlen or 0) :] if self._lines.maxlen else ():
            frame = getattr(event, "frame", event)
            if isinstance(frame, Frame):
                self.note(way, frame)

    def lines(self) -> tuple[str, ...]:
        """A line for each frame, oldest first: which way, command, headers without credentials, size of the body."""
        return tuple(
            f"{way} {command} {_shown(headers)} {size} bytes"
            for way, command, headers, size in tuple(self._lines)
        )


def _shown(headers: Mapping[str, object]) -> str:
    """Headers in one line of bounded length, without credentials."""
    pairs = list(redacted(headers).items())[:_SHOWN_HEADERS]
    return " ".join(f"{text_of(name)[:_SHOWN]}:{text_of(value)[:_SHOWN]!r}" for name, value in pairs)
