"""Limits on what a peer can make us store, and how strictly its frames are read."""

from __future__ import annotations

import enum
from typing import Final, Literal

from stomp.core import arguments
from stomp.core.structs import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits on what a peer can make us store. Beyond one: `LimitExceeded`, and the connection is closed.

    Attributes:
        frame: bytes of a whole frame, head and body.
        body: bytes of a body.
        head: bytes of a command line with all header lines.
        header_line: bytes of one line of these.
        headers: header lines in a frame.
        early_frames: frames that a client may send before its CONNECTED went out.

    Raises:
        UsageError: a limit is not a whole number of at least 1.

    >>> Limits(body=64 * 1024).body
    65536
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


class Leniency(enum.Enum):
    """How frames are read that break a rule of STOMP.

    `docs/reference/leniency.md` lists the rules. The value is what ``lenient=`` of a URL and of the command is.

    Attributes:
        STRICT: a broken rule ends the connection. Servers read so.
        LENIENT: a broken rule ends the connection only where the end of the frame is in doubt. Clients read so.
        TRIM: as LENIENT, and white space around header names and values is dropped (stompserver).
    """

    STRICT = "no"
    LENIENT = "yes"
    TRIM = "trim"

    @classmethod
    def of(cls, value: Lenient) -> Leniency:
        """The leniency for a ``lenient=`` argument.

        Raises:
            UsageError: it is none of True, False and "trim".

        >>> Leniency.of(True), Leniency.of("trim")
        (<Leniency.LENIENT: 'yes'>, <Leniency.TRIM: 'trim'>)
        """
        if isinstance(value, cls):
            return value
        if value is True:
            return cls.LENIENT
        if value is False:
            return cls.STRICT
        if value == "trim":
            return cls.TRIM
        raise arguments.wrong("lenient", value, "pass True, False or 'trim'")


#: What a ``lenient=`` argument may be.
Lenient = bool | Literal["trim"] | Leniency
STRICT: Final = Leniency.STRICT
LENIENT: Final = Leniency.LENIENT
TRIM: Final = Leniency.TRIM
