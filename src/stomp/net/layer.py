"""Layers between socket and session, such as TLS: they convert bytes to bytes and do no I/O.

Rules of this file: a layer is not thread-safe, so a driver makes one call at a time. After every call it writes the
bytes of `outgoing`, because a layer may have data of the lower protocol to send, such as a TLS alert or a pong.
"""

from __future__ import annotations

from typing import Protocol


class Layer(Protocol):
    """The interface of TLS and WebSocket layers."""

    #: True once the peer has announced the end of its data, or the layer has failed.
    ended: bool
    #: The error if it did not end by a clean close, which comes after the bytes that `receive` has returned. `ended` is
    #: True then.
    failure: OSError | None
    #: True for a WebSocket, and for a stack with one: some brokers accept fewer frames over it than over TCP.
    is_websocket: bool

    def receive(self, data: bytes) -> bytes:
        """Process bytes from the socket, and return the bytes for the session.

        Call it without bytes after the handshake, and at the end of the stream: it returns bytes for the session that
        arrived together with the end of the handshake.

        Raises:
            OSError: the peer violated the protocol of this layer (`ssl.SSLError` is a subclass).
        """
        ...

    def send(self, parts: list[bytes]) -> None:
        """Process bytes from the session. They are in `outgoing` afterwards."""
        ...

    def outgoing(self) -> bytes:
        """Return and clear the bytes to write to the socket."""
        ...

    def close(self) -> None:
        """Close this layer: the close message for the peer is in `outgoing` afterwards. Do not wait for its answer."""
        ...


class StackedLayer:
    """Two layers as one, the upper over the lower (a WebSocket over TLS)."""

    def __init__(self, lower: Layer, upper: Layer) -> None:
        self.lower = lower
        self.upper = upper
        self.ended: bool = False
        self.failure: OSError | None = None
        self.is_websocket: bool = upper.is_websocket

    def receive(self, data: bytes) -> bytes:
        """See `Layer.receive`."""
        data = self.upper.receive(self.lower.receive(data))
        # The failure of the upper layer is more useful to the user.
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
