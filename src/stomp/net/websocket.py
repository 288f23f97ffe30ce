"""The client side of WebSocket (RFC 6455) as a layer, with the sans-I/O protocol of the `websockets` package.

Rules of this file:

- `websockets` is imported when the first WebSocket is made.
- Its log is discarded: it may contain headers and frames with passwords.
- A STOMP frame is sent as one message, because some brokers support nothing else.
- Received messages are treated as bytes whatever their opcode: RabbitMQ sends bodies that are not UTF-8 in text
  messages.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from stomp.core.diagnostics import one_line
from stomp.core.errors import ConnectFailed, UsageError
from stomp.core.frames.foreign_protocols import EXAMINED_BYTES, expected, identify
from stomp.core.frames.frame import text_of
from stomp.core.frames.limits import Limits

if TYPE_CHECKING:
    import logging
    import socket
    from collections.abc import Iterable, Mapping

    from websockets.client import ClientProtocol
    from websockets.protocol import Protocol
    from websockets.typing import Origin, Subprotocol

    from stomp.net.address import Address
    from stomp.net.dial import Deadline
    from stomp.net.layer import Layer

#: The WebSocket subprotocols of STOMP, in order of preference.
SUBPROTOCOLS = ("v12.stomp", "v11.stomp", "v10.stomp")

_READ = 64 * 1024
#: The maximum size in bytes of the WebSocket frames in which a message is sent. Artemis and Vert.x close the connection
#: at a frame of more than 65,536 bytes. Every server must support such fragments (RFC 6455, section 5.4), and RabbitMQ,
#: ActiveMQ, Artemis and Vert.x do.
FRAGMENT = 60_000
#: Bytes that a message may contain in addition to a STOMP frame: newlines.
SLACK = 1024
#: The ends of a frame in the parts to send.
_FRAME_ENDS = (b"\0", b"\0\n")

_TOKEN = r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+"
_VALUE = r"[\t\x20-\x7e\x80-\xff]*"
#: HTTP headers that `websockets` sets.
_HANDSHAKE_HEADERS = frozenset(
    ["connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"]
)


@functools.cache
def null_logger() -> logging.Logger:
    """Return a logger that discards everything: on DEBUG `websockets` logs the Authorization header and CONNECT."""
    import logging

    return logging.Logger("stomp.websocket", logging.CRITICAL + 1)


class WebSocketError(ConnectionError):
    """The WebSocket handshake failed, or the WebSocket did not end by a normal close.

    Attributes:
        code: the HTTP status of a rejected handshake, or the code of the close frame (RFC 6455, section 7.4); 0 for
            neither.
        hint: what to do about it, or an empty string.
    """

    def __init__(self, message: str, *, code: int = 0, hint: str = "") -> None:
        super().__init__(one_line(message))
        self.code = code
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketSettings:
    """Options for opening a WebSocket. The path is part of the address.

    Attributes:
        headers: (name, value) pairs for the HTTP request, see `header_pairs`.
        origin: the ``Origin`` header, for servers that check it.
        subprotocols: the subprotocols to offer, in order of preference; the server may choose none.
        binary: send binary messages. Otherwise messages are text, except those that are not UTF-8.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    origin: str | None = None
    subprotocols: tuple[str, ...] = SUBPROTOCOLS
    binary: bool = False


def header_pairs(headers: Mapping[str, object] | Iterable[str] | None) -> tuple[tuple[str, str], ...]:
    """Convert HTTP headers from a dict, or from "Name: value" lines, to (name, value) pairs.

    Raises:
        UsageError: a header is invalid, or set by the handshake. The value is not shown: it may be a password.
    """
    pairs: list[tuple[str, str]] = []
    items = getattr(headers, "items", None)
    items_given = (
        items() if items is not None else [text_of(line).partition(":")[::2] for line in headers or ()]
    )
    for name, value in items_given:
        name, value = text_of(name).strip(), text_of(value).strip()
        if not re.fullmatch(_TOKEN, name) or not re.fullmatch(_VALUE, value):
            raise UsageError(
                f"the HTTP header {name[:40]!r} cannot be sent",
                hint='give a dict, or lines as in ["Name: value"], without newlines',
            )
        if name.lower() in _HANDSHAKE_HEADERS:
            raise UsageError(f"the HTTP header {name} is set by the handshake", hint="leave it out")
        pairs.append((name, value))
    return tuple(pairs)


