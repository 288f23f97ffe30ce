"""STOMP over WebSockets, with the names of stomp.py. It needs the extra `ws`.

    conn = stomp.WSConnection([("localhost", 15674)], vhost="/", ws_path="/ws")

All features of `stomp.Connection12` work in the same way: `set_ssl` switches to wss://, with all its options;
keep-alive, the local address, failover and timeouts are those of `stomp.transport.Transport`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from stomp.classic.reexports import resolve_reexport
from stomp.connect import BaseConnection, StompConnection12
from stomp.core.frames.frame import text_of
from stomp.core.frames.limits import Lenient, Limits
from stomp.core.spellings import heartbeat_also
from stomp.net.address import Address
from stomp.net.layer import StackedLayer
from stomp.net.websocket import WebSocketLayer, WebSocketSettings, header_pairs
from stomp.protocol import Protocol12
from stomp.transport import Transport
from stomp.utils import is_eol_default

#: The type of `header`, as in stomp.py: a dict, or "Name: value" lines.
HttpHeaders = Mapping[str, object] | Iterable[str] | None


class WSTransport(Transport):
    """One WebSocket connection at a time, to the first of `host_and_ports` that accepts it.

    The arguments are those of `stomp.transport.Transport`, and:

    Args:
        recv_bytes: not used.
        ws_path: the path of the request, with an optional query; None: "/".
        header: HTTP headers for the handshake, a dict or "Name: value" lines. A Sec-WebSocket-Protocol among them
            is offered instead of v12.stomp, v11.stomp and v10.stomp; an Origin is sent as it is.
        binary_mode: send binary messages. Otherwise messages are text, except those that are not valid UTF-8.

    Raises:
        UsageError: a header cannot be sent.
    """

    def __init__(
        self,
        host_and_ports: Any = None,
        prefer_localhost: bool = True,
        try_loopback_connect: bool = True,
        reconnect_sleep_initial: float = 0.1,
        reconnect_sleep_increase: float = 0.5,
        reconnect_sleep_jitter: float = 0.1,
        reconnect_sleep_max: float = 60.0,
        reconnect_attempts_max: float = 3,
        timeout: float | None = None,
        keepalive: Any = None,
        vhost: str | None = None,
        auto_decode: bool = True,
        encoding: str | None = "utf-8",
        recv_bytes: int = 1024,
        is_eol_fc: Callable[[bytes], bool] = is_eol_default,
        bind_host_port: tuple[str, int] | None = None,
        ws_path: str | None = None,
        header: HttpHeaders = None,
        binary_mode: bool = False,
        *,
        limits: Limits | None = None,
        lenient: Lenient | None = None,
        **older: Any,
    ) -> None:
        super().__init__(
            host_and_ports,
            prefer_localhost,
            try_loopback_connect,
            reconnect_sleep_initial,
            reconnect_sleep_increase,
            reconnect_sleep_jitter,
            reconnect_sleep_max,
            reconnect_attempts_max,
            timeout=timeout,
            keepalive=keepalive,
            vhost=vhost,
            auto_decode=auto_decode,
            encoding=encoding,
            is_eol_fc=is_eol_fc,
            bind_host_port=bind_host_port,
            limits=limits,
            lenient=lenient,
            **older,
        )
        #: The path of the request on the next connection.
        self.ws_path: str = ws_path or "/"
        settings = WebSocketSettings(headers=header_pairs(header), binary=binary_mode)
        self._options = replace(self._options, websocket=settings)

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server has chosen; None if it has chosen none, or without a connection."""
        layer = self._link._layer if self._link is not None else None
        if isinstance(layer, StackedLayer):
            layer = layer.upper
        return layer.subprotocol if isinstance(layer, WebSocketLayer) else None

    def _ordered(self) -> list[Address]:
        return [
            Address(
                host, port, "wss" if self.get_ssl((host, port)) is not None else "ws", text_of(self.ws_path)
            )
            for host, port in (address.pair for address in super()._ordered())
        ]


class WSStompConnection(StompConnection12):
    """A STOMP 1.2 connection over a WebSocket.

    The arguments are those of `stomp.connect.StompConnection12`, then `ws`, which is not used, and `ws_path`, `header`
    and `binary_mode` of `WSTransport`.
    """

    @heartbeat_also
    def __init__(
        self,
        host_and_ports: Any = None,
        prefer_localhost: bool = True,
        try_loopback_connect: bool = True,
        reconnect_sleep_initial: float = 0.1,
        reconnect_sleep_increase: float = 0.5,
        reconnect_sleep_jitter: float = 0.1,
        reconnect_sleep_max: float = 60.0,
        reconnect_attempts_max: float = 3,
        timeout: float | None = None,
        heartbeats: tuple[int, int] = (0, 0),
        keepalive: Any = None,
        vhost: str | None = None,
        auto_decode: bool = True,
        encoding: str | None = "utf-8",
        auto_content_length: bool = True,
        heart_beat_receive_scale: float = 1.5,
        bind_host_port: tuple[str, int] | None = None,
        ws: Any = None,
        ws_path: str | None = None,
        header: HttpHeaders = None,
        binary_mode: bool = False,
        *,
        limits: Limits | None = None,
        lenient: Lenient | None = None,
    ) -> None:
        transport = WSTransport(
            host_and_ports,
            prefer_localhost,
            try_loopback_connect,
            reconnect_sleep_initial,
            reconnect_sleep_increase,
            reconnect_sleep_jitter,
            reconnect_sleep_max,
            reconnect_attempts_max,
            timeout,
            keepalive,
            vhost,
            auto_decode,
            encoding,
            bind_host_port=bind_host_port,
            ws_path=ws_path,
            header=header,
            binary_mode=binary_mode,
            limits=limits,
            lenient=lenient,
        )
        BaseConnection.__init__(self, transport)
        Protocol12.__init__(self, transport, heartbeats, auto_content_length, heart_beat_receive_scale)


WSConnection = WSStompConnection


def __getattr__(name: str) -> Any:
    return resolve_reexport(__name__, name)
