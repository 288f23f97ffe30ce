"""Limits on what a peer can make us store, and how strictly its frames are read."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Literal

from stomp.core import arguments


@dataclass(frozen=True)
class Limits:
    """Limits on what a peer can make us store. Exceeding one raises `LimitExceeded` and ends the connection.

    Attributes:
        frame: bytes of a frame, head and body.
        body: bytes of a body.
        head: bytes of the command line and all header lines.
        header_line: bytes of one of these lines.
        headers: number of header lines of a frame.
        early_frames: number of frames that a client may send before the server has sent CONNECTED.

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
    """How strictly frames that violate STOMP are read.

    `docs/reference/leniency.md` lists the rules. The enum values are those of ``lenient=`` in a URL and of the
    command-line option.

    Attributes:
        STRICT: a violation ends the connection. The default of servers.
        LENIENT: a violation ends the connection only if the end of the frame is in doubt. The default of clients.
        TRIM: as LENIENT, and white space around header names and values is removed (for stompserver).
    """

    STRICT = "no"
    LENIENT = "yes"
    TRIM = "trim"

    @classmethod
    def of(cls, value: Lenient) -> Leniency:
        """Convert a ``lenient=`` argument.

        Raises:
            UsageError: it is not True, False, "trim" or a `Leniency`.

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


#: The type of ``lenient=`` arguments.
Lenient = bool | Literal["trim"] | Leniency
STRICT: Final = Leniency.STRICT
LENIENT: Final = Leniency.LENIENT
TRIM: Final = Leniency.TRIM