class WebSocketLayer:
    """The client side of a WebSocket. Call `handshake` until it returns True, then use it as a `Layer`.

    Args:
        address: host, port and path of the request; the transport is "wss" over TLS.
        settings: the options.
        limits: a message that is larger than `Limits.frame` allows is rejected by its header.

    Raises:
        UsageError: the `websockets` package is not installed.
    """

    def __init__(
        self, address: Address, settings: WebSocketSettings | None = None, limits: Limits | None = None
    ) -> None:
        settings = settings or WebSocketSettings()
        self.ended: bool = False
        self.failure: OSError | None = None
        self.is_websocket: bool = True
        self._binary = settings.binary
        self._protocol = _protocol(address, settings, (limits or Limits()).frame + SLACK)

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server has chosen, or None."""
        return self._protocol.subprotocol

    def handshake(self, data: bytes) -> bool:
        """Process bytes of the handshake; empty bytes mean the end of the stream.

        Returns:
            True once the handshake is complete.

        Raises:
            WebSocketError: the server rejected the request, or is not a WebSocket server.
        """
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        if protocol.handshake_exc is not None:
            raise _refusal(protocol.handshake_exc, ended=not data)
        return protocol.state.name != "CONNECTING"

    def receive(self, data: bytes) -> bytes:
        """See `Layer.receive`."""
        from websockets.frames import Frame, Opcode

        if self.failure is not None:
            raise self.failure
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        parts: list[bytes] = []
        for event in protocol.events_received():
            if not isinstance(event, Frame):
                continue  # the HTTP response of the handshake
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                parts.append(bytes(event.data))
            elif event.opcode is Opcode.CLOSE:
                self.ended = True
                self.failure = self._close_error()
        if protocol.parser_exc is not None:
            self.ended = True
            self.failure = _broken(protocol.parser_exc)
        if self.failure is not None and not parts:
            raise self.failure
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def send(self, parts: list[bytes]) -> None:
        """See `Layer.send`. The parts of one STOMP frame must be in one call."""
        if not parts:
            return
        if self._protocol.state.name != "OPEN":
            raise WebSocketError("the WebSocket is closed")
        for message in split_messages(parts):
            send_message(self._protocol, message, binary=self._binary)

    def outgoing(self) -> bytes:
        """See `Layer.outgoing`."""
        return b"".join(self._protocol.data_to_send())

    def close(self) -> None:
        """See `Layer.close`."""
        if self._protocol.state.name == "OPEN":
            self._protocol.send_close(1000)

    def _close_error(self) -> WebSocketError | None:
        """Return the error for the peer's close frame; None for a normal close."""
        close = self._protocol.close_rcvd
        # 1005 means a close frame without a code.
        if close is None or (close.code in (1000, 1005) and not close.reason):
            return None
        reason_text = f": {close.reason}" if close.reason else ""
        return WebSocketError(
            f"the broker closed the WebSocket with code {close.code}{reason_text}", code=close.code
        )


def _protocol(address: Address, settings: WebSocketSettings, max_size: int) -> ClientProtocol:
    """Make the protocol of a new connection. Its HTTP request is in the data to send."""
    try:
        from websockets.client import ClientProtocol
        from websockets.uri import WebSocketURI
    except ImportError as err:
        raise UsageError(
            "a WebSocket needs the package websockets", hint='pip install "stompkit[ws]"'
        ) from err
    from urllib.parse import quote

    headers = {name.lower(): value for name, value in settings.headers}
    offered = settings.subprotocols
    if "sec-websocket-protocol" in headers:
        offered = tuple(name.strip() for name in headers["sec-websocket-protocol"].split(","))
    # Spaces and line ends are encoded; text that is already percent-encoded is not changed.
    path, _, query = quote(address.path or "/", safe="/?%:@!$&'()*+,;=~").partition("?")
    # A scope is only valid on this machine (RFC 6874, section 1).
    host = address.host.partition("%")[0]
    uri = WebSocketURI(address.transport == "wss", host, address.port, "/" + path.lstrip("/"), query)
    protocol = ClientProtocol(
        uri,
        origin=cast("Origin | None", headers.get("origin", settings.origin)),
        subprotocols=cast("tuple[Subprotocol, ...]", offered) or None,
        max_size=max_size,
        logger=null_logger(),
    )
    request = protocol.connect()
    for name, value in settings.headers:
        if name.lower() in ("origin", "sec-websocket-protocol"):
            continue
        if name.lower() == "host":
            del request.headers[name]
        request.headers[name] = value
    protocol.send_request(request)
    return protocol


def split_messages(parts: list[bytes]) -> Iterable[bytes]:
    """Yield the messages to send: the parts of one STOMP frame are joined.

    The session returns a frame as one part, or as three parts if its body is large; the last of them is the NUL. A
    server may write a line feed after the NUL. Parts that fit neither, because the user sends raw bytes, are joined up
    to the next NUL part or the end: the byte stream is the same.
    """
    pending: list[bytes] = []
    for part in parts:
        if pending or not (part.endswith(_FRAME_ENDS) or not part.strip(b"\r\n")):
            pending.append(part)
            if part not in _FRAME_ENDS:
                continue
            part = b"".join(pending)
            pending = []
        yield part
    if pending:
        yield b"".join(pending)


