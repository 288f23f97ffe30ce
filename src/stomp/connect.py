"""Connections of the listener API: a transport and the protocol class of one STOMP version in one object."""

from __future__ import annotations

from typing import Any

from stomp.classic.callbacks import Publisher
from stomp.classic.listeners import WaitingListener
from stomp.classic.reexports import resolve_reexport
from stomp.core.frames.limits import Lenient, Limits
from stomp.core.spellings import heartbeat_also
from stomp.protocol import Protocol10, Protocol11, Protocol12
from stomp.transport import Transport
from stomp.utils import get_uuid


class BaseConnection(Publisher):
    """The common base of connections of all versions."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __enter__(self) -> Any:
        # For programs that use these two attributes or the listener's name; `disconnect` does not need the listener.
        self.disconnect_receipt_id: str = get_uuid()
        self.disconnect_listener: WaitingListener = WaitingListener(self.disconnect_receipt_id)
        self.set_listener("ZZZZZ-disconnect-listener", self.disconnect_listener)
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        self.disconnect(self.disconnect_receipt_id)

    def override_threading(self, create_thread_fc: Any) -> None:
        """Start the receiving thread with `create_thread_fc(callable)`."""
        self.transport.override_threading(create_thread_fc)

    def set_receipt(self, receipt_id: object, value: Any) -> None:
        """See `stomp.transport.Transport.set_receipt`."""
        self.transport.set_receipt(receipt_id, value)

    def set_listener(self, name: str, listener: Any) -> None:
        """Add a listener with a name, or replace the one with that name.

        Raises:
            UsageError: one of its callbacks is a coroutine function, or is not callable.
        """
        self.transport.set_listener(name, listener)

    def remove_listener(self, name: str) -> None:
        """Remove a listener.

        Raises:
            KeyError: there is no listener with that name.
        """
        self.transport.remove_listener(name)

    def get_listener(self, name: str) -> Any:
        """The listener with that name, or None."""
        return self.transport.get_listener(name)

    def is_connected(self) -> bool:
        """True from the broker's CONNECTED until the connection ends."""
        return self.transport.is_connected()

    def set_ssl(self, *args: Any, **kwargs: Any) -> None:
        """Use TLS: see `stomp.transport.Transport.set_ssl`."""
        self.transport.set_ssl(*args, **kwargs)

    def get_ssl(self, host_and_port: Any = None) -> Any:
        """The TLS settings for a pair, or for the current connection; None if it has none."""
        return self.transport.get_ssl(host_and_port)

    def start(self) -> None:
        """Do nothing: `connect` opens the connection. Programs written for older releases call this."""

    def stop(self) -> None:
        """Do nothing: `disconnect` closes the connection. Programs written for older releases call this."""

    def disconnect(self, receipt: Any = None, headers: Any = None, **keyword_headers: Any) -> None:
        """Send DISCONNECT, and wait for the broker's RECEIPT, at most 10 s."""
        # The method of the protocol class, which is the other base of every connection.
        verbs: Any = super()
        verbs.disconnect(receipt, headers, **keyword_headers)


class StompConnection10(BaseConnection, Protocol10):
    """A STOMP 1.0 connection: the transport, and the methods of `stomp.protocol.Protocol10`.

    For the arguments see `stomp.transport.Transport`; `auto_content_length` adds a content-length to every
    message. `older` are arguments of stomp.py 4, see `stomp.classic.deprecated`.
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
        auto_decode: bool = True,
        encoding: str | None = "utf-8",
        auto_content_length: bool = True,
        bind_host_port: tuple[str, int] | None = None,
        *,
        limits: Limits | None = None,
        lenient: Lenient | None = None,
        **older: Any,
    ) -> None:
        transport = Transport(
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
            None,
            auto_decode,
            encoding,
            bind_host_port=bind_host_port,
            limits=limits,
            lenient=lenient,
            **older,
        )
        BaseConnection.__init__(self, transport)
        Protocol10.__init__(self, transport, auto_content_length)


class StompConnection11(BaseConnection, Protocol11):
    """A STOMP 1.1 connection: the transport, and the methods of `stomp.protocol.Protocol11`.

    For the arguments see `stomp.transport.Transport`; `auto_content_length` adds a content-length to every
    message, `heartbeats` (or `heartbeat`, the name in all APIs) is (what the client can send, what it wants) in
    milliseconds, and `heart_beat_receive_scale` is how many heart-beat intervals without data are allowed. `older` are
    arguments of stomp.py 4, see `stomp.classic.deprecated`.
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
        *,
        limits: Limits | None = None,
        lenient: Lenient | None = None,
        **older: Any,
    ) -> None:
        transport = Transport(
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
            limits=limits,
            lenient=lenient,
            **older,
        )
        BaseConnection.__init__(self, transport)
        Protocol11.__init__(self, transport, heartbeats, auto_content_length, heart_beat_receive_scale)


class StompConnection12(BaseConnection, Protocol12):
    """A STOMP 1.2 connection: the transport, and the methods of `stomp.protocol.Protocol12`.

    For the arguments see `stomp.transport.Transport`; `auto_content_length` adds a content-length to every
    message, `heartbeats` (or `heartbeat`, the name in all APIs) is (what the client can send, what it wants) in
    milliseconds, and `heart_beat_receive_scale` is how many heart-beat intervals without data are allowed. `older` are
    arguments of stomp.py 4, see `stomp.classic.deprecated`.
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
        *,
        limits: Limits | None = None,
        lenient: Lenient | None = None,
        **older: Any,
    ) -> None:
        transport = Transport(
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
            limits=limits,
            lenient=lenient,
            **older,
        )
        BaseConnection.__init__(self, transport)
        Protocol12.__init__(self, transport, heartbeats, auto_content_length, heart_beat_receive_scale)

    @staticmethod
    def is_eol(c: bytes) -> bool:
        """True for a line end of STOMP 1.2."""
        return c in (b"\n", b"\r\n")


Connection10 = StompConnection10
Connection11 = StompConnection11
Connection12 = StompConnection12
#: The default version is 1.1, as in stomp.py.
Connection = StompConnection11


def __getattr__(name: str) -> Any:
    return resolve_reexport(__name__, name)
