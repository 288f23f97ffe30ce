"""One file per client, each with a class `Client` that keeps this contract, and a `VERSION`.

To measure another client, write such a file and add a line to `CLIENTS` in `bench/run.py`.
"""

from __future__ import annotations

from typing import Protocol

#: Nothing in the kit takes this long, in seconds; a client that does has lost something.
PATIENCE = 60.0


class Contract(Protocol):
    """A connection that is ready when it is made.

    A client that has callbacks must read, for each message, its ``message-id`` and the length of its body: one
    that is lazy shall not win by not being used.
    """

    port: int

    def __init__(self, port: int) -> None: ...

    def expect(self, messages: int, *, acknowledge: bool = False) -> None:
        """From now on `wait` is for that many messages; all but the last are acknowledged, each by itself."""

    def wait(self) -> None:
        """Return when the messages expected have come."""

    def subscribe(self, destination: str, ack: str = "auto") -> None: ...

    def unsubscribe(self) -> None: ...

    def send(self, destination: str, body: bytes) -> None: ...

    def confirm(self, destination: str, body: bytes) -> None:
        """Send, and return when the broker has confirmed it."""

    def close(self) -> None:
        """Disconnect, and return when the broker knows."""