def send_message(protocol: Protocol, message: bytes, *, binary: bool) -> None:
    """Send a message, in fragments if it is larger than `FRAGMENT`. Data that is not UTF-8 is always sent as binary."""
    send = protocol.send_binary if binary or not is_utf8(message) else protocol.send_text
    size = len(message)
    if size <= FRAGMENT:
        send(message)
        return
    # A fragment may end inside a UTF-8 character (RFC 6455, section 5.6).
    send(message[:FRAGMENT], fin=False)
    for start in range(FRAGMENT, size, FRAGMENT):
        protocol.send_continuation(message[start : start + FRAGMENT], fin=start + FRAGMENT >= size)


def is_utf8(data: bytes) -> bool:
    """True if the data may be sent as a text message (RFC 6455, section 5.6)."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


_NOT_HTTP = "the port may not support WebSockets, or only over TLS"

_HINTS = {
    **dict.fromkeys((301, 302, 303, 307, 308), "the WebSocket is at another URL; redirects are not followed"),
    400: "check the port and the path of the WebSocket",
    401: "the server requires a login: pass an Authorization header",
    403: "the server may require another Origin, or an Authorization header",
    404: "check the path (ws_path); that of RabbitMQ is /ws",
    426: "the server may require another subprotocol",
}


def _refusal(error: Exception, *, ended: bool) -> WebSocketError:
    """Return the error for a failed handshake."""
    from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus

    if isinstance(error, InvalidStatus):
        code = error.response.status_code
        text = f"HTTP {code} {one_line(error.response.reason_phrase, 100)}".rstrip()
        refusal = WebSocketError(text, code=code, hint=_HINTS.get(code, ""))
    elif isinstance(error, InvalidMessage) or not isinstance(error, InvalidHandshake):
        # Older releases of `websockets` do not wrap the exceptions of their HTTP parser.
        text = "the server closed the connection" if ended else "the answer is not HTTP"
        refusal = WebSocketError(text, hint=_NOT_HTTP)
    else:
        refusal = WebSocketError(one_line(error, 200))
    # `error` is not set as the cause: its text contains raw text from the server, and a traceback would show it.
    return refusal


def _broken(error: Exception) -> WebSocketError:
    """Return the error for a violation of the WebSocket protocol."""
    from websockets.exceptions import PayloadTooBig

    if isinstance(error, PayloadTooBig):
        text, code = f"the broker sent a WebSocket message that is too large: {error}", 1009
    else:
        text, code = f"the broker broke the WebSocket protocol: {error}", 1002
    return WebSocketError(one_line(text, 300), code=code)


def open_websocket(
    sock: socket.socket, layer: WebSocketLayer, below: Layer | None, address: Address, deadline: Deadline
) -> None:
    """Do the handshake over a connected socket. The socket is blocking again afterwards.

    Args:
        sock: the socket.
        layer: a new layer.
        below: the TLS layer after its handshake, or None without TLS.
        address: the address, for the error.
        deadline: the deadline of the handshake.

    Raises:
        ConnectFailed: in phase "websocket". The socket is still open.
    """
    first = b""
    try:
        done = False
        while not done:
            out = layer.outgoing()
            if below is not None:
                below.send([out])
                out = below.outgoing()
            if out:
                sock.settimeout(deadline.check())
                sock.sendall(out)
            sock.settimeout(deadline.check())
            data = sock.recv(_READ)
            if data and below is not None:
                data = below.receive(data)
                if not data and not below.ended:
                    continue
            if not first:
                first = data[:EXAMINED_BYTES]
                if identify(first, tls=below is not None, websocket=True) is not None:
                    # Fail now: for HTTP the line may be incomplete, and the peer may wait for an answer.
                    raise ConnectionError("not HTTP")
            done = layer.handshake(data)
        sock.settimeout(None)
    except OSError as err:
        if isinstance(err, TimeoutError):
            reason, hint = "timed out", _NOT_HTTP
        else:
            reason, hint = err.strerror or str(err), getattr(err, "hint", "")
        tls = below is not None
        if (found := identify(first, tls=tls, websocket=True)) is not None:
            reason, hint = found
        else:
            # The port may be that of another HTTP service.
            hint = expected(address.port, tls=tls, websocket=True) or hint
        raise ConnectFailed(
            f"WebSocket with {address} failed: {reason}",
            address=str(address),
            phase="websocket",
            failures=[err],
            hint=hint,
        ) from err
