"""What may be told about traffic: counters, and texts that hold no secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.core.frame import Frame

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
