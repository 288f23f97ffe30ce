"""A WebSocket server in front of a broker, for tests: it relays frames to TCP and back, and records them.

It is a script for `stomp.testing.servers.ScriptedServer`, so TLS and IPv6 come with that:

    endpoint = WebSocketEndpoint((broker.host, broker.port), path="/ws")
    with ScriptedServer(endpoint, tls=context) as server:
        stomp.WSConnection([server.address], ws_path="/ws")
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Sequence

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from stomp.net.websocket import SUBPROTOCOLS

_READ = 64 * 1024


def _choose(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The newest version that both support. As RabbitMQ, the server also accepts clients that offer none."""
    return next((Subprotocol(name) for name in SUBPROTOCOLS if name in offered), None)


class WebSocketEndpoint:
    """The script of the server; see the docstring of the module.

    Args:
        broker: (host, port) of the broker.
        path: the only accepted path; None for any.
        authorization: the required value of the HTTP header ``Authorization``; None accepts any value, or none.
        fragment: split data from the broker into fragments of this number of bytes.
        binary: send data from the broker in binary messages; otherwise in text messages, even if it is not UTF-8, as
            RabbitMQ does.
        curt: answer DISCONNECT by closing, without RECEIPT, as RabbitMQ does.

    Attributes:
        requests: the HTTP requests.
        received: all WebSocket frames from clients.
        said_last: code and reason of the close frames that the server sends without a request of the client.
    """

    def __init__(
        self,
        broker: tuple[str, int],
        *,
        path: str | None = None,
        authorization: str | None = None,
        fragment: int | None = None,
        binary: bool = False,
        curt: bool = False,
    ) -> None:
        self.broker = broker
        self.path = path
        self.authorization = authorization
        self.fragment = fragment
        self.binary = binary
        self.curt = curt
        self.requests: list[Request] = []
        self.received: list[Frame] = []
        self.said_last = (1001, "the broker is gone")

    @property
    def messages(self) -> list[tuple[Opcode, bytes]]:
        """The messages from clients, with their opcodes."""
        return [(frame.opcode, bytes(frame.data)) for frame in self.received if frame.opcode < Opcode.CLOSE]

    @property
    def farewells(self) -> int:
        """The number of received close frames."""
        return [frame.opcode for frame in self.received].count(Opcode.CLOSE)

    def __call__(self, sock: socket.socket) -> None:
        protocol = ServerProtocol(select_subprotocol=_choose, max_size=None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with socket.create_connection(self.broker) as inner:
            while True:
                # After the server's close frame, only that of the client is still read.
                ready = [sock, inner] if protocol.close_sent is None else [sock]
                if isinstance(sock, ssl.SSLSocket) and sock.pending():
                    ready = [sock]
                else:
                    ready, _, _ = select.select(ready, [], [])
                if inner in ready:
                    self._relay(inner, protocol)
                if sock in ready:
                    data = sock.recv(_READ)
                    if not data:
                        return
                    protocol.receive_data(data)
                    for event in protocol.events_received():
                        self._receive(event, protocol, inner)
                out = protocol.data_to_send()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    sock.sendall(b"".join(out))
                if b"" in out:
                    return

    def _receive(self, event: object, protocol: ServerProtocol, inner: socket.socket) -> None:
        if isinstance(event, Request):
            self.requests.append(event)
            if self.path is not None and event.path != self.path:
                response = protocol.reject(404, "there is nothing here")
            elif self.authorization not in (None, event.headers.get("Authorization")):
                response = protocol.reject(401, "who is there?")
            else:
                response = protocol.accept(event)
            protocol.send_response(response)
        elif isinstance(event, Frame):
            self.received.append(event)
            if self.curt and event.data[:10] == b"DISCONNECT":
                protocol.send_close(1000)
            elif event.opcode < Opcode.CLOSE:
                inner.sendall(event.data)

    def _relay(self, inner: socket.socket, protocol: ServerProtocol) -> None:
        data = inner.recv(_READ)
        if not data:
            protocol.send_close(*self.said_last)
            return
        first = protocol.send_binary if self.binary else protocol.send_text
        size = self.fragment or len(data)
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        first(pieces[0], fin=len(pieces) == 1)
        for number, piece in enumerate(pieces[1:], 2):
            protocol.send_ping(b"still there?")
            protocol.send_continuation(piece, fin=number == len(pieces))
