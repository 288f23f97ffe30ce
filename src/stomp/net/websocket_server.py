"""The server's end of a WebSocket, as a layer: for the embedded broker's door.

The rules of `stomp.net.websocket` hold here, too: `websockets` is imported when the first WebSocket is made, and
nothing that passes is logged. The broker answers in the kind of message, text or binary, in which its client speaks,
and what is not UTF-8 is binary whatever the client does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from stomp.core.errors import UsageError
from stomp.net.websocket import SLACK, SUBPROTOCOLS, WebSocketError, is_utf8, messages, null_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.http11 import Request
    from websockets.server import ServerProtocol
    from websockets.typing import Subprotocol


def require_websockets() -> None:
    """Make sure that WebSockets can be had.

    Raises:
        UsageError: the `websockets` package is not there.
    """
    try:
        import websockets.server  # pyright: ignore[reportUnusedImport]  # noqa: F401
    except ImportError as err:
        raise UsageError(
            "a WebSocket needs the package websockets", hint='pip install "stompkit[ws]"'
        ) from err


class WebSocketServerLayer:
    """One WebSocket, seen by the server. The handshake is part of `receive`; `ready` says that it is done.

    A request that is refused (RFC 6455, section 4.2.2) is answered by HTTP: that is in `outgoing`, and `ended` is
    True.

    Args:
        path: the only one there is, with its query; "" for any.
        frame_limit: the largest STOMP frame in bytes; a message that would be larger ends the connection.

    Raises:
        UsageError: the `websockets` package is not there.
    """

    def __init__(self, path: str = "", frame_limit: int = 16 * 1024 * 1024) -> None:
        require_websockets()
        from websockets.server import ServerProtocol

        self.ended: bool = False
        self.failure: OSError | None = None
        self.is_websocket: bool = True
        self._path = path
        self._binary = False
        self._protocol = ServerProtocol(
            subprotocols=cast("tuple[Subprotocol, ...]", SUBPROTOCOLS),
            select_subprotocol=_select,
            max_size=frame_limit + SLACK,
            logger=null_logger(),
        )

    @property
    def ready(self) -> bool:
        """True once the handshake is done, until one side says good-bye."""
        return self._protocol.state.name == "OPEN"

    @property
    def subprotocol(self) -> str | None:
        """What was agreed on, or None."""
        return self._protocol.subprotocol

    def receive(self, data: bytes) -> bytes:
        """See `Layer.receive`. Bytes that break the rules set `ended` and `failure`; nothing is raised."""
        from websockets.frames import Frame, Opcode

        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        parts: list[bytes] = []
        for event in protocol.events_received():
            if not isinstance(event, Frame):
                self._answer(cast("Request", event))
            elif event.opcode is Opcode.CLOSE:
                self.ended = True
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                if event.opcode is not Opcode.CONT:
                    self._binary = event.opcode is Opcode.BINARY
                parts.append(bytes(event.data))
        broken = protocol.handshake_exc or protocol.parser_exc
        if broken is not None:
            self.ended = True
            self.failure = WebSocketError(f"the client broke the WebSocket protocol: {broken}"[:300])
        return b"".join(parts)

    def send(self, parts: list[bytes]) -> None:
        """See `Layer.send`. What is sent before `ready`, or after the good-bye, goes nowhere."""
        protocol = self._protocol
        if not self.ready:
            return
        for message in messages(parts):
            if self._binary or not is_utf8(message):
                protocol.send_binary(message)
            else:
                protocol.send_text(message)

    def outgoing(self) -> bytes:
        """See `Layer.outgoing`."""
        return b"".join(self._protocol.data_to_send())

    def close(self, code: int = 1000) -> None:
        """See `Layer.close`. `code` 1001 is for a server that goes down (RFC 6455, section 7.4.1)."""
        if self.ready:
            self._protocol.send_close(code)

    def _answer(self, request: Request) -> None:
        protocol = self._protocol
        if self._path and request.path != self._path:
            response = protocol.reject(404, f"The WebSocket of this broker is at {self._path}\n")
        else:
            response = protocol.accept(request)
        protocol.send_response(response)
        self.ended = response.status_code != 101


def _select(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The newest STOMP that was offered. A client that offers none of them is let in, as RabbitMQ does."""
    return next((cast("Subprotocol", name) for name in SUBPROTOCOLS if name in offered), None)
