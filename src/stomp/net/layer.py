"""A layer between the socket and the session: it turns bytes into bytes and does no I/O of its own.

The driver asks it in both directions, one call at a time (layers are not thread-safe), and writes what
`outgoing` holds after every call, because a layer may have something of its own to say.
"""

from __future__ import annotations

from typing import Protocol


class Layer(Protocol):
    """What a driver needs from TLS, or from a WebSocket."""

    #: True when the peer said that it will send no more.
    ended: bool

    def receive(self, data: bytes) -> bytes:
        """Bytes from the socket in, bytes for the session out.

        Without bytes, when the socket has come to its end or nothing was read yet, it gives what is left: bytes of
        the session that came in one piece with the end of the handshake, or an error that stood behind bytes.

        Raises:
            OSError: the peer broke the rules of this layer (`ssl.SSLError` is one).
        """
        ...

    def send(self, parts: list[bytes]) -> None:
        """Bytes from the session; they are in `outgoing` then."""
        ...

    def outgoing(self) -> bytes:
        """Take the bytes to write to the socket."""
        ...

    def close(self) -> None:
        """Say good-bye to the peer: that is in `outgoing` then. Its answer is not waited for."""
        ...
