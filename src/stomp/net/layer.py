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
    #: Why it ended, where that was no good-bye: an error that stood behind bytes. `ended` is True then.
    failure: OSError | None
    #: True for a WebSocket, and for a stack with one: some brokers take less over it than over TCP.
    is_websocket: bool

    def receive(self, data: bytes) -> bytes:
        """Bytes from the socket in, bytes for the session out.

        Without bytes, when the socket has come to its end or nothing was read yet, it gives what is left: bytes of
        the session that came in one piece with the end of the handshake.

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


class StackedLayer:
    """Two layers as one: what the upper one writes, the lower one wraps (a WebSocket over TLS)."""

    def __init__(self, lower: Layer, upper: Layer) -> None:
        self.lower = lower
        self.upper = upper
        self.ended: bool = False
        self.failure: OSError | None = None
        self.is_websocket: bool = upper.is_websocket

    def receive(self, data: bytes) -> bytes:
        """See `Layer.receive`."""
        data = self.upper.receive(self.lower.receive(data))
        # What the upper layer has to say of the end is closer to the user.
        self.failure = self.upper.failure or self.lower.failure
        self.ended = self.upper.ended or self.lower.ended
        return data

    def send(self, parts: list[bytes]) -> None:
        """See `Layer.send`."""
        self.upper.send(parts)
        self._pass_down()

    def outgoing(self) -> bytes:
        """See `Layer.outgoing`."""
        self._pass_down()
        return self.lower.outgoing()

    def close(self) -> None:
        """See `Layer.close`."""
        self.upper.close()
        self._pass_down()
        self.lower.close()

    def _pass_down(self) -> None:
        if out := self.upper.outgoing():
            self.lower.send([out])
