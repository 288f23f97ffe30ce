"""What a peer may make us hold, and which broken rules are forgiven."""

from __future__ import annotations

import enum
from typing import Final

from stomp.core import arguments
from stomp.core.record import dataclass


@dataclass(frozen=True)
class Limits:
    """What a peer may make us hold. Beyond it: `LimitExceeded`, and the connection is closed.

    Attributes:
        frame: bytes of a whole frame, head and body.
        body: bytes of a body.
        head: bytes of a command line with all header lines.
        header_line: bytes of one line of these.
        headers: header lines in a frame.
        early_frames: frames that a client may send before its CONNECTED went out.
    """

    frame: int = 128 * 1024 * 1024
    body: int = 128 * 1024 * 1024
    head: int = 1024 * 1024
    header_line: int = 1024 * 1024
    headers: int = 4096
    early_frames: int = 16

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            arguments.count(f"Limits.{name}", value)


class Leniency(enum.Flag):
    """What a lenient decoder forgives. The default is to forgive nothing.

    | member | what is forgiven | seen from |
    |---|---|---|
    | CRLF | CR LF as line end in STOMP 1.0 and 1.1 | servers on Windows |
    | TRIM | white space around header names and values is dropped | stompserver |
    | NO_COLON | a header line without a colon is skipped | hand-written servers |
    | UNDEFINED_ESCAPE | an escape the version does not define stays as it is | older Java clients |
    | REPEATED_LENGTH | of several content-length headers the first counts | brokers that echo user headers |
    | NOT_UTF8 | header bytes that are not UTF-8 become U+FFFD | publishers of 1.0 brokers |
    """

    CRLF = enum.auto()
    TRIM = enum.auto()
    NO_COLON = enum.auto()
    UNDEFINED_ESCAPE = enum.auto()
    REPEATED_LENGTH = enum.auto()
    NOT_UTF8 = enum.auto()


STRICT: Final = Leniency(0)
LENIENT: Final = ~STRICT
