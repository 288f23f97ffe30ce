"""The server side of a WebSocket as a layer, for the embedded broker.

Rules of this file:

- As in `stomp.net.websocket`, `websockets` is imported when the first WebSocket is made, and its log is discarded.
- Messages have the type, text or binary, of the client's latest message. Data that is not UTF-8 is always binary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from stomp.core.errors import UsageError
from stomp.net.websocket import SLACK, SUBPROTOCOLS, WebSocketError, is_utf8, null_logger, split_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from websockets.http11 import Request
    from websockets.server import ServerProtocol
    from websockets.typing import Subprotocol


def require_websockets() -> None:
    """Check that the `websockets` package is installed.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import websockets.server  # pyright: ignore[reportUnusedImport]  # noqa: F401
    except ImportError as err:
        raise UsageError(
            "a WebSocket needs the package websockets", hint='pip install "stompkit[ws]"'
        ) from err


class WebSocketServerLayer:
    """The server side of a WebSocket. `receive` does the handshake; `ready` is True once it is complete.

    If a request is rejected (RFC 6455, section 4.2.2), the HTTP response is in `outgoing` and `ended` is True.

    Args:
        path: the only accepted path, with its query; "" accepts any.
        frame_limit: the maximum size of a STOMP frame in bytes; a larger message ends the connection.
        accepts_origin: returns True if a page may connect; gets the headers ``Origin`` and ``Host``, or None for one
            that the request does not have. Without it, every page may.

    Raises:
        UsageError: the `websockets` package is not installed.
    """

    def __init__(
        self,
        path: str = "",
        frame_limit: int = 16 * 1024 * 1024,
        accepts_origin: Callable[[str | None, str | None], bool] | None = None,
    ) -> None:
        require_websockets()
        from websockets.server import ServerProtocol

        self.ended: bool = False
        self.failure: OSError | None = None
        self.is_websocket: bool = True
        self.user_agent: str | None = None  # the header of the request
        self._path = path
        self._accepts_origin = accepts_origin
        self._binary = False
        self._protocol = ServerProtocol(
            subprotocols=cast("tuple[Subprotocol, ...]", SUBPROTOCOLS),
            select_subprotocol=_select,
            max_size=frame_limit + SLACK,
            logger=null_logger(),
        )

    @property
    def ready(self) -> bool:
        """True once the handshake is complete, until one side sends a close frame."""
        return self._protocol.state.name == "OPEN"

    @property
    def subprotocol(self) -> str | None:
        """The agreed subprotocol, or None."""
        return self._protocol.subprotocol

    def receive(self, data: bytes) -> bytes:
        """See `Layer.receive`. A protocol violation sets `ended` and `failure`; no exception is raised."""
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
        """See `Layer.send`. Data is dropped while `ready` is False."""
        protocol = self._protocol
        if not self.ready:
            return
        for message in split_messages(parts):
            if self._binary or not is_utf8(message):
                protocol.send_binary(message)
            else:
                protocol.send_text(message)

    def outgoing(self) -> bytes:
        """See `Layer.outgoing`."""
        return b"".join(self._protocol.data_to_send())

    def close(self, code: int = 1000) -> None:
        """See `Layer.close`. Pass `code` 1001 if the server shuts down (RFC 6455, section 7.4.1)."""
        if self.ready:
            self._protocol.send_close(code)

    def _answer(self, request: Request) -> None:
        protocol = self._protocol
        self.user_agent = next(iter(request.headers.get_all("User-Agent")), None)
        if not self._is_accepted(request):
            response = protocol.reject(
                403,
                "Web pages of this origin may not connect. To allow them: stomp broker --allow-origin ORIGIN\n",
            )
        elif self._path and request.path != self._path:
            response = protocol.reject(404, f"The WebSocket of this broker is at {self._path}\n")
        else:
            response = protocol.accept(request)
        protocol.send_response(response)
        self.ended = response.status_code != 101

    def _is_accepted(self, request: Request) -> bool:
        if self._accepts_origin is None:
            return True
        origins, hosts = request.headers.get_all("Origin"), request.headers.get_all("Host")
        if len(origins) > 1 or len(hosts) > 1:
            return False
        return self._accepts_origin(origins[0] if origins else None, hosts[0] if hosts else None)


def _select(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Choose the newest STOMP version that was offered. A client that offers none is accepted, too, as by RabbitMQ."""
    return next((cast("Subprotocol", name) for name in SUBPROTOCOLS if name in offered), None)
